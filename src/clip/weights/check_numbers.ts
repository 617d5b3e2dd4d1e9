/** Weights whose numbers cannot be right: not finite, or zero all over. */
import type { HostTensor } from "../../engine/ops.ts";
import { UserError } from "../../errors.ts";

/**
 * Looks at all numbers of a model.
 *
 * @throws {UserError} with the tensor's name, and the row where only one is concerned
 */
export function checkNumbers(
  { path, names, tensor }: { path: string; names(): string[]; tensor(name: string): HostTensor },
): void {
  for (const name of names()) {
    const { shape, data } = tensor(name);
    const at = firstNotFinite(data);
    if (at >= 0) {
      const what = Number.isNaN(data[at]) ? "NaN" : "an infinite number";
      throw new UserError(
        `The tensor "${name}" of ${path} holds ${what}${placeOf(data, { shape, name })}: take another checkpoint, or ` +
          "save it again in float32, whose numbers do not overflow.",
      );
    }
    // The cosines are multiplied by its exponential, which float32 has no number for from here on.
    if (name === "logit_scale" && !Number.isFinite(Math.fround(Math.exp(data[0])))) {
      throw new UserError(
        `The tensor "${name}" of ${path} is ${
          data[0]
        }, the logarithm of an infinite scale (CLIP's ends at ln 100, 4.6): ` +
          "take another checkpoint.",
      );
    }
    // A bias may be zero all over.
    if (shape.length > 0 && !name.endsWith("bias") && data.every((value) => value === 0)) {
      throw new UserError(
        `The tensor "${name}" of ${path} is zero all over, as of a model that was never trained or loaded: give the ` +
          "file that was trained.",
      );
    }
  }
}

function firstNotFinite(data: Float32Array): number {
  // A sum of products with zero is NaN where any number is not finite: many times faster than a test of each.
  for (let from = 0; from < data.length; from += 4096) {
    const end = Math.min(data.length, from + 4096);
    let sum = 0;
    for (let i = from; i < end; i++) sum += data[i] * 0;
    if (sum === 0) continue;
    for (let i = from; i < end; i++) if (!Number.isFinite(data[i])) return i;
  }
  return -1;
}

/** Which rows of a matrix it is, where not all are concerned. */
function placeOf(data: Float32Array, { shape, name }: { shape: readonly number[]; name: string }): string {
  if (shape.length < 2) return "";
  const [rows] = shape;
  const width = data.length / rows;
  const wrong = Array.from({ length: rows }, (_, row) => row)
    .filter((row) => firstNotFinite(data.subarray(row * width, (row + 1) * width)) >= 0);
  if (wrong.length === rows) return "";
  const row = name === "token_embedding.weight" ? "row (token)" : "row";
  return wrong.length === 1
    ? ` in ${row} ${wrong[0]} alone`
    : ` in ${wrong.length} of ${rows} rows, ${row} ${wrong[0]} first`;
}
