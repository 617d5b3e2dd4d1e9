/**
 * ProGrad: no step against what zero-shot CLIP knows (Zhu et al., ICCV 2023; ProGrad trainers/prograd.py, Dassl.ProGrad
 * dassl/engine/trainer.py:311-349).
 *
 * Two gradients for each learned tensor: g of the cross-entropy, k of the divergence from zero-shot predictions. Where
 * g·k < 0 the part of g along k is taken out, `g ← g − λ·(g·k̂)·k̂`; elsewhere g stays.
 *
 * Published contexts start at the words of the data set's template, right-aligned behind zeros. As in `coop.ts`, words are
 * counted in tokens; the original counts spaces, so that of "a type of pet, a photo of a" its last word stays frozen.
 */
import { spokenName } from "../clip/spoken_name.ts";
import type { HostTensor, Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { cosineLogits, type LossInputs, type PromptMethod } from "./prompt_method.ts";
import { handFeatures, nameOver, overContexts, type OverSettings } from "./over_contexts.ts";
import type { PromptLearning, PromptTask } from "./method.ts";
import { lambda } from "./prompt_settings.ts";
import { choice } from "./setting.ts";

/** The options of {@linkcode progradPrompt}. */
export interface ProgradOptions {
  /** Text features [C, E] of the hand-written prompts of the trained classes, L2-normalised; from `zeroShotFeatures`. */
  handFeatures_CE: HostTensor;
  /** λ; 1 in the published runs. */
  weight?: number;
  /** Softens both predictions; 1 in the published runs. */
  temperature?: number;
}

/** Projects the gradients of `base`. */
export function progradPrompt(base: PromptMethod, options: ProgradOptions): PromptMethod {
  const { handFeatures_CE, weight = 1, temperature = 1 } = options;
  return {
    ...base,
    name: nameOver("prograd", base.name),
    frozen: { ...base.frozen, hand_features: handFeatures_CE },
    losses(ops, inputs) {
      const [loss] = base.losses(ops, inputs);
      return [loss, ops.reshape(distillation(ops, inputs, temperature), ops.shape(loss))];
    },
    combine: ([own, general]) =>
      Object.fromEntries(
        Object.keys(own).map((name) => [name, projected(own[name], general[name], weight)]),
      ),
  };
}

/** `−T²·mean Σ_c p_c·log q_c` of zero-shot p and learned q at temperature T: the divergence but for a constant. */
function distillation<T>(ops: Ops<T>, inputs: LossInputs<T>, temperature: number): T {
  const zeroShot_BC = ops.scale(
    ops.matMul(inputs.imageFeatures_BE, inputs.frozen.hand_features, { transposeB: true }),
    inputs.logitScale / temperature,
  );
  const learned_BC = ops.scale(cosineLogits(ops, inputs), 1 / temperature);
  const perImage = ops.sum(ops.mul(ops.softmax(zeroShot_BC), ops.logSoftmax(learned_BC)), 1);
  return ops.scale(ops.mean(perImage, 0), -temperature * temperature);
}

/** The gradient to descend, of one learned tensor. */
export function projected(own: Float32Array, general: Float32Array, weight = 1): Float32Array {
  let along = 0;
  let squares = 0;
  for (let i = 0; i < own.length; i++) {
    along += own[i] * general[i];
    squares += general[i] * general[i];
  }
  if (along >= 0) return own;
  const factor = weight * along / squares;
  return own.map((value, i) => value - factor * general[i]);
}

/**
 * A template with the class name last, as ProGrad's own are (trainers/prograd.py, `CUSTOM_TEMPLATES`): "a photo of a {}, a
 * type of pet." is "a type of pet, a photo of a {}.", and "{} texture." is "a texture of {}.".
 *
 * @throws {UserError} when the class name is not in it once
 */
export function nameLast(template: string): string {
  const parts = template.split("{}").map((part) => part.replace(/^[\s,.]+|[\s,.]+$/g, ""));
  if (parts.length !== 2) {
    throw new UserError(
      `The template "${template}" does not have {} for the class name once: give --context-start words.`,
    );
  }
  const [before, behind] = parts;
  if (behind === "") return `${before} {}.`;
  return before === "" ? `a ${behind} of {}.` : `${behind}, ${before} {}.`;
}

/** The method with contexts that start at a template's words, as many zeros before them as there are tokens to spare. */
export function fromTemplate(
  base: PromptMethod,
  { model, template }: { model: Pick<PromptTask["model"], "tokenizer" | "tokenEmbedding">; template: string },
): PromptMethod {
  const { shape } = base.params.ctx;
  const [M, D] = shape.slice(-2);
  const words = spokenName(template.slice(0, template.indexOf("{}"))).trim();
  const ids = model.tokenizer.encode(words);
  if (ids.length > M) {
    throw new UserError(
      `The template's words "${words}" are ${ids.length} tokens, more than the ${M} of the context: give ` +
        "--context-tokens 16, or --context-start words.",
    );
  }
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let context = 0; context < data.length; context += M * D) {
    ids.forEach((id, i) => data.set(model.tokenEmbedding(id), context + (M - ids.length + i) * D));
  }
  return { ...base, params: { ...base.params, ctx: { shape, data } } };
}

/** What ProGrad has besides. */
export type ProgradSettings = {
  /** How much of the conflicting part is taken out. */
  lambda: number;
  /** `words`: as `initWords` and `contextTokens` say. `template`: as published. */
  contextStart: "words" | "template";
};

/**
 * ProGrad as the kit runs it, over CoOp's contexts or, with `--over cocoop`, CoCoOp's.
 *
 * Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023 (https://arxiv.org/abs/2205.14865).
 */
export const prograd: PromptLearning<OverSettings & ProgradSettings> = overContexts<ProgradSettings>({
  name: "prograd",
  label: "ProGrad",
  title:
    "ProGrad (Zhu et al., ICCV 2023): CoOp without the part of a gradient that goes against zero-shot CLIP; trains, evaluates, reports.",
  settings: {
    lambda: lambda(1),
    contextStart: choice(["words", "template"], {
      section: "Prompt",
      help: "where the context starts: as --init-words and --context-tokens say, or at the words of the data set's " +
        "template, class name last, right-aligned behind zeros",
      default: "words",
    }),
  },
  presets: {
    "prograd-iccv23": {
      title: "ProGrad as published from base to new: 16 tokens from the data set's template, 100 epochs of batch 32",
      source: "Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023; ProGrad " +
        "scripts/base2new_train_prograd.sh, configs/trainers/ProGrad/rn50_ep100.yaml, trainers/prograd.py; the script has " +
        "RN50, which is not in this kit, and 4 shots (--shots 4); for ImageNet 50 epochs (--epochs 50)",
      expected:
        "ViT-B/16, 16 shots, mean of 11 data sets: 82.48 base / 70.75 new / H 76.16, as KgCoOp's readme prints " +
        "it; its authors do not say with which epochs",
      time: "200 steps of 32 images on EuroSAT at 16 shots, 100 of 20 at 4",
      command: "deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({
        contextStart: "template",
        contextTokens: 16,
        initWords: "",
        epochs: 100,
        batchSize: 32,
        lr: 0.002,
      }),
    },
  },
  check({ contextStart, initWords }) {
    if (contextStart === "words" || initWords === "") return;
    throw new UserError(
      `--context-start template takes the data set's words, and --init-words says "${initWords}": give ` +
        "--context-tokens 16 in its place, or --context-start words.",
    );
  },
  async add(base, task) {
    const { model, template: asItIs, settings: { contextStart, lambda: weight } } = task;
    const isPublished = contextStart === "template";
    const template = isPublished ? nameLast(asItIs) : asItIs;
    const handFeatures_CE = await handFeatures(task, template);
    return progradPrompt(isPublished ? fromTemplate(base, { model, template }) : base, { handFeatures_CE, weight });
  },
});
