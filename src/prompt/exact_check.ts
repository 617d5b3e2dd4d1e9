/**
 * Prefix sharing switched off and on: the plain 77-token pass of the published code against the packed prompts.
 */
import type { ClipModel } from "../clip/model.ts";
import { plainText } from "../clip/plain_text.ts";
import type { HostTensor } from "../engine/ops.ts";
import { featureLogits, normalizeRows } from "../methods/zero_shot.ts";
import type { PromptSession } from "./session.ts";

/** How far apart the two passes are. */
export interface ExactCheck {
  /** Images that were compared. */
  images: number;
  /** Classes of the prompt. */
  classes: number;
  /** The largest difference of two logits. */
  largestDifference: number;
  /** The largest logit, by size. */
  scale: number;
  /** `largestDifference / scale`. */
  relative: number;
}

/** What {@linkcode ExactCheck.relative} must stay below. */
export const EXACT_TOLERANCE = 1e-4;

/**
 * Compares the logits of images at the session's present parameters: by packed prompts, and by 77-token passes as the
 * published code makes them (CoOp trainers/coop.py:37-58).
 */
export async function exactCheck(
  model: ClipModel,
  { session, imageFeatures_BE }: { session: PromptSession; imageFeatures_BE: HostTensor },
): Promise<ExactCheck> {
  const packed = await session.logits(imageFeatures_BE);
  const contexts = await session.contexts(imageFeatures_BE);
  const { shape: { classSpecific }, head } = session.method;
  const units_BE = head === undefined ? imageFeatures_BE : normalizeRows(imageFeatures_BE);
  const [B, E] = imageFeatures_BE.shape;
  const C = session.prompts.length;
  const T = model.config.text.context;
  const D = model.config.text.width;
  const M = contexts.shape[1];
  const groups = classSpecific ? 1 : contexts.shape[0];
  const cosines = new Float32Array(B * C);
  for (let g = 0; g < groups; g++) {
    const embedded = new Float32Array(C * T * D);
    const ends = session.prompts.map(({ tokens }) => tokens.length);
    session.prompts.forEach(({ tokens }, c) => {
      for (let t = 0; t < T; t++) {
        // Id 0 follows the end token, as published; it changes nothing before it.
        const token = t === 0 ? { id: model.tokenizer.startToken } : tokens[t - 1] ?? { id: 0 };
        const row = "id" in token
          ? model.tokenEmbedding(token.id)
          : contexts.data.subarray(((classSpecific ? c : g) * M + token.learned) * D);
        embedded.set(row.subarray(0, D), (c * T + t) * D);
      }
    });
    const { features } = await plainText(model, { embedded_NTD: { shape: [C, T, D], data: embedded }, ends });
    const [from, to] = groups === 1 ? [0, B] : [g, g + 1];
    const images = { shape: [to - from, E], data: units_BE.data.subarray(from * E, to * E) };
    cosines.set(featureLogits(images, normalizeRows(features), { logitScale: model.logitScale }).data, from * C);
  }
  const cosines_BC = { shape: [B, C], data: cosines };
  const { params } = session;
  const { data: logits } = head?.mixed(cosines_BC, { params, rawFeatures_BE: imageFeatures_BE }) ?? cosines_BC;
  const largest = (values: Iterable<number>) => {
    let most = 0;
    for (const value of values) most = Math.max(most, Math.abs(value));
    return most;
  };
  const largestDifference = largest(logits.map((value, i) => value - packed.data[i]));
  const scale = largest(logits);
  return { images: B, classes: C, largestDifference, scale, relative: largestDifference / scale };
}
