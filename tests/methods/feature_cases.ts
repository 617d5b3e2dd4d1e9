/** The random features of `fixtures/feature_methods.py` as a task, and the results that PyTorch and scikit-learn had on them. */
import type { HostTensor } from "../../src/engine/ops.ts";
import type { FeatureTask } from "../../src/methods/feature_method.ts";
import { assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import fixture from "../fixtures/feature_methods.json" with { type: "json" };

export { fixture };

const { E, C, V, N } = fixture.shape;

/** Rows of `width` numbers. */
export function rows(data: readonly number[], width: number): HostTensor {
  return { shape: [data.length / width, width], data: Float32Array.from(data) };
}

/** The few-shot task of the fixture. */
export const task: FeatureTask = {
  classNames: Array.from({ length: C }, (_, c) => `class ${c}`),
  logitScale: fixture.scale,
  textFeatures_CE: rows(fixture.text, E),
  train: {
    features_NE: rows(fixture.clean, E),
    views_VNE: { shape: [V, N, E], data: Float32Array.from(fixture.views) },
    labels: Int32Array.from(fixture.labels),
  },
  val: { features_NE: rows(fixture.val, E), labels: Int32Array.from(fixture.valLabels) },
  seed: 1,
};

/** The images that logits are compared on. */
export const test_NE = rows(fixture.test, E);

/** The text features of two classes without images. */
export const textNew_CE = rows(fixture.textNew, E);

/** Equal up to a share of the largest number. */
export function assertClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assertEquals(actual.length, expected.length);
  const size = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expected.forEach((value, i) => assertAlmostEquals(actual[i], value, tolerance * size, `number ${i}`));
}
