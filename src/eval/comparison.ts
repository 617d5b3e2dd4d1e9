/** What `compare.json` holds: its types, and the words in which differences are told. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { Warning } from "./collapse.ts";
import { methodLabel } from "../methods/method_label.ts";
import { POWER } from "./interval.ts";

/**
 * The layout of `compare.json`. The kit writes this file and never reads it; other readers should refuse a version that they do not
 * know, and `deno task compare --collect` writes an old one again from its reports. 2: `verdict` and `seedsToTell` stand where
 * `withinNoise` stood, `interval` where `bootstrap` did, and intervals are by Student's t.
 */
export const COMPARISON_VERSION = 2;

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
  /** Shots of the table; null where nothing is trained. */
  shots: number | null;
  /** Seeds of the table, ascending. */
  seeds: number[];
  /** Classes that were evaluated, in the order of the columns. */
  subsets: ClassSubset[];
  /** Rows of the table. */
  methods: MethodSummary[];
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
  /** H of the mean accuracies, as in papers, and the mean of each seed's H. Null unless there are base and new accuracies. */
  h: { ofMeans: number; meanOfH: Spread } | null;
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
  /** It in words. */
  sentence: string;
}

/** What the sentence of a difference is made from. */
export type DifferenceFacts = Omit<Difference, "sentence">;

/** Tells a difference: how large, how sure, what to conclude, and what it would take to know. */
export function differenceSentence(facts: DifferenceFacts, confidence: number): string {
  const { method, reference, of, difference, low, high, verdict } = facts;
  const points = `${Math.abs(difference).toFixed(1)} points ${difference >= 0 ? "above" : "below"}`;
  const interval = `${Math.round(100 * confidence)} % interval ${signed(low)} to ${signed(high)}`;
  const found = `${methodLabel(method)} is ${points} ${methodLabel(reference)} ${
    PLACES[of]
  } (${interval}): ${verdict}.`;
  return [found, ...caveat(facts)].join(" ");
}

function caveat({ verdict, seeds, seedsToTell }: DifferenceFacts): string[] {
  if (seeds === 0) return ["Neither method draws anything, so only the test images vary in the interval."];
  if (seeds === 1) {
    return ["With one seed only the test images vary in the interval: other seeds may give other differences."];
  }
  if (verdict === "better" || verdict === "worse") return [];
  return [
    seedsToTell === null
      ? "No practicable number of seeds would tell a difference this small on these test images."
      : `About ${seedsToTell} seeds would tell a difference of this size (power ${100 * POWER} %).`,
  ];
}

/** What several intervals at once are worth; undefined where there is one. */
export function multiplicitySentence({ differences, interval: { confidence } }: Comparison): string | undefined {
  const count = differences.length;
  if (count < 2) return undefined;
  return `Each interval stands for itself at ${
    Math.round(100 * confidence)
  } %, not corrected for their number: if all methods were ` +
    `equal, about ${
      (count * (1 - confidence)).toFixed(1)
    } of these ${count} differences would still be called better or worse.`;
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
    const names = ones.map(({ method }) => methodLabel(method));
    const who = names.length === 1 ? `${names[0]} has` : `${names.slice(0, -1).join(", ")} and ${names.at(-1)} have`;
    return `${who} no result ${PLACES[subset]}: ${why}.`;
  });
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
  /** On the images that it was trained on, in percent; null where that was not measured. */
  trainingAccuracy: number | null;
  /** Mean loss of each epoch. */
  loss: number[];
}

/** The order in which subsets are shown. */
export const SUBSETS: readonly ClassSubset[] = ["base", "new", "all"];

/** Subsets and H within a sentence. */
export const PLACES = {
  base: "on the base classes",
  new: "on the new classes",
  all: "on all classes",
  h: "in H",
} as const;
