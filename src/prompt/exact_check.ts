/**
 * Prefix sharing switched off and on: the plain 77-token pass of the published code against the packed prompts.
 */
import type { ClipModel } from "../clip/model.ts";
import { plainText } from "../clip/plain_text.ts";
import type { HostTensor } from "../engine/ops.ts";
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
  const { classSpecific } = session.method.shape;
  const [B, E] = imageFeatures_BE.shape;
  const C = session.prompts.length;
  const T = model.config.text.context;
  const D = model.config.text.width;
  const M = contexts.shape[1];
  const groups = classSpecific ? 1 : contexts.shape[0];
  const texts = new Float32Array(groups * C * E);
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
    texts.set(features.data, g * C * E);
  }
  const textFeatures_GCE = { shape: [groups, C, E], data: texts };
  const { data: logits } = await session.logitsAt({ textFeatures_GCE, imageFeatures_BE, learnedFrom: false });
  const largest = (values: Iterable<number>) => {
    let most = 0;
    for (const value of values) most = Math.max(most, Math.abs(value));
    return most;
  };
  const largestDifference = largest(logits.map((value, i) => value - packed.data[i]));
  const scale = largest(logits);
  return { images: B, classes: C, largestDifference, scale, relative: largestDifference / scale };
}
