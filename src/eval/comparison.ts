/** What `compare.json` holds: its types, and the words in which it is told. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { Warning } from "./collapse.ts";
import { methodLabel } from "../methods/method_label.ts";
import { POWER } from "./interval.ts";

/**
 * The layout of `compare.json`. The kit writes this file and never reads it; other readers should refuse a version that they do not
 * know, and `deno task compare --collect` writes an old one again from its reports. 2: `verdict` and `seedsToTell` stand where
 * `withinNoise` stood, `interval` where `bootstrap` did, and intervals are by Student's t. 3: `h` is one spread, `runs` have more
 * metrics, `trainedOn` is there, and differences have no sentences.
 */
export const COMPARISON_VERSION = 3;

/** What `compare.json` holds; `compareReports` makes it. */
export interface Comparison {
  /** Layout of this file: {@linkcode COMPARISON_VERSION}. */
  comparisonVersion: number;
  /** The exact command. */
  command: string;
  /** On what all methods ran. */
  on: {
    /** CLIP's weights; `sample` for the small model that ships with the kit. */
    model: { name: string; sha256: string; sample: boolean };
    /** The data set's name. */
    dataset: string;
    /** Of the split. */
    splitSha256: string;
    /** Test images of each subset. */
    images: Partial<Record<ClassSubset, number>>;
  };
  /** Classes that were learned from; null where nothing is trained. */
  trainedOn: ClassSubset | null;
  /** Shots of the table; null where nothing is trained. */
  shots: number | null;
  /** Seeds of the table, ascending. */
  seeds: number[];
  /** Classes that were evaluated, in the order of the columns. */
  subsets: ClassSubset[];
  /** Methods of which there are results. */
  methods: MethodSummary[];
  /** What the table has rows of, in order: `methods`, and those asked for of which there is no result. */
  rows: Pick<MethodSummary, "method" | "label">[];
  /** Each other method against the first. */
  differences: Difference[];
  /** How the differences' intervals were made: share of intervals that hold the true difference, what varies, and for how many
   * differences they are corrected. */
  interval: { confidence: number; over: string; multiplicity: string };
  /** Accuracy by number of shots; empty for one number. */
  curve: CurvePoint[];
  /** What to look at twice. */
  warnings: Warning[];
  /** Results that were asked for and that methods cannot have. */
  without: NoResult[];
  /** Where the numbers came from. */
  runs: ComparedRun[];
}

/** Mean and standard deviation over seeds, in percent. */
export interface Spread {
  /** Over seeds, in percent. */
  mean: number;
  /** The population's; null for a method without seeds, or with one. */
  std: number | null;
  /** One entry with seed null for methods that draw nothing. */
  perSeed: { seed: number | null; value: number }[];
}

/** A row of the table. */
export interface MethodSummary {
  /** As in file names and reports. */
  method: string;
  /** As people write it. */
  label: string;
  /** Published configuration that the runs started from. */
  preset: string | null;
  /** Hyper-parameters that differ from the preset's. */
  changed: string[];
  /** Accuracy on each evaluated subset, in percent. */
  accuracy: Partial<Record<ClassSubset, Spread>>;
  /**
   * `mean` is H of the mean accuracies, as in the papers' tables; `std` and `perSeed` are of each seed's H, whose mean is another
   * number. Null unless there are base and new accuracies.
   */
  h: Spread | null;
}

/** A method against the first. */
export interface Difference {
  /** The method that is compared. */
  method: string;
  /** The method that it is compared with: the first. */
  reference: string;
  /** A subset's accuracy, or `h`: H of the means. */
  of: ClassSubset | "h";
  /** Points, positive when the method is better. */
  difference: number;
  /** Lower end of the interval, in points. */
  low: number;
  /** Upper end of the interval, in points. */
  high: number;
  /** Better or worse where 0 is outside the interval. `these test images do not tell` is said of two methods that draw nothing. */
  verdict: "better" | "worse" | "these seeds do not tell" | "these test images do not tell";
  /** Seeds that both have. With 1 the interval is over test images alone; 0 where neither method draws anything. */
  seeds: number;
  /**
   * Seeds that it would take to tell a difference of this size with a chance of 80 %, if seeds and images vary as these do. Null with
   * fewer than two seeds, and where no practicable number of seeds is enough.
   */
  seedsToTell: number | null;
}

/** The differences as rows of words, their headings first: from whom, on what, how large, how sure, and what to conclude. */
export function differenceRows({ differences, interval: { confidence } }: Comparison): string[][] {
  const plans = differences.some(isOpen);
  return [
    [
      "Method",
      "on",
      "points",
      `${Math.round(100 * confidence)} % interval`,
      "verdict",
      ...plans ? ["seeds to tell"] : [],
    ],
    ...differences.map((one) => [
      methodLabel(one.method),
      one.of === "h" ? "H" : one.of,
      signed(one.difference),
      `${signed(one.low)} to ${signed(one.high)}`,
      one.verdict,
      ...plans ? [isOpen(one) ? String(one.seedsToTell ?? "too many") : NOTHING] : [],
    ]),
  ];
}

/** Whether more seeds might tell. */
function isOpen({ verdict, seeds }: Difference): boolean {
  return seeds > 1 && verdict !== "better" && verdict !== "worse";
}

/** What holds for all differences, said once: what they are, what varies in their intervals, and what many at once are worth. */
export function differenceNote({ differences, methods, interval: { confidence } }: Comparison): string {
  const count = differences.length;
  const some = (test: (seeds: number) => boolean) => differences.some(({ seeds }) => test(seeds));
  return [
    `Points above ${methods[0].label}; intervals are by Student's t, paired.`,
    some((seeds) => seeds > 1) && "They allow for other seeds and other test images.",
    some((seeds) => seeds === 1) &&
    "With one seed only the test images vary in the interval: other seeds may give other differences.",
    some((seeds) => seeds === 0) &&
    "Between two methods that draw nothing only the test images vary in the interval.",
    differences.some(isOpen) &&
    `Seeds to tell: about how many would tell a difference of this size on these test images (power ${100 * POWER} %).`,
    count > 1 &&
    `Each interval stands for itself, not corrected for their number: if all methods were equal, about ${
      (count * (1 - confidence)).toFixed(1)
    } of these ${count} differences would still be called better or worse.`,
  ].filter((sentence) => sentence !== false).join(" ");
}

/** `+1.2`, `−3.4`. */
export function signed(value: number): string {
  const text = Math.abs(value).toFixed(1);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** A result that a method cannot have. */
export interface NoResult {
  /** As in file names and reports. */
  method: string;
  /** The classes that it has no result on. */
  subset: ClassSubset;
  /** Why not, in words that end a sentence. */
  why: string;
}

/** Says that a method has no result, and why: `Tip-Adapter has no result on the new classes: …`. */
export function noResultSentences(without: readonly NoResult[]): string[] {
  const alike = Map.groupBy(without, ({ subset, why }) => `${subset} ${why}`);
  return [...alike.values()].map((ones) => {
    const [{ subset, why }] = ones;
    const names = [...new Set(ones.map(({ method }) => methodLabel(method)))];
    return `${inWords(names)} ${names.length === 1 ? "has" : "have"} no result ${PLACES[subset]}: ${why}.`;
  });
}

/** `A`, `A and B`, `A, B and C`. */
export function inWords(names: readonly string[]): string {
  return names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** A point of the few-shot curve. */
export interface CurvePoint {
  /** As in file names and reports. */
  method: string;
  /** Null for methods that learn nothing: a level line. */
  shots: number | null;
  /** Accuracy on each evaluated subset, in percent. */
  accuracy: Partial<Record<ClassSubset, Spread>>;
  /** As in {@linkcode MethodSummary.h}. */
  h: MethodSummary["h"];
}

/** A run that the comparison read. */
export interface ComparedRun {
  /** As in file names and reports. */
  method: string;
  /** Published configuration that it started from; null where there is none. */
  preset: string | null;
  /** Training images a class; null where nothing is trained. */
  shots: number | null;
  /** Null where nothing is drawn. */
  seed: number | null;
  /** Classes that it was evaluated on. */
  evaluatedOn: ClassSubset;
  /** In percent. */
  accuracy: number;
  /** In percent. */
  macroF1: number;
  /** In percent. */
  meanClassAccuracy: number;
  /** Expected calibration error in percent; null in reports of before 0.2. */
  ece: number | null;
  /** On the images that it was trained on, in percent; null where that was not measured. */
  trainingAccuracy: number | null;
  /** Mean loss of each epoch. */
  loss: number[];
}

/** The order in which subsets are shown. */
export const SUBSETS: readonly ClassSubset[] = ["base", "new", "all"];

/** What a column, bar or curve is of. */
export type Measure = Difference["of"];

/** The measures that a comparison has, in order; H last. */
export function measuresOf({ subsets, methods }: Pick<Comparison, "subsets" | "methods">): Measure[] {
  return [
    ...SUBSETS.filter((subset) => subsets.includes(subset)),
    ...methods.some(({ h }) => h !== null) ? ["h" as const] : [],
  ];
}

/** A method's mean, deviation and seeds in one measure. */
export function measured(row: Pick<MethodSummary, "accuracy" | "h">, measure: Measure): Spread | undefined {
  return measure === "h" ? row.h ?? undefined : row.accuracy[measure];
}

/** Why a method has no number: it cannot have one, or its run is not there. H needs both halves. */
export function whyNone(
  { without }: Pick<Comparison, "without">,
  method: string,
  measure: Measure,
): "no result" | "missing" {
  const cannot = without.some((one) =>
    one.method === method && (measure === "h" ? one.subset !== "all" : one.subset === measure)
  );
  return cannot ? "no result" : "missing";
}

/** What stands in a table for reading where there is nothing. */
export const NOTHING = "–";

/** Subsets and H as headings of columns. */
export const MEASURES: Readonly<Record<Measure, string>> = { base: "base", new: "new", all: "all", h: "H" };

/** Subsets and H within a sentence. */
export const PLACES = {
  base: "on the base classes",
  new: "on the new classes",
  all: "on all classes",
} as const;
