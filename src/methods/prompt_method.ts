/**
 * What a prompt-learning method is: a few learned numbers and two differentiable functions of them.
 *
 * Shapes: `B` images, `C` classes, `G` groups of images that share a context (1, or B when the context depends on the
 * image), `M` context tokens, `D` width of the text tower, `E` embedding.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";

/** How the learned tokens and the class names make prompts. */
export interface PromptShape {
  /** Learned tokens of one context. */
  contextTokens: number;
  /** Where the class name stands among them. */
  classTokenPosition: ClassTokenPosition;
  /** Each class has learned tokens of its own. */
  classSpecific: boolean;
  /** Fixed words between the learned tokens and the class name, where fewer tokens are learned than the initial words have. */
  wordsAfter?: string;
}

/** Learned tokens inside the towers, layer by layer. */
export interface TowerPrompts<T> {
  /** Of the text tower's layers 1, 2, …, [1, M, D]: they replace the rows of the contexts, which are layer 0's. */
  text: readonly T[];
  /** Of the image tower's layers 0, 1, …, [1, M, D of that tower]; none where images are encoded without prompts. */
  image: readonly T[];
}

/** What the loss of a method may use. */
export interface LossInputs<T> {
  /** The learned numbers by name. */
  params: Record<string, T>;
  /** The method's own frozen numbers. */
  frozen: Record<string, T>;
  /** Text features [G, C, E], not normalised. */
  textFeatures_GCE: T;
  /** Image features [B, E], L2-normalised: of the prompted tower, where the method prompts it. */
  imageFeatures_BE: T;
  /** Those of frozen CLIP on the same view; the same tensor where no image prompt is learned. */
  storedFeatures_BE: T;
  /** One-hot [B, C]. */
  labels_BC: T;
  /** The factor of the cosines. */
  logitScale: number;
}

/**
 * A method that learns prompts.
 *
 * @example A variation on CoOp: the context is held near its start
 * ```ts
 * import { coopPrompt, namedStream, type PromptMethod } from "@prompt-kit/clip-prompts";
 *
 * function anchored(base: PromptMethod, weight: number): PromptMethod {
 *   return {
 *     ...base,
 *     name: `anchored-${base.name}`,
 *     frozen: { ...base.frozen, start: base.params.ctx },
 *     losses(ops, inputs) {
 *       const [loss] = base.losses(ops, inputs);
 *       const away = ops.sub(inputs.params.ctx, inputs.frozen.start);
 *       const squares = ops.sum(ops.sum(ops.mul(away, away), 1), 0);
 *       return [ops.add(loss, ops.reshape(ops.scale(squares, weight), ops.shape(loss)))];
 *     },
 *   };
 * }
 * const tokenizer = { encode: () => [] };
 * const model = { config: { text: { width: 2 } }, tokenizer, tokenEmbedding: () => new Float32Array(2) };
 * const random = namedStream(1, "context-init");
 * const base = coopPrompt({ model, contextTokens: 4, classes: 2, classSpecific: false, classTokenPosition: "end", random });
 * if (anchored(base, 0.1).name !== "anchored-coop") throw new Error("unexpected");
 * ```
 */
export interface PromptMethod {
  /** As in file names and reports: `coop`, `cocoop`, … */
  readonly name: string;
  /** How prompts are made of the learned tokens. */
  readonly shape: PromptShape;
  /** The learned numbers at the start. */
  readonly params: Record<string, HostTensor>;
  /** Numbers that do not change and that the loss needs. */
  readonly frozen?: Record<string, HostTensor>;
  /** The contexts depend on the image (CoCoOp): a group for each. */
  readonly imageConditioned: boolean;
  /** Contexts [G, M, D], or [C, M, D] when class-specific. */
  contexts<T>(ops: Ops<T>, inputs: { params: Record<string, T>; imageFeatures_BE: T }): T;
  /** How many layers of {@linkcode PromptMethod.deeper} there are in each tower; none when absent. */
  readonly depth?: { readonly text: number; readonly image: number };
  /** Learned tokens inside the towers; none when absent. */
  deeper?<T>(ops: Ops<T>, params: Record<string, T>): TowerPrompts<T>;
  /** One scalar to descend, or several whose gradients {@linkcode PromptMethod.combine} makes one. */
  losses<T>(ops: Ops<T>, inputs: LossInputs<T>): T[];
  /** Makes one set of gradients of several; the first loss alone when absent. */
  combine?(gradients: readonly Record<string, Float32Array>[]): Record<string, Float32Array>;
}

/** `x / ‖x‖` over the last axis, without an epsilon, as published. */
export function l2Normalize<T>(ops: Ops<T>, x: T): T {
  return ops.mul(x, ops.rsqrt(ops.sum(ops.mul(x, x), -1)));
}

/** Logits [B, C]: scaled cosines of each image with the class texts of its group. */
export function cosineLogits<T>(
  ops: Ops<T>,
  inputs: { textFeatures_GCE: T; imageFeatures_BE: T; logitScale: number },
): T {
  const { textFeatures_GCE, imageFeatures_BE, logitScale } = inputs;
  const texts = l2Normalize(ops, textFeatures_GCE);
  const [G, C, E] = ops.shape(texts);
  const [B] = ops.shape(imageFeatures_BE);
  const cosines = G === 1
    ? ops.matMul(imageFeatures_BE, ops.reshape(texts, [C, E]), { transposeB: true })
    : ops.reshape(ops.matMul(ops.reshape(imageFeatures_BE, [B, 1, E]), texts, { transposeB: true }), [B, C]);
  return ops.scale(cosines, logitScale);
}

/** Mean cross-entropy of logits [B, C] against one-hot labels [B, C], as a tensor of one number. */
export function crossEntropy<T>(ops: Ops<T>, logits_BC: T, labels_BC: T): T {
  const perImage = ops.sum(ops.mul(labels_BC, ops.logSoftmax(logits_BC)), 1);
  return ops.scale(ops.mean(perImage, 0), -1);
}

/** The loss of CoOp and CoCoOp. */
export function promptLoss<T>(ops: Ops<T>, inputs: LossInputs<T>): T {
  return crossEntropy(ops, cosineLogits(ops, inputs), inputs.labels_BC);
}
