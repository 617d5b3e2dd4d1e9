/** Learned numbers that went astray: not finite, or so large that what is computed from them no longer is. */

/**
 * A thousand million; sensible learned numbers stay below a thousand. A few products on, float32's range ends (3.4e38), and
 * softmaxes, norms and rectifiers turn infinity into numbers that look fine: the same answer for every image.
 */
const LARGEST = 1e9;

/** What is wrong with learned numbers, as the end of a sentence; undefined when nothing is. */
export function divergence(values: ArrayLike<number>): string | undefined {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (!Number.isFinite(size)) return "is not finite";
    if (size > largest) largest = size;
  }
  return largest > LARGEST ? `has numbers of ${largest.toExponential(0)}, too large to compute with` : undefined;
}
