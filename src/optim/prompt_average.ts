/**
 * Averages of learned prompts: over the epochs of a run with Gaussian weights (Khattak et al., PromptSRC, ICCV 2023;
 * trainers/promptsrc.py), and between a learned prompt and its start (after Wortsman et al., WiSE-FT, CVPR 2022).
 *
 * Neither changes training: the first is taken along the way, the second afterwards.
 */
import { UserError } from "../errors.ts";

/** Learned numbers by name, as a prompt's parameters are. */
type PromptValues = Record<string, { readonly data: Float32Array }>;

/**
 * The weight of each epoch: a Gaussian at 1 … epochs, made to sum to 1 (PromptSRC trainers/promptsrc.py). Mean and deviation are in epochs.
 *
 * @throws {UserError} when the Gaussian is so far from all epochs, or so narrow, that no weight is left
 */
export function gaussianWeights(
  epochs: number,
  { mean, deviation }: { mean: number; deviation: number },
): number[] {
  const raw = Array.from({ length: epochs }, (_, i) => Math.exp(-0.5 * ((i + 1 - mean) / deviation) ** 2));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  if (!(sum > 0 && Number.isFinite(sum))) {
    throw new UserError(
      `A Gaussian of mean ${mean} and deviation ${deviation} gives no weight to epochs 1 to ${epochs}: ` +
        "take a mean within the run and a deviation from about 1.",
    );
  }
  return raw.map((weight) => weight / sum);
}

/**
 * Adds `weight` times the present values to a running average, in place: sums in float64 by name, at the start none.
 */
export function addToAverage(average: Record<string, Float64Array>, values: PromptValues, weight: number): void {
  for (const [name, { data }] of Object.entries(values)) {
    const sum = average[name] ??= new Float64Array(data.length);
    for (let i = 0; i < sum.length; i++) sum[i] += weight * data[i];
  }
}

/**
 * `(1 − share)·start + share·learned` of every learned number; 1 is the learned prompt, 0 its initial words.
 */
export function interpolate(start: PromptValues, learned: PromptValues, share: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(learned).map(([name, { data }]) => [
      name,
      data.map((value, i) => (1 - share) * start[name].data[i] + share * value),
    ]),
  );
}
