import { assert, assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { pythonRandom } from "../../src/data/random.ts";
import { accuracyDifference, harmonicDifference } from "../../src/eval/differences.ts";
import { differenceInterval, seedsToTell } from "../../src/eval/interval.ts";
import { harmonicMean } from "../../src/eval/metrics.ts";
import { chiSquareQuantile, studentQuantile } from "../../src/eval/quantiles.ts";
import { differenceVariance, type PairedOutcomes } from "../../src/eval/variance.ts";

const rows = (...texts: string[]) => texts.map((text) => Uint8Array.from(text, Number));
const SMALL: PairedOutcomes = {
  first: rows("0110101000", "0010101001", "0110100000"),
  second: rows("1111101010", "0111111011", "1111100110"),
};
const DIFFERENCE = { first: -1, second: 1 };

/** Differences +3, +10 and +38 with images that add nothing: what a paired t test sees. */
const SEEDS_ALONE = { count: 3, seeds: 343 / 3, images: [{ variance: 0, degrees: 999 }] };

Deno.test("quantiles are SciPy's, with whole and broken degrees of freedom", () => {
  const student: [number, number, number][] = [
    [0.975, 1, 12.706204736174694],
    [0.975, 2, 4.302652729749462],
    [0.975, 2.5, 3.5746548420036817],
    [0.975, 9, 2.262157162798205],
    [0.975, 29, 2.045229642132703],
    [0.975, 1e9, 1.959963986912325],
    [0.8, 2, 1.0606601717798214],
    [0.995, 1, 63.656741162871526],
  ];
  for (const [probability, degrees, right] of student) {
    assertAlmostEquals(studentQuantile(probability, degrees) / right, 1, 2e-6, `t ${probability} ${degrees}`);
  }
  for (const [degrees, right] of [[1, 0.18552600635835848], [2, 0.8109302162163289], [29, 25.222217191530085]]) {
    assertAlmostEquals(chiSquareQuantile(1 / 3, degrees) / right, 1, 1e-9);
  }
});

Deno.test("where seeds are all that varies, the interval is the paired t interval: +3, +10, +38 is 17 ± 46", () => {
  const { low, high } = differenceInterval(17, SEEDS_ALONE, 0.95);
  assertAlmostEquals(low, -29.00687425409899, 1e-4);
  assertAlmostEquals(high, 63.00687425409899, 1e-4);
});

Deno.test("seeds and images give the variance components of a two-way table, and Satterthwaite's interval", () => {
  const variance = differenceVariance([{ outcomes: SMALL, weights: DIFFERENCE }]);
  // By NumPy: (MS of seeds)/SI; (MS of images − MS of the rest)/SI + 100²/I².
  assertAlmostEquals(variance.seeds, 11.11111111111111, 1e-9);
  assertAlmostEquals(variance.images[0].variance, 111.11111111111109 + 100, 1e-9);
  assertEquals([variance.count, variance.images[0].degrees], [3, 9]);
  const { difference, low, high } = accuracyDifference(SMALL, 0.95);
  assertAlmostEquals(difference, 36.666666666666664, 1e-10);
  // t with 10.678474 degrees of freedom, by SciPy.
  assertAlmostEquals(low, 3.735382319992638, 1e-5);
  assertAlmostEquals(high, 69.59795101334069, 1e-5);
});

Deno.test("with one seed the interval is that of a paired proportion", () => {
  const outcomes = { first: SMALL.first.slice(0, 1), second: SMALL.second.slice(0, 1) };
  const { difference, low, high, seedsToTell } = accuracyDifference(outcomes, 0.95);
  assertEquals(difference, 30);
  assertAlmostEquals(high - 30, 41.30115022288211, 1e-4);
  assertAlmostEquals(30 - low, 41.30115022288211, 1e-4);
  assertEquals(seedsToTell, null);
});

Deno.test("methods that agree on every image are not known to be equal", () => {
  const equal = { first: rows("1111011110"), second: rows("1111011110") };
  const { difference, low, high } = accuracyDifference(equal, 0.95);
  assertEquals(difference, 0);
  assert(low < -10 && high > 10);
  assertEquals(accuracyDifference({ first: rows("0"), second: rows("1") }, 0.95).low, -100);
});

Deno.test("what all seeds share is not averaged away by more seeds", () => {
  const random = pythonRandom(5);
  const first = Uint8Array.from({ length: 1000 }, () => random.random() < 0.6 ? 1 : 0);
  const second = Uint8Array.from({ length: 1000 }, () => random.random() < 0.6 ? 1 : 0);
  const width = (count: number) => {
    const repeat = (outcome: Uint8Array) => Array.from({ length: count }, () => outcome);
    const { low, high } = accuracyDifference({ first: repeat(first), second: repeat(second) }, 0.95);
    return high - low;
  };
  assertAlmostEquals(width(1), 2 * 1.96 * 100 * Math.sqrt(0.48 / 1000), 0.3);
  assertAlmostEquals(width(10), width(1), 1e-3);
});

Deno.test("H varies by its slopes at the means, with base and new of the same seeds", () => {
  const fresh = { first: rows("0010001000", "0110001001", "0010000000"), second: SMALL.first };
  const means = (outcomes: PairedOutcomes, which: "first" | "second") =>
    100 * outcomes[which].flatMap((row) => [...row]).reduce((a, b) => a + b) / 30;
  const at = (which: "first" | "second") => {
    const [b, f] = [means(SMALL, which), means(fresh, which)];
    const slope = (db: number, df: number) => (harmonicMean(b + db, f + df) - harmonicMean(b - db, f - df)) / 2e-4;
    return { h: harmonicMean(b, f), base: slope(1e-4, 0), fresh: slope(0, 1e-4) };
  };
  const [first, second] = [at("first"), at("second")];
  const variance = differenceVariance([
    { outcomes: SMALL, weights: { first: -first.base, second: second.base } },
    { outcomes: fresh, weights: { first: -first.fresh, second: second.fresh } },
  ]);
  const found = harmonicDifference({ base: SMALL, fresh }, 0.95);
  assertAlmostEquals(found.difference, second.h - first.h, 1e-10);
  const right = differenceInterval(found.difference, variance, 0.95);
  assertAlmostEquals(found.low, right.low, 1e-5);
  assertAlmostEquals(found.high, right.high, 1e-5);
  const never = { first: rows("00"), second: rows("00") };
  assertEquals(harmonicDifference({ base: never, fresh: never }, 0.95), {
    difference: 0,
    low: 0,
    high: 0,
    seedsToTell: null,
  });
});

Deno.test("seeds that it would take have the power that they are planned for, or are not named", () => {
  // The noncentral t distribution has power 0.783 with 11 seeds and 0.825 with 12.
  assertEquals(seedsToTell(17, SEEDS_ALONE, 0.95), 12);
  assertEquals(seedsToTell(-17, SEEDS_ALONE, 0.95), 12);
  assertEquals(seedsToTell(0.01, SEEDS_ALONE, 0.95), null);
  const images = [{ variance: 10 ** 2, degrees: 99 }];
  assertEquals(seedsToTell(17, { ...SEEDS_ALONE, images }, 0.95), null, "more seeds do not make up for few images");
});

Deno.test("sets that do not belong together are refused", () => {
  const weights = DIFFERENCE;
  const two = { first: rows("10", "10"), second: rows("10", "10") };
  assertThrows(() =>
    differenceVariance([{ outcomes: two, weights }, { outcomes: { first: rows("1"), second: rows("1") }, weights }])
  );
  assertThrows(() => differenceVariance([{ outcomes: { first: rows("10"), second: rows("1") }, weights }]));
});
