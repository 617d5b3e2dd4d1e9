/**
 * How sure a difference is: a paired bootstrap over test images and seeds. Both methods are judged on the same resampled images and
 * seeds, so what is hard for both does not count as noise.
 */
import type { RandomStream } from "../data/random.ts";

/** Which test images two methods get right, seed by seed. */
export interface PairedOutcomes {
  /** `first[s][i]` is 1 where the first method, trained with the s-th seed, is right on image i. */
  first: readonly Uint8Array[];
  /** The second method, with the same seeds and images. */
  second: readonly Uint8Array[];
}

/** Accuracies of both methods in one resample, in percent, mean over seeds. */
export interface ResampledPair {
  first: number;
  second: number;
}

/** The options of {@linkcode pairedBootstrap}. */
export interface BootstrapOptions {
  /** Resamples. */
  count: number;
  /** What is drawn. */
  random: Pick<RandomStream, "below">;
}

/**
 * Draws resamples: seeds with replacement, the same for all sets; images of each set with replacement, the same for both methods.
 */
export function pairedBootstrap(sets: readonly PairedOutcomes[], options: BootstrapOptions): ResampledPair[][] {
  const { count, random } = options;
  const seeds = sets[0].first.length;
  for (const { first, second } of sets) {
    if (first.length !== seeds || second.length !== seeds) throw new Error("Methods and sets differ in their seeds");
    if ([...first, ...second].some((outcome) => outcome.length !== first[0].length)) {
      throw new Error("Methods and seeds differ in their images");
    }
  }
  return Array.from({ length: count }, () => {
    const drawn = Array.from({ length: seeds }, () => random.below(seeds));
    return sets.map((set) => resample(set, { drawn, random }));
  });
}

function resample(
  { first, second }: PairedOutcomes,
  { drawn, random }: { drawn: readonly number[]; random: BootstrapOptions["random"] },
): ResampledPair {
  const images = first[0].length;
  const times = new Uint32Array(images);
  for (let i = 0; i < images; i++) times[random.below(images)]++;
  const accuracy = (outcomes: readonly Uint8Array[]) => {
    let right = 0;
    for (const seed of drawn) {
      const outcome = outcomes[seed];
      for (let i = 0; i < images; i++) right += times[i] * outcome[i];
    }
    return 100 * right / (images * drawn.length);
  };
  return { first: accuracy(first), second: accuracy(second) };
}

/** The percentile interval of resampled values. */
export function percentileInterval(values: readonly number[], confidence: number): { low: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(sorted.length - 1, below + 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  return { low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) };
}
