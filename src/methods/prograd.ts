/**
 * ProGrad: no step against what zero-shot CLIP knows (Zhu et al., ICCV 2023; ProGrad trainers/prograd.py, Dassl.ProGrad
 * dassl/engine/trainer.py:311-349).
 *
 * Two gradients for each learned tensor: g of the cross-entropy, k of the divergence from zero-shot predictions. Where
 * g·k < 0 the part of g along k is taken out, `g ← g − λ·(g·k̂)·k̂`; elsewhere g stays.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import { cosineLogits, type LossInputs, type PromptMethod } from "./prompt_method.ts";
import { overContexts, type OverSettings } from "./over_contexts.ts";
import type { PromptLearning } from "./method.ts";
import { epochsByShots, lambda, PHOTO } from "./prompt_settings.ts";

/** The options of {@linkcode progradPrompt}. */
export interface ProgradOptions {
  /** Text features [C, E] of the hand-written prompts of the trained classes, L2-normalised; from `zeroShotFeatures`. */
  handFeatures_CE: HostTensor;
  /** λ; 1 in the published runs. */
  weight?: number;
  /** Softens both predictions; 1 in the published runs. */
  temperature?: number;
}

/**
 * Projects the gradients of `base`.
 *
 * @param base CoOp or CoCoOp; its loss is the first that it has
 * @param options the hand-written prompts' features, λ and the temperature
 * @returns `prograd`, or `prograd-NAME` over another method than CoOp
 *
 * @example The part of a gradient that disagrees is taken out
 * ```ts
 * import { namedStream } from "../data/random.ts";
 * import { coopPrompt } from "./coop.ts";
 * import { progradPrompt } from "./prograd.ts";
 *
 * const tokenizer = { encode: () => [1, 2] };
 * const model = { config: { text: { width: 2 } }, tokenizer, tokenEmbedding: (id: number) => Float32Array.of(id, id) };
 * const random = namedStream(1, "context-init");
 * const base = coopPrompt({ model, contextTokens: 1, classes: 2, classSpecific: false, classTokenPosition: "end", random });
 * const method = progradPrompt(base, { handFeatures_CE: { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) } });
 * const { ctx } = method.combine!([{ ctx: Float32Array.of(1, 1) }, { ctx: Float32Array.of(-2, 0) }]);
 * if (ctx[0] !== 0 || ctx[1] !== 1) throw new Error("unexpected");
 * ```
 */
export function progradPrompt(base: PromptMethod, options: ProgradOptions): PromptMethod {
  const { handFeatures_CE, weight = 1, temperature = 1 } = options;
  return {
    ...base,
    name: base.name === "coop" ? "prograd" : `prograd-${base.name}`,
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

/**
 * The gradient to descend, of one learned tensor.
 *
 * @param own of the cross-entropy
 * @param general of the divergence from zero-shot predictions
 * @param weight λ, the share of the conflicting part that is taken out
 */
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
 * ProGrad as the kit runs it, over CoOp's contexts or, with `--over cocoop`, CoCoOp's.
 *
 * Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023 (https://arxiv.org/abs/2205.14865).
 */
export const prograd: PromptLearning<OverSettings & { lambda: number }> = overContexts({
  name: "prograd",
  label: "ProGrad",
  title:
    "ProGrad (Zhu et al., ICCV 2023): CoOp without the part of a gradient that goes against zero-shot CLIP; trains, evaluates, reports.",
  settings: { lambda: lambda(1) },
  presets: {
    "prograd-iccv23": {
      title: "ProGrad as published: CoOp's schedule, batch 32",
      source:
        "Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023; ProGrad trainers/prograd.py with CoOp's settings",
      expected: "ViT-B/16, 16 shots, mean of 11 data sets: 82.48 base / 70.75 new / H 76.16",
      time: "400 steps of 32 images on EuroSAT at 16 shots",
      command: "deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: (shots) => ({ ...PHOTO, epochs: epochsByShots(shots), batchSize: 32, lr: 0.002 }),
    },
  },
  add: (base, { handFeatures_CE, settings }) => progradPrompt(base, { handFeatures_CE, weight: settings.lambda }),
});
