/** Models that look like a CLIP and are none that this kit runs, by the names of their tensors. */
import { UserError } from "../../errors.ts";
import type { Dtype } from "./dtype.ts";

/** A kind of model: `mark` is in one of its names, and `also` in another. */
interface Kind {
  mark: RegExp;
  also?: RegExp;
  /** Ends "holds …". */
  what: string;
  /** What to do; {@linkcode TAKE_ANOTHER} when left out. */
  advice?: string;
}

const TAKE_ANOTHER = "take a CLIP with a vision transformer of OpenAI's kind, ViT-B/16 say";

const TRUNK = /^visual\.trunk\./;

/** The first that fits is told. */
const KINDS: readonly Kind[] = [
  { mark: /^(vision_model|text_model)\.head\./, what: "a SigLIP, whose towers and loss are not CLIP's," },
  { mark: TRUNK, also: /^logit_bias$/, what: "a SigLIP, whose image tower is a trunk of timm's (visual.trunk)," },
  {
    mark: TRUNK,
    also: /\.(rope|q_bias|inner_attn_ln|attn\.norm)\b|\.mlp\.(w1|w12|fc1_g)\./,
    what: "an EVA-CLIP, whose image tower is a trunk of timm's (visual.trunk),",
  },
  { mark: TRUNK, what: "a CLIP whose image tower is a trunk of timm's (visual.trunk)," },
  { mark: /^visual\.(blocks|patch_embed|rope)\b/, what: "an EVA-CLIP (visual.blocks)," },
  { mark: /^(text_decoder\.|visual\.attn_pool)/, what: "a CoCa, or another model with attentional pooling," },
  {
    mark: /(^|\.)position(al)?_embedding_res\b/,
    what: "a Long-CLIP, whose text tower has a second, residual table of positions,",
  },
  {
    mark: /^visual\.(layer\d+|attnpool)\./,
    what: "a CLIP with a ModifiedResNet image tower (RN50 and its like),",
    advice: "take one with a vision transformer, ViT-B/16 say",
  },
  {
    mark: /^text\.(transformer|token_embedding|positional_embedding|ln_final|text_projection|proj|cls_emb)\b/,
    what: "a CustomTextCLIP of open_clip, whose text tower is a module of its own (text.…),",
  },
  {
    mark: /(^|\.)(prompt_learner\.|token_prefix$|token_suffix$)/,
    what: "a learned prompt and not the CLIP that it was learned for,",
    advice: "import it with deno task import, and give the CLIP with --model",
  },
  {
    mark: /\.lora_[AB]\b|\.lora_(up|down)\b/,
    what: "LoRA's matrices, to be added to the weights,",
    advice: "merge them in Python (merge_and_unload) and save the whole model",
  },
];

/**
 * Refuses models of other kinds. `stored` are the tensors under the names of the file.
 *
 * @throws {UserError} that says what the file holds, and what to do
 */
export function refuseOtherModels(stored: ReadonlyMap<string, { dtype: Dtype }>, where: string): void {
  const names = [...stored.keys()];
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  const found = KINDS.find(({ mark, also }) => has(mark) && (also === undefined || has(also)));
  if (found !== undefined) {
    throw new UserError(`${where} holds ${found.what} which this kit does not run: ${found.advice ?? TAKE_ANOTHER}.`);
  }
  for (const [tower, other] of [["text", "vision"], ["vision", "text"]]) {
    if (!has(new RegExp(`^${tower}_model\\.`)) || has(new RegExp(`^${other}_model\\.`))) continue;
    throw new UserError(
      `${where} holds the ${tower} tower of a CLIP alone, without the ${other} tower: give a file with both.`,
    );
  }
  for (const [name, { dtype }] of stored) {
    if (dtype.startsWith("F8")) throw eightBits(where, `its tensor ${JSON.stringify(name)} is ${dtype}`);
    if (/weight$/.test(name) && /^[IU]8$/.test(dtype)) {
      throw new UserError(
        `${where} holds quantised weights (its tensor ${JSON.stringify(name)} is ${dtype}), which this kit does not ` +
          "read: save the model in half precision or float32.",
      );
    }
  }
}

/** The error for numbers of eight bits. */
export function eightBits(where: string, what: string): UserError {
  return new UserError(
    `${where} holds fp8 weights (${what}), eight bits a number, which this kit does not read: convert them to half ` +
      "precision, or take the model's file in fp16 or fp32.",
  );
}
