/**
 * How often `compare`'s 95 % intervals hold the true difference: methods are made up whose accuracy over all seeds and all images is
 * known, compared as `compare` does, and counted.
 *
 *     deno task bench:coverage                    # 1,000 test images a set
 *     deno task bench:coverage --images 100 --trials 1000 --json
 *
 * A method is right on an image where `m + τ·z + u + w + e > 0`: z is the seed's luck, half of it shared by the methods (they train
 * on one few-shot draw); u is how hard the image is for everyone, w how much it suits the method, e what is left to one seed and
 * image. All are normal, and u + w + e has variance 1, so a seed's accuracy over all images is Φ(m + τ·z), and its mean over all
 * seeds Φ(m / √(1 + τ²)).
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { jStat } from "../src/deps.ts";
import { accuracyDifference, harmonicDifference, type MeasuredDifference } from "../src/eval/differences.ts";
import { seedsToTell } from "../src/eval/interval.ts";
import { harmonicMean, mean } from "../src/eval/metrics.ts";
import { differenceVariance, type PairedOutcomes } from "../src/eval/variance.ts";
import { median, printTable } from "./measure.ts";

const CONFIDENCE = 0.95;
const SEEDS = [1, 2, 3, 4, 5, 7, 10, 20, 30];
/** Standard deviation of a method's accuracy over seeds, in points. */
const DEVIATIONS = [1, 5, 15];
const ACCURACY = { base: 70, new: 60 };
const SHARES = { difficulty: 0.5, taste: 0.25, rest: 0.25 };
const MEASURES = ["base", "new", "h"] as const;
const METHODS = [
  { name: "equal", gain: 0, fixed: false },
  { name: "5 points better", gain: 5, fixed: false },
  { name: "5 points above zero-shot", gain: 5, fixed: true },
] as const;
/** Beyond what Student's t can bear: most seeds near 95 %, a few far below, against a method that does not vary. */
const SKEWED = { accuracy: { base: 80, new: 80 }, deviation: 15, methods: METHODS[2] };

const PLACES = ["base", "new"] as const;

type Place = typeof PLACES[number];
type Measure = typeof MEASURES[number];

/** One method on one test set: `Φ(m + τ·z)` is a seed's accuracy; a fixed method does not depend on the seed. */
interface Skill {
  m: number;
  tau: number;
  fixed: boolean;
}

interface World {
  skills: Record<Place, { first: Skill; second: Skill }>;
  truth: Record<Measure, number>;
}

const args = parseArgs(Deno.args, {
  string: ["images", "trials"],
  boolean: ["json", "help"],
  default: { images: "1000", trials: "2000" },
});
if (args.help) {
  console.log(
    "deno task bench:coverage [--images 1000] [--trials 2000] [--json]\n\n--json prints one line of JSON last.",
  );
  Deno.exit(0);
}
const [images, trials] = [Number(args.images), Number(args.trials)];
if (![images, trials].every((number) => Number.isInteger(number) && number > 1)) {
  console.error(`error: --images is ${args.images} and --trials ${args.trials}: give whole numbers from 2 up.`);
  Deno.exit(2);
}

const normal = normals(20240607);
const rows: { deviation: number; methods: string; of: Measure; coverage: number[] }[] = [];
const plans: { deviation: number; of: Place; planned: number | null; told: number }[] = [];
for (const deviation of DEVIATIONS) {
  for (const methods of METHODS) {
    const world = makeWorld({ accuracy: ACCURACY, deviation, methods });
    for (const [of, coverage] of Object.entries(coverageOf(world))) {
      rows.push({ deviation, methods: methods.name, of: of as Measure, coverage });
    }
    if (methods === METHODS[1]) {
      for (const place of PLACES) plans.push({ deviation, of: place, ...power(world, place) });
    }
  }
}
const skewed = coverageOf(makeWorld(SKEWED)).base;

console.log(
  `Intervals of ${
    100 * CONFIDENCE
  } %, ${images} test images a set, ${trials} trials: percent that hold the true difference`,
);
printTable([
  ["deviation, methods, of", ...SEEDS.map((count) => `${count} ${count === 1 ? "seed" : "seeds"}`)],
  ...rows.map(({ deviation, methods, of, coverage }) => [
    `${deviation}, ${methods}, ${of}`,
    ...coverage.map((percent) => percent.toFixed(1)),
  ]),
  ["lowest", ...SEEDS.map((_, i) => Math.min(...rows.map(({ coverage }) => coverage[i])).toFixed(1))],
  ["highest", ...SEEDS.map((_, i) => Math.max(...rows.map(({ coverage }) => coverage[i])).toFixed(1))],
  ["skewed: 85 ± 15 against zero-shot's 80", ...skewed.map((percent) => percent.toFixed(1))],
]);
console.log(
  "\nSeeds that telling 5 points is said to take (power 80 %, median of 101 comparisons), and how often so many tell",
);
printTable([
  ["deviation, of", "seeds", "told, %"],
  ...plans.map(({ deviation, of, planned, told }) => [
    `${deviation}, ${of}`,
    planned === null ? "none" : String(planned),
    planned === null ? "-" : told.toFixed(0),
  ]),
]);
if (args.json) console.log(JSON.stringify({ images, trials, seeds: SEEDS, rows, skewed, plans }));

function makeWorld(
  { accuracy, deviation, methods: { gain, fixed } }: {
    accuracy: Record<Place, number>;
    deviation: number;
    methods: { gain: number; fixed: boolean };
  },
): World {
  const skills = (place: Place) => ({
    first: fixed ? { m: inverse(accuracy[place] / 100), tau: 0, fixed } : skill(accuracy[place], deviation),
    second: skill(accuracy[place] + gain, deviation),
  });
  const h = harmonicMean(accuracy.base + gain, accuracy.new + gain) - harmonicMean(accuracy.base, accuracy.new);
  return { skills: { base: skills("base"), new: skills("new") }, truth: { base: gain, new: gain, h } };
}

/** The m and τ of a mean accuracy and a deviation over seeds, both in percent. */
function skill(accuracy: number, deviation: number): Skill {
  const z = Array.from({ length: 400 }, (_, i) => inverse((i + 0.5) / 400));
  const at = (tau: number) => inverse(accuracy / 100) * Math.sqrt(1 + tau ** 2);
  let [low, high] = [0, 4];
  for (let i = 0; i < 40; i++) {
    const tau = (low + high) / 2;
    const spread = Math.sqrt(mean(z.map((one) => (100 * below(at(tau) + tau * one) - accuracy) ** 2)));
    if (spread < deviation) low = tau;
    else high = tau;
  }
  return { m: at(low), tau: low, fixed: false };
}

/** For each measure, the percentage of trials whose interval holds the truth, by number of seeds. */
function coverageOf(world: World): Record<Measure, number[]> {
  const held = { base: SEEDS.map(() => 0), new: SEEDS.map(() => 0), h: SEEDS.map(() => 0) };
  for (let trial = 0; trial < trials; trial++) {
    const base = draw(world.skills.base, SEEDS.at(-1)!);
    const fresh = draw(world.skills.new, SEEDS.at(-1)!);
    SEEDS.forEach((count, i) => {
      const sets = { base: firstSeeds(base.outcomes, count), fresh: firstSeeds(fresh.outcomes, count) };
      const found = {
        base: accuracyDifference(sets.base, CONFIDENCE),
        new: accuracyDifference(sets.fresh, CONFIDENCE),
        h: harmonicDifference(sets, CONFIDENCE),
      };
      // With one seed the interval is of the two prompts that this seed gave, not of the methods.
      const truth = count > 1 ? world.truth : ofFirstSeed(base.accuracies, fresh.accuracies);
      for (const of of MEASURES) if (holds(found[of], truth[of])) held[of][i]++;
    });
  }
  const percent = (counts: number[]) => counts.map((count) => 100 * count / trials);
  return { base: percent(held.base), new: percent(held.new), h: percent(held.h) };
}

function holds({ low, high }: MeasuredDifference, truth: number): boolean {
  return low <= truth && truth <= high;
}

function ofFirstSeed(base: Accuracies, fresh: Accuracies): Record<Measure, number> {
  return {
    base: base.second - base.first,
    new: fresh.second - fresh.first,
    h: harmonicMean(base.second, fresh.second) - harmonicMean(base.first, fresh.first),
  };
}

/** Plans for the true difference by the variances that comparisons of 30 seeds show, and counts how often so many seeds tell. */
function power({ skills, truth }: World, of: Place): { planned: number | null; told: number } {
  const planned = median(Array.from({ length: 101 }, () => {
    const { outcomes } = draw(skills[of], 30);
    const variance = differenceVariance([{ outcomes, weights: { first: -1, second: 1 } }]);
    return seedsToTell(truth[of], variance, CONFIDENCE) ?? Infinity;
  }));
  if (planned === Infinity) return { planned: null, told: 0 };
  const tries = Math.min(trials, 500);
  let told = 0;
  for (let i = 0; i < tries; i++) {
    if (accuracyDifference(draw(skills[of], planned).outcomes, CONFIDENCE).low > 0) told++;
  }
  return { planned, told: 100 * told / tries };
}

/** Accuracies of the first seed over all images, in percent. */
interface Accuracies {
  first: number;
  second: number;
}

/** Both methods, trained with new seeds, on new images. */
function draw(
  { first, second }: { first: Skill; second: Skill },
  count: number,
): { outcomes: PairedOutcomes; accuracies: Accuracies } {
  const difficulty = new Float64Array(images).map(() => Math.sqrt(SHARES.difficulty) * normal());
  const luck = Array.from({ length: count }, normal);
  const [one, other] = [first, second].map(({ m, tau, fixed }) => {
    const suits = difficulty.map((value) => value + Math.sqrt(SHARES.taste) * normal());
    const heights = luck.map((shared) => m + tau * Math.SQRT1_2 * (shared + normal()));
    const outcome = (height: number) => {
      const right = new Uint8Array(images);
      for (let i = 0; i < images; i++) right[i] = height + suits[i] + Math.sqrt(SHARES.rest) * normal() > 0 ? 1 : 0;
      return right;
    };
    const always = fixed ? outcome(m) : undefined;
    return { accuracy: 100 * below(heights[0]), rows: heights.map((height) => always ?? outcome(height)) };
  });
  return {
    outcomes: { first: one.rows, second: other.rows },
    accuracies: { first: one.accuracy, second: other.accuracy },
  };
}

function firstSeeds({ first, second }: PairedOutcomes, count: number): PairedOutcomes {
  return { first: first.slice(0, count), second: second.slice(0, count) };
}

/** Normal numbers, fast: quantiles by 16 bits of sfc32 (Doty-Humphrey's small fast counter). */
function normals(seed: number): () => number {
  const table = Float64Array.from({ length: 65536 }, (_, i) => inverse((i + 0.5) / 65536));
  let [a, b, c, d, kept] = [seed, 0x9e3779b9, 0x243f6a88, 1, -1];
  return () => {
    if (kept >= 0) {
      const value = table[kept];
      kept = -1;
      return value;
    }
    const word = (a + b + d) >>> 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    kept = word >>> 16;
    return table[word & 65535];
  };
}

/** Φ. */
function below(value: number): number {
  return jStat.normal.cdf(value, 0, 1);
}

/** The inverse of Φ. */
function inverse(probability: number): number {
  return jStat.normal.inv(probability, 0, 1);
}
