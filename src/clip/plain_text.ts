/**
 * The text tower as published: every prompt on its own, all 77 positions, padding included. Training never needs it; it
 * is what the packed prompts are checked against.
 */
import type { HostTensor } from "../engine/ops.ts";
import type { ClipModel } from "./model.ts";
import { FORBIDDEN } from "./prompt_layout.ts";
import { causalMask, textTower } from "./text_tower.ts";

/** Prompts as token embeddings, positions not yet added. */
export interface PlainPrompts {
  /** [n, T, D], start token first. */
  embedded_NTD: HostTensor;
  /** The row of each prompt's end token. */
  ends: readonly number[];
  /** The gradient at the features [n, E], to be pulled back to the embeddings. */
  cotangent?: HostTensor;
}

/** Features [n, E], not normalised, and the gradient at the embeddings [n, T, D] when there is a cotangent. */
export async function plainText(
  model: ClipModel,
  { embedded_NTD, ends, cotangent }: PlainPrompts,
): Promise<{ features: HostTensor; gradient?: HostTensor }> {
  const [n, T, D] = embedded_NTD.shape;
  const E = model.config.embedding;
  const pick = new Float32Array(n * T);
  ends.forEach((end, i) => pick[i * T + end] = 1);
  const tower = await model.text();
  const program = model.engine.program("plain_text", (ops, [embedded, positions, mask, pick, cotangent]) => {
    const fixed = ops.add(embedded, positions);
    const { features, pullback } = textTower(ops, tower, { fixed, mask, pick, plain: true });
    return cotangent === undefined ? [features] : [features, pullback(cotangent)];
  });
  const [features, gradient] = await program.run([
    embedded_NTD,
    { shape: [1, T, D], data: model.positions.slice(0, T * D) },
    causalMask(T, FORBIDDEN),
    { shape: [n, 1, T], data: pick },
    ...(cotangent === undefined ? [] : [{ shape: [n, 1, E], data: cotangent.data }]),
  ]);
  await program.dispose();
  return { features: { shape: [n, E], data: features.data }, gradient };
}
