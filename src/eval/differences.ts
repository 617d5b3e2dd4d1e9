/** How much better one method is than another, and whether that is more than noise. */
import type { ClassSubset } from "../data/few_shot.ts";
import { namedStream } from "../data/random.ts";
import { pairedBootstrap, type PairedOutcomes, percentileInterval } from "./bootstrap.ts";
import { type Difference, PLACES, SUBSETS } from "./comparison.ts";
import { methodLabel } from "../methods/method_label.ts";
import { harmonicMean, mean } from "./metrics.ts";
import type { Report } from "./report.ts";
import { bySeed } from "./by_seed.ts";

/**
 * The differences of a method from the reference: on each subset, and in H of the means, each with its interval.
 */
export function differences(
  rows: readonly Report[],
  options: { reference: string; method: string; resamples: number; confidence: number },
): Difference[] {
  const { reference, method, resamples, confidence } = options;
  const sets = SUBSETS.flatMap((subset) => {
    const pairs = pair(rows, { reference, method, subset });
    return pairs.length > 0 ? [{ subset, pairs }] : [];
  });
  if (sets.length === 0) return [];
  // One draw of seeds serves all sets, so only seeds that all sets have take part.
  const seeds = sets[0].pairs.map(({ seed }) => seed)
    .filter((seed) => sets.every(({ pairs }) => pairs.some((one) => one.seed === seed)));
  if (seeds.length === 0) return [];
  const outcomes = sets.map(({ pairs }): PairedOutcomes => {
    const chosen = pairs.filter(({ seed }) => seeds.includes(seed));
    return { first: chosen.map(({ first }) => first), second: chosen.map(({ second }) => second) };
  });
  const draws = pairedBootstrap(outcomes, {
    count: resamples,
    random: namedStream(0, "bootstrap", reference, method),
  });
  const observed = outcomes.map(({ first, second }) => ({ first: meanAccuracy(first), second: meanAccuracy(second) }));

  const describe = (of: Difference["of"], value: (pairs: typeof observed) => number): Difference => {
    const difference = value(observed);
    const interval = percentileInterval(draws.map(value), confidence);
    const withinNoise = interval.low <= 0 && interval.high >= 0;
    const facts = { method, reference, of, difference, ...interval, withinNoise, seeds: seeds.length };
    return { ...facts, sentence: sentence(facts, confidence) };
  };
  const found = sets.map(({ subset }, i) => describe(subset, (pairs) => pairs[i].second - pairs[i].first));
  const [base, fresh] = (["base", "new"] as const).map((subset) => sets.findIndex((set) => set.subset === subset));
  if (base < 0 || fresh < 0) return found;
  return [
    ...found,
    describe("h", (pairs) =>
      harmonicMean(pairs[base].second, pairs[fresh].second) - harmonicMean(pairs[base].first, pairs[fresh].first)),
  ];
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
  return Uint8Array.from(labels, (label, i) => label === predictions[i] ? 1 : 0);
}

function meanAccuracy(outcomes: readonly Uint8Array[]): number {
  return mean(outcomes.map((outcome) => 100 * outcome.reduce((sum, right) => sum + right, 0) / outcome.length));
}

function sentence(facts: Omit<Difference, "sentence">, confidence: number): string {
  const { method, reference, of, difference, low, high, withinNoise, seeds } = facts;
  const [own, other] = [methodLabel(method), methodLabel(reference)];
  const interval = `(${Math.round(confidence * 100)} % interval ${signed(low)} to ${signed(high)})`;
  const points = `${Math.abs(difference).toFixed(1)} points ${difference >= 0 ? "above" : "below"} ${other}`;
  const one = seeds === 1 ? " It is of one seed: what other seeds would give is not in the interval." : "";
  return withinNoise
    ? `${own} is ${points} ${PLACES[of]} ${interval}: within noise, these runs do not say which is better.${one}`
    : `${own} is ${points} ${PLACES[of]} ${interval}.${one}`;
}

/** `+1.2`, `−3.4`. */
export function signed(value: number): string {
  const text = Math.abs(value).toFixed(1);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}
