/**
 * Zero-shot CLIP: a template around each class name (CoOp trainers/zsclip.py).
 */
import type { ClipModel } from "../clip/model.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";

/** `x / ‖x‖` of every row of the last axis; a new tensor. */
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

/** A template with the class name in it: `{}` stands for the name, underscores in names are spaces. */
export function fillTemplate(template: string, className: string): string {
  if (!template.includes("{}")) {
    throw new UserError(
      `The template "${template}" has no {} for the class name: write one such as "a photo of a {}."`,
    );
  }
  return template.replaceAll("{}", className.replaceAll("_", " "));
}

/**
 * Text features of the classes, [C, E], L2-normalised. With several templates the normalised features are averaged and
 * normalised again (ZeroshotCLIP2).
 *
 * @throws {UserError} When a template has no `{}` or a text is longer than the model reads.
 */
export async function zeroShotFeatures(
  model: Pick<ClipModel, "encodeTexts" | "config">,
  options: { classNames: readonly string[]; templates: readonly string[] },
): Promise<HostTensor> {
  const { classNames, templates } = options;
  const texts = templates.flatMap((template) => classNames.map((name) => fillTemplate(template, name)));
  const all = normalizeRows(await model.encodeTexts(texts));
  if (templates.length === 1) return all;
  const size = classNames.length * model.config.embedding;
  const mean = new Float32Array(size);
  for (let t = 0; t < templates.length; t++) {
    for (let i = 0; i < size; i++) mean[i] += all.data[t * size + i] / templates.length;
  }
  return normalizeRows({ shape: [classNames.length, model.config.embedding], data: mean });
}

/** Logits [B, C] = scale · I·Tᵀ of normalised image features [B, E] and normalised text features [C, E]. */
export function featureLogits(
  imageFeatures_BE: HostTensor,
  textFeatures_CE: HostTensor,
  options: { logitScale: number },
): HostTensor {
  const [B, E] = imageFeatures_BE.shape;
  const C = textFeatures_CE.shape[0];
  const data = new Float32Array(B * C);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      let dot = 0;
      for (let e = 0; e < E; e++) dot += imageFeatures_BE.data[b * E + e] * textFeatures_CE.data[c * E + e];
      data[b * C + c] = options.logitScale * dot;
    }
  }
  return { shape: [B, C], data };
}
