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
  /** The whole text after the learned tokens, with `{}` for the class name; the name and a full stop when left out. */
  text?: string;
  /**
   * How many blocks of each tower the learned tokens come in above: there they are inserted behind the first row, and the
   * text has its own positions. They are part of the first block's input when left out.
   */
  below?: { readonly text: number; readonly image: number };
}

/** Learned tokens inside the towers, layer by layer. */
export interface TowerPrompts<T> {
  /** Of the text tower's layers 1, 2, …, [1, M, D]: they replace the rows of the contexts, which are layer 0's. */
  text: readonly T[];
  /** Of the image tower's layers 0, 1, …, [1, M, D of that tower]; none where images are encoded without prompts. */
  image: readonly T[];
  /** Each class's, [C, M, D]: they replace the contexts' rows before text block {@linkcode PromptMethod.classBlock}. */
  classes?: T;
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
  /** The mean of the image tower's learned rows after ln_post, [B, D], where they come in above its first blocks. */
  tokenFeatures_BD?: T;
  /**
   * Those of frozen CLIP on the same view; the same tensor where no image prompt is learned. To read them where the method
   * says `readsFrozenImages: false` ends the run.
   */
  storedFeatures_BE: T;
  /** The image features as the tower gives them, where the method has a head. */
  rawFeatures_BE?: T;
  /** One-hot [B, C]. */
  labels_BC: T;
  /** The factor of the cosines. */
  logitScale: number;
}

/** How the gradients of two losses, the task's and the regulariser's, become one, and how that is learned. */
export interface MetaLearning {
  /** The regulariser net at its start. */
  readonly maps: Record<string, HostTensor>;
  /** Rate of the inner step on the support images. */
  readonly adaptRate: number;
  /** Weight of the outer loss. */
  readonly outerRatio: number;
  /** Whether the outer gradient goes through the inner step's own gradient, stops there, or is left out. */
  readonly order: "second" | "first" | "off";
  /** SGD of the regulariser net. */
  readonly rate: number;
}

/**
 * A method that learns prompts.
 *
 * @example A method in a file of its own: CoOp whose context is held near its start
 * ```ts
 * import { coop, decimal, openRun, type PromptLearning, type PromptSettings } from "@prompt-kit/clip-prompts";
 *
 * export const anchored: PromptLearning<PromptSettings & { pull: number }> = {
 *   ...coop,
 *   name: "anchored",
 *   label: "Anchored CoOp",
 *   title: "CoOp whose context is held near its start; trains, evaluates, reports.",
 *   settings: { ...coop.settings, pull: decimal({ help: "how strongly the context is held", default: 0.1 }) },
 *   async prompt(task) {
 *     const base = await coop.prompt(task);
 *     const numbers = base.params.ctx.data.length;
 *     return {
 *       ...base,
 *       name: "anchored",
 *       frozen: { ...base.frozen, start: base.params.ctx },
 *       losses(ops, inputs) {
 *         const [loss] = base.losses(ops, inputs);
 *         const away = ops.sub(inputs.params.ctx, inputs.frozen.start);
 *         const squares = ops.sum(ops.reshape(ops.mul(away, away), [numbers]), 0);
 *         return [ops.add(loss, ops.reshape(ops.scale(squares, task.settings.pull), ops.shape(loss)))];
 *       },
 *     };
 *   },
 * };
 *
 * const out = await Deno.makeTempDir();
 * await using run = await openRun(anchored, { train: "base", eval: ["base"], epochs: 1, pull: 0.5, out });
 * await using learned = await run.learn(1);
 * const report = await run.report(learned, run.targets[0]);
 * await Deno.remove(out, { recursive: true });
 * if (report?.run.hyperparameters.pull !== 0.5 || report.run.learnedNumbers !== 16 * 128) throw new Error("unexpected");
 * ```
 */
export interface PromptMethod {
  /** As in file names and reports: `coop`, `cocoop`, … */
  readonly name: string;
  /** How prompts are made of the learned tokens. */
  readonly shape: PromptShape;
  /** The template of the hand-written texts of the classes that it tells apart, where it needs their features. */
  readonly handWritten?: string;
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
  /**
   * The text block, counted from 0, before which the classes' tokens of {@linkcode PromptMethod.deeper} come in; the blocks
   * before it are computed once for all classes, as far as their prompts are the same. None when absent.
   */
  readonly classBlock?: number;
  /** Learned tokens inside the towers; none when absent. */
  deeper?<T>(ops: Ops<T>, params: Record<string, T>): TowerPrompts<T>;
  /**
   * Adam, or AdamW whose decay is decoupled, in place of SGD, with the run's learning rate and decay; its β₁ is the run's
   * momentum, its β₂ 0.999. SGD when absent.
   */
  readonly optimizer?: { readonly name: "adam" | "adamw"; readonly epsilon: number };
  /** One scalar to descend, or several whose gradients {@linkcode PromptMethod.combine} makes one. */
  losses<T>(ops: Ops<T>, inputs: LossInputs<T>): T[];
  /** What a user should know of how the settings fit the model, in a sentence. */
  readonly note?: string;
  /** Numbers that the data set decided, by name, for reports. */
  readonly given?: Readonly<Record<string, number>>;
  /** Logits of its own; scaled cosines when absent. */
  readonly scores?: {
    /** The learned numbers that they need, by name. */
    readonly params: readonly string[];
    /** Logits [B, C]. `learnedFrom` says whether the classes are those that were learned from. */
    logits<T>(
      ops: Ops<T>,
      inputs:
        & Pick<LossInputs<T>, "params" | "textFeatures_GCE" | "imageFeatures_BE" | "tokenFeatures_BD" | "logitScale">
        & { rawFeatures_BE: T; learnedFrom: boolean },
    ): T;
  };
  /**
   * A second, meta-learned step after each step (ProMetaR); none when absent.
   *
   * @internal
   */
  readonly meta?: MetaLearning;
  /**
   * A classifier beside the cosines (DePT), whose logits {@linkcode PromptMethod.scores} mixes in: the learning rates of its
   * numbers, by name, as factors of the others'. With one, image features come as the tower gives them.
   *
   * @internal
   */
  readonly head?: { readonly rates: Readonly<Record<string, number>> };
  /** Makes one set of gradients of several; the first loss alone when absent. */
  combine?(gradients: readonly Record<string, Float32Array>[]): Record<string, Float32Array>;
}

/**
 * `x / ‖x‖` over the last axis, without an epsilon, as published (clip/model.py:362-363).
 *
 * @param ops the engine's operations
 * @param x of any shape [..., E]; a row of zeros gives NaN
 * @returns the same shape
 *
 * @example
 * ```ts
 * import { l2Normalize, openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const program = engine.program("unit", (ops, [x_BE]) => [l2Normalize(ops, x_BE)]);
 * const [{ data }] = await program.run([{ shape: [1, 2], data: Float32Array.of(3, 4) }]);
 * await engine.dispose();
 * if (Math.abs(data[0] - 0.6) > 1e-6) throw new Error("unexpected");
 * ```
 */
export function l2Normalize<T>(ops: Ops<T>, x: T): T {
  return ops.mul(x, ops.rsqrt(ops.sum(ops.mul(x, x), -1)));
}

/**
 * Logits [B, C]: scaled cosines of each image with the class texts of its group (clip/model.py:362-367).
 *
 * @param ops the engine's operations
 * @param inputs text features [G, C, E], not normalised, with G = 1 or B; image features [B, E], L2-normalised; the scale
 * @returns logits [B, C]
 *
 * @example
 * ```ts
 * import { cosineLogits, openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const program = engine.program("logits", (ops, [textFeatures_GCE, imageFeatures_BE]) => [
 *   cosineLogits(ops, { textFeatures_GCE, imageFeatures_BE, logitScale: 100 }),
 * ]);
 * const texts = { shape: [1, 2, 2], data: Float32Array.of(3, 0, 0, 5) };
 * const [{ data }] = await program.run([texts, { shape: [1, 2], data: Float32Array.of(0, 1) }]);
 * await engine.dispose();
 * if (data[0] !== 0 || Math.abs(data[1] - 100) > 1e-4) throw new Error("unexpected");
 * ```
 */
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

/**
 * Mean cross-entropy, a tensor of one number.
 *
 * @param ops the engine's operations
 * @param logits_BC of B images and C classes
 * @param labels_BC one-hot
 * @returns the mean over the images, [1, 1]
 *
 * @example
 * ```ts
 * import { crossEntropy, openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const program = engine.program("loss", (ops, [logits_BC, labels_BC]) => [crossEntropy(ops, logits_BC, labels_BC)]);
 * const equal = { shape: [1, 2], data: Float32Array.of(7, 7) };
 * const [{ data }] = await program.run([equal, { shape: [1, 2], data: Float32Array.of(0, 1) }]);
 * await engine.dispose();
 * if (Math.abs(data[0] - Math.log(2)) > 1e-6) throw new Error("unexpected");
 * ```
 */
export function crossEntropy<T>(ops: Ops<T>, logits_BC: T, labels_BC: T): T {
  const perImage = ops.sum(ops.mul(labels_BC, ops.logSoftmax(logits_BC)), 1);
  return ops.scale(ops.mean(perImage, 0), -1);
}

/**
 * The loss of CoOp and CoCoOp: cross-entropy of the cosine logits (`forward_backward` of CoOp trainers/coop.py,
 * `CustomCLIP.forward` of trainers/cocoop.py).
 *
 * @param ops the engine's operations
 * @param inputs features, labels and the scale
 * @returns the mean over the images, a tensor of one number
 *
 * @example An image at the right class's text has no loss
 * ```ts
 * import { openEngine, promptLoss } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const program = engine.program("loss", (ops, [textFeatures_GCE, imageFeatures_BE, labels_BC]) => [
 *   promptLoss(ops, { textFeatures_GCE, imageFeatures_BE, labels_BC, logitScale: 100 }),
 * ]);
 * const texts = { shape: [1, 2, 2], data: Float32Array.of(3, 0, 0, 5) };
 * const second = { shape: [1, 2], data: Float32Array.of(0, 1) };
 * const [{ data }] = await program.run([texts, second, second]);
 * await engine.dispose();
 * if (Math.abs(data[0]) > 1e-6) throw new Error("unexpected");
 * ```
 */
export function promptLoss<T>(
  ops: Ops<T>,
  inputs: Pick<LossInputs<T>, "textFeatures_GCE" | "imageFeatures_BE" | "labels_BC" | "logitScale">,
): T {
  return crossEntropy(ops, cosineLogits(ops, inputs), inputs.labels_BC);
}
