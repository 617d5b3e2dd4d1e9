/** What `compare.json` holds: its types, and the words in which differences are told. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { Warning } from "./collapse.ts";
import { methodLabel } from "../methods/method_label.ts";

/** The layout of `compare.json`. */
export const COMPARISON_VERSION = 1;

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
  /** How the differences' intervals were made. */
  bootstrap: { resamples: number; confidence: number; over: string };
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
  /** True where 0 is inside the interval. */
  withinNoise: boolean;
  /** Seeds that both have; 1 means that the spread over seeds is not in the interval. */
  seeds: number;
  /** It in words. */
  sentence: string;
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
