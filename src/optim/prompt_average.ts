/**
 * Averages of learned prompts: over the epochs of a run with Gaussian weights (Khattak et al., PromptSRC, ICCV 2023;
 * trainers/promptsrc.py), and between a learned prompt and its start (after Wortsman et al., WiSE-FT, CVPR 2022).
 *
 * Neither changes training: the first is taken along the way, the second afterwards.
 */
import { UserError } from "../errors.ts";

/** Learned numbers by name, as a prompt's parameters are. */
export type PromptValues = Record<string, { readonly data: Float32Array }>;

/** Which epochs count in an average. */
export interface GaussianOptions {
  /** The epoch that counts most. */
  mean: number;
  /** How many epochs around it count. */
  deviation: number;
}

/**
 * The weight of each epoch: a Gaussian at 1 … epochs, made to sum to 1 (PromptSRC trainers/promptsrc.py).
 *
 * @param epochs of the run
 * @param options mean and deviation, in epochs
 * @returns one weight an epoch
 * @throws {UserError} when the Gaussian is so far from all epochs, or so narrow, that no weight is left
 *
 * @example
 * ```ts
 * import { gaussianWeights } from "./prompt_average.ts";
 *
 * const weights = gaussianWeights(20, { mean: 15, deviation: 1 });
 * if (weights.indexOf(Math.max(...weights)) !== 14) throw new Error("unexpected");
 * ```
 */
export function gaussianWeights(epochs: number, { mean, deviation }: GaussianOptions): number[] {
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
 * Adds `weight` times the present values to a running average, in place.
 *
 * @param average sums in float64 by name; an empty record at the start
 * @param values the present values
 * @param weight of the present values, from {@linkcode gaussianWeights}
 *
 * @example
 * ```ts
 * import { addToAverage } from "./prompt_average.ts";
 *
 * const average: Record<string, Float64Array> = {};
 * addToAverage(average, { ctx: { data: Float32Array.of(4, 0) } }, 0.25);
 * addToAverage(average, { ctx: { data: Float32Array.of(0, 4) } }, 0.75);
 * if (average.ctx.join() !== "1,3") throw new Error("unexpected");
 * ```
 */
export function addToAverage(average: Record<string, Float64Array>, values: PromptValues, weight: number): void {
  for (const [name, { data }] of Object.entries(values)) {
    const sum = average[name] ??= new Float64Array(data.length);
    for (let i = 0; i < sum.length; i++) sum[i] += weight * data[i];
  }
}

/**
 * `(1 − share)·start + share·learned` of every learned number; 1 is the learned prompt, 0 its initial words.
 *
 * @param start the values before training
 * @param learned the values after it, same names and sizes
 * @param share of what was learned, 0 to 1
 *
 * @example
 * ```ts
 * import { interpolate } from "./prompt_average.ts";
 *
 * const { ctx } = interpolate({ ctx: { data: Float32Array.of(0) } }, { ctx: { data: Float32Array.of(8) } }, 0.25);
 * if (ctx[0] !== 2) throw new Error("unexpected");
 * ```
 */
export function interpolate(start: PromptValues, learned: PromptValues, share: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(learned).map(([name, { data }]) => [
      name,
      data.map((value, i) => (1 - share) * start[name].data[i] + share * value),
    ]),
  );
}
