/** How much better one method is than another, and whether these seeds tell. */
import type { ClassSubset } from "../data/few_shot.ts";
import { bySeed } from "./by_seed.ts";
import { type Difference, SUBSETS } from "./comparison.ts";
import { differenceInterval, seedsToTell } from "./interval.ts";
import { harmonicMean, mean } from "./metrics.ts";
import type { Report } from "./report.ts";
import { differenceVariance, type PairedOutcomes, type WeightedOutcomes } from "./variance.ts";

/** A difference as a number, with its interval. */
export type MeasuredDifference = Pick<Difference, "difference" | "low" | "high" | "seedsToTell">;

/**
 * The differences of a method from the reference: on each subset, and in H of the means, each with its interval.
 */
export function differences(
  rows: readonly Report[],
  options: { reference: string; method: string; confidence: number },
): Difference[] {
  const { reference, method, confidence } = options;
  const sets = SUBSETS.flatMap((subset) => {
    const pairs = pair(rows, { reference, method, subset });
    return pairs.length > 0 ? [{ subset, pairs }] : [];
  });
  if (sets.length === 0) return [];
  // H needs base and new of one seed, and all rows of the table are to be of the same seeds.
  const seeds = sets[0].pairs.map(({ seed }) => seed)
    .filter((seed) => sets.every(({ pairs }) => pairs.some((one) => one.seed === seed)));
  if (seeds.length === 0) return [];
  const outcomes = new Map(sets.map(({ subset, pairs }) => {
    const chosen = pairs.filter(({ seed }) => seeds.includes(seed));
    return [subset, { first: chosen.map(({ first }) => first), second: chosen.map(({ second }) => second) }];
  }));
  const drawn = seeds.filter((seed) => seed !== null).length;

  const describe = (of: Difference["of"], measured: MeasuredDifference): Difference => ({
    method,
    reference,
    of,
    ...measured,
    verdict: verdict(measured, drawn),
    seeds: drawn,
  });
  const found = [...outcomes].map(([subset, pair]) => describe(subset, accuracyDifference(pair, confidence)));
  const [base, fresh] = [outcomes.get("base"), outcomes.get("new")];
  return base && fresh ? [...found, describe("h", harmonicDifference({ base, fresh }, confidence))] : found;
}

/** The second method's mean accuracy less the first's. */
export function accuracyDifference(outcomes: PairedOutcomes, confidence: number): MeasuredDifference {
  const [first, second] = [meanAccuracy(outcomes.first), meanAccuracy(outcomes.second)];
  return measure(second - first, [{ outcomes, weights: { first: -1, second: 1 } }], confidence);
}

/** The second method's H of the mean accuracies less the first's; its variance by the slopes of H there (the delta method). */
export function harmonicDifference(
  { base, fresh }: { base: PairedOutcomes; fresh: PairedOutcomes },
  confidence: number,
): MeasuredDifference {
  const [first, second] = (["first", "second"] as const).map((which) => {
    const [b, f] = [meanAccuracy(base[which]), meanAccuracy(fresh[which])];
    const squared = (b + f) ** 2 || Infinity;
    return { h: harmonicMean(b, f), base: 2 * f ** 2 / squared, fresh: 2 * b ** 2 / squared };
  });
  return measure(second.h - first.h, [
    { outcomes: base, weights: { first: -first.base, second: second.base } },
    { outcomes: fresh, weights: { first: -first.fresh, second: second.fresh } },
  ], confidence);
}

function measure(difference: number, sets: readonly WeightedOutcomes[], confidence: number): MeasuredDifference {
  const variance = differenceVariance(sets);
  return {
    difference,
    ...differenceInterval(difference, variance, confidence),
    seedsToTell: seedsToTell(difference, variance, confidence),
  };
}

function verdict({ low, high }: MeasuredDifference, seeds: number): Difference["verdict"] {
  if (low > 0) return "better";
  if (high < 0) return "worse";
  return seeds === 0 ? "these test images do not tell" : "these seeds do not tell";
}

/** What both methods get right, seed by seed; a method without seeds goes with every seed of the other. */
function pair(
  rows: readonly Report[],
  { reference, method, subset }: { reference: string; method: string; subset: ClassSubset },
): { seed: number | null; first: Uint8Array; second: Uint8Array }[] {
  const of = (name: string) => bySeed(rows.filter(({ run }) => run.method === name), subset);
  const [firsts, seconds] = [of(reference), of(method)];
  const fixed = (list: typeof firsts) => list.length === 1 && list[0].seed === null ? list[0] : undefined;
  const seeds = (fixed(seconds) ? firsts : seconds).map(({ seed }) => seed);
  return seeds.flatMap((seed) => {
    const first = fixed(firsts) ?? firsts.find((one) => one.seed === seed);
    const second = fixed(seconds) ?? seconds.find((one) => one.seed === seed);
    return first && second ? [{ seed, first: rightOnes(first.report), second: rightOnes(second.report) }] : [];
  });
}

function rightOnes({ results: { predictions: { labels, predictions } } }: Report): Uint8Array {
  const right = new Uint8Array(labels.length);
  for (let i = 0; i < right.length; i++) right[i] = labels[i] === predictions[i] ? 1 : 0;
  return right;
}

function meanAccuracy(outcomes: readonly Uint8Array[]): number {
  return mean(outcomes.map((outcome) => 100 * outcome.reduce((sum, right) => sum + right, 0) / outcome.length));
}
