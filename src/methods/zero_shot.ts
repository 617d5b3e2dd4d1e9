/**
 * Zero-shot CLIP: a template around each class name (CoOp trainers/zsclip.py).
 */
import { spokenName } from "../clip/spoken_name.ts";
import type { ClipModel, TextProgress } from "../clip/model.ts";
import type { HostTensor, TensorFunction } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { templates, type TextSettings } from "./feature_settings.ts";
import { type FeatureClassifier, toHost, toMatrix } from "./feature_method.ts";
import type { FeatureLearning } from "./method.ts";
import { product } from "./product.ts";
import { cosineLogits, l2Normalize } from "./prompt_method.ts";

/**
 * `x / ‖x‖` of every row of the last axis, without an epsilon, as published (clip/model.py:362-363).
 *
 * @param x of any shape [..., E]; a row of zeros gives NaN
 * @returns a new tensor of the same shape
 *
 * @example
 * ```ts
 * import { normalizeRows } from "@prompt-kit/clip-prompts";
 *
 * const { data } = normalizeRows({ shape: [1, 2], data: Float32Array.of(3, 4) });
 * if (Math.abs(data[0] - 0.6) > 1e-6) throw new Error("unexpected");
 * ```
 */
export function normalizeRows(x: HostTensor): HostTensor {
  const width = x.shape[x.shape.length - 1];
  const data = new Float32Array(x.data.length);
  for (let from = 0; from < data.length; from += width) {
    let squares = 0;
    for (let i = from; i < from + width; i++) squares += x.data[i] * x.data[i];
    const factor = 1 / Math.sqrt(squares);
    for (let i = from; i < from + width; i++) data[i] = x.data[i] * factor;
  }
  return { shape: x.shape, data };
}

/**
 * A template with the class name in it: `{}` stands for the name, underscores in names are spaces.
 *
 * @param template such as `a photo of a {}.`
 * @param className such as `Annual Crop Land`
 * @throws {UserError} When the template has no `{}`.
 *
 * @example
 * ```ts
 * import { fillTemplate } from "@prompt-kit/clip-prompts";
 *
 * if (fillTemplate("a photo of a {}.", "oak_tree") !== "a photo of a oak tree.") throw new Error("unexpected");
 * ```
 */
export function fillTemplate(template: string, className: string): string {
  if (!template.includes("{}")) {
    throw new UserError(
      `The template "${template}" has no {} for the class name: write one such as "a photo of a {}."`,
    );
  }
  // As a function: in a text, "$&" would stand for what is replaced.
  return template.replaceAll("{}", () => spokenName(className));
}

/**
 * Text features of the classes, [C, E], L2-normalised. With several templates the normalised features are averaged and
 * normalised again (ZeroshotCLIP2).
 *
 * @param model what encodes texts
 * @param options the C class names, and one template or several
 * @throws {UserError} When a template has no `{}` or a text is longer than the model reads.
 *
 * @example
 * ```ts
 * import { loadModel, loadTokenizer, loadWeights, openEngine, zeroShotFeatures } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const templates = ["a centered satellite photo of {}."];
 * const { shape } = await zeroShotFeatures(model, { classNames: ["Forest", "River"], templates });
 * if (shape.join() !== `2,${model.config.embedding}`) throw new Error("unexpected");
 * ```
 */
export async function zeroShotFeatures(
  model: Pick<ClipModel, "encodeTexts" | "config">,
  options: {
    classNames: readonly string[];
    templates: readonly string[];
    onProgress?: (count: { done: number; total: number }) => void;
  },
): Promise<HostTensor> {
  const { classNames, templates, onProgress } = options;
  const texts = templates.flatMap((template) => classNames.map((name) => fillTemplate(template, name)));
  const all = normalizeRows(await encodeDistinct(model, texts, onProgress));
  if (templates.length === 1) return all;
  const size = classNames.length * model.config.embedding;
  const mean = new Float32Array(size);
  for (let t = 0; t < templates.length; t++) {
    for (let i = 0; i < size; i++) mean[i] += all.data[t * size + i] / templates.length;
  }
  return normalizeRows({ shape: [classNames.length, model.config.embedding], data: mean });
}

/** Features of texts; equal ones have equal bits, wherever they stand, so that rounding never chooses between them. */
async function encodeDistinct(
  model: Pick<ClipModel, "encodeTexts">,
  texts: readonly string[],
  onProgress?: TextProgress,
): Promise<HostTensor> {
  const keys = texts.map((text) => text.normalize("NFC").toLowerCase());
  const rowOf = new Map<string, number>();
  const distinct: string[] = [];
  keys.forEach((key, i) => {
    if (rowOf.has(key)) return;
    rowOf.set(key, distinct.length);
    distinct.push(texts[i]);
  });
  const { shape: [, E], data } = await model.encodeTexts(distinct, onProgress);
  if (distinct.length === texts.length) return { shape: [texts.length, E], data };
  const all = new Float32Array(texts.length * E);
  keys.forEach((key, i) => all.set(data.subarray(rowOf.get(key)! * E, (rowOf.get(key)! + 1) * E), i * E));
  return { shape: [texts.length, E], data: all };
}

/**
 * Logits [B, C] = scale · I·Tᵀ.
 *
 * @param imageFeatures_BE L2-normalised
 * @param textFeatures_CE L2-normalised
 * @param options the factor of the cosines: the model's own
 *
 * @example
 * ```ts
 * import { featureLogits } from "@prompt-kit/clip-prompts";
 *
 * const texts_CE = { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) };
 * const { data } = featureLogits({ shape: [1, 2], data: Float32Array.of(0, 1) }, texts_CE, { logitScale: 100 });
 * if (data.join() !== "0,100") throw new Error("unexpected");
 * ```
 */
export function featureLogits(
  imageFeatures_BE: HostTensor,
  textFeatures_CE: HostTensor,
  options: { logitScale: number },
): HostTensor {
  const cosines_BC = product(toMatrix(imageFeatures_BE), toMatrix(textFeatures_CE), { transposed: "right" });
  return toHost(cosines_BC.mul(options.logitScale));
}

/** {@linkcode featureLogits} of features of any length, as a function of tensors. */
export function cosinesWith(texts_CE: HostTensor, logitScale: number): TensorFunction {
  return (ops, features_BE) =>
    cosineLogits(ops, {
      textFeatures_GCE: ops.constant({ ...texts_CE, shape: [1, ...texts_CE.shape] }),
      imageFeatures_BE: l2Normalize(ops, features_BE),
      logitScale,
    });
}

/**
 * Zero-shot CLIP as the kit runs it: nothing is learned, so it answers for any classes.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
 */
export const zeroShot: FeatureLearning<TextSettings> = {
  name: "zeroshot",
  label: "Zero-shot",
  title: "Zero-shot CLIP (Radford et al., ICML 2021): hand-written prompts, nothing learned; evaluates, reports.",
  settings: { templates },
  presets: {},
  draws: false,
  folder: ({ templates }) => templates,
  learn({ textFeatures_CE, logitScale }) {
    const classifier = (texts_CE: HostTensor): FeatureClassifier => ({
      chosen: {},
      logits: (features_NE) => featureLogits(normalizeRows(features_NE), texts_CE, { logitScale }),
      texts_CE,
      newClasses: classifier,
    });
    return classifier(textFeatures_CE);
  },
  learnedNumbers: () => 0,
};
