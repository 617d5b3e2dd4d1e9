/**
 * How much a difference would vary with other seeds and other test images: variance components of a table, seeds down and images
 * across, as in two-way analysis of variance with both at random and one observation a cell.
 *
 * All seeds are judged on the same images. What makes an image easier for one method than for the other is therefore common to all
 * seeds, and more seeds do not average it away:
 *
 *     variance of the mean difference = (variance over seeds) / seeds + (variance over images) / images
 *
 * The first part is read off the seeds' differences, as in a paired t test, and holds the noise of a single seed on single images too.
 * The second is read off the images' mean differences, less what of their variance is that noise.
 */

/** Which test images two methods get right, seed by seed. */
export interface PairedOutcomes {
  /** `first[s][i]` is 1 where the first method, trained with the s-th seed, is right on image i. */
  first: readonly Uint8Array[];
  /** The second method, with the same seeds and images. */
  second: readonly Uint8Array[];
}

/** Outcomes on one test set, and what a point of each method's accuracy there adds to a difference. */
export interface WeightedOutcomes {
  outcomes: PairedOutcomes;
  weights: { first: number; second: number };
}

/** The variance of a difference that is a mean over seeds and images, in squared points, by where it comes from. */
export interface DifferenceVariance {
  /** Seeds that the mean is over. */
  count: number;
  /** The part that falls as seeds are added; 0 for one seed, where it cannot be known. */
  seeds: number;
  /** The part that stays, by test set, with the degrees of freedom of its estimate. */
  images: { variance: number; degrees: number }[];
}

/**
 * The variance of `Σ weights · accuracies` over test sets of the same seeds and different images.
 *
 * @throws {Error} when methods or sets differ in their seeds, or seeds in their images
 */
export function differenceVariance(sets: readonly WeightedOutcomes[]): DifferenceVariance {
  const count = sets[0].outcomes.first.length;
  const tables = sets.map((set) => {
    requireAlike(set.outcomes, count);
    return analyse(set);
  });
  const perSeed = new Float64Array(count);
  for (const { seedMeans } of tables) for (let s = 0; s < count; s++) perSeed[s] += seedMeans[s];
  return {
    count,
    seeds: count === 1 ? 0 : squaresAboutMean(perSeed) / (count - 1) / count,
    images: tables.map(({ images }) => images),
  };
}

function requireAlike({ first, second }: PairedOutcomes, count: number): void {
  if (first.length !== count || second.length !== count) throw new Error("Methods and sets differ in their seeds");
  if ([...first, ...second].some((outcome) => outcome.length !== first[0].length)) {
    throw new Error("Methods and seeds differ in their images");
  }
}

function analyse({ outcomes: { first, second }, weights }: WeightedOutcomes) {
  const [S, I] = [first.length, first[0].length];
  const seedMeans = new Float64Array(S);
  const imageMeans = new Float64Array(I);
  let squares = 0;
  for (let s = 0; s < S; s++) {
    for (let i = 0; i < I; i++) {
      const value = 100 * (weights.first * first[s][i] + weights.second * second[s][i]);
      seedMeans[s] += value / I;
      imageMeans[i] += value / S;
      squares += value ** 2;
    }
  }
  const degrees = Math.max(1, I - 1);
  const [ofSeeds, ofImages] = [squaresAboutMean(seedMeans), squaresAboutMean(imageMeans)];
  const rest = squares - S * I * mean(seedMeans) ** 2 - I * ofSeeds - S * ofImages;
  const noise = S === 1 ? 0 : rest / ((S - 1) * degrees) / (S * I);
  // Half an image more that only one of them gets right, for each of them (Agresti and Min, 2005): among few images, no disagreement
  // seen does not mean that there is none.
  const unseen = 1e4 * (weights.first ** 2 + weights.second ** 2) / 2 / I ** 2;
  return { seedMeans, images: { variance: Math.max(0, ofImages / degrees / I - noise) + unseen, degrees } };
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function squaresAboutMean(values: Float64Array): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
}
