/** What `compare.json` holds: its types, and the words in which differences are told. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { Warning } from "./collapse.ts";

/** The layout of `compare.json`. */
export const COMPARISON_VERSION = 1;

/** What `compare.json` holds. */
export interface Comparison {
  comparisonVersion: typeof COMPARISON_VERSION;
  /** The exact command. */
  command: string;
  on: {
    model: { name: string; sha256: string; sample: boolean };
    dataset: string;
    splitSha256: string;
    /** Test images of each subset. */
    images: Partial<Record<ClassSubset, number>>;
  };
  /** Shots of the table; null where nothing is trained. */
  shots: number | null;
  seeds: number[];
  subsets: ClassSubset[];
  /** Rows of the table. */
  methods: MethodSummary[];
  /** Each other method against the first. */
  differences: Difference[];
  /** How the differences' intervals were made. */
  bootstrap: { resamples: number; confidence: number; over: string };
  /** Accuracy by number of shots; empty for one number. */
  curve: CurvePoint[];
  warnings: Warning[];
  /** Where the numbers came from. */
  runs: ComparedRun[];
}

/** Mean and standard deviation over seeds, in percent. */
export interface Spread {
  mean: number;
  /** The population's; null for a method without seeds, or with one. */
  std: number | null;
  /** One entry with seed null for methods that draw nothing. */
  perSeed: { seed: number | null; value: number }[];
}

/** A row of the table. */
export interface MethodSummary {
  method: string;
  /** As people write it. */
  label: string;
  preset: string | null;
  /** Hyper-parameters that differ from the preset's. */
  changed: string[];
  accuracy: Partial<Record<ClassSubset, Spread>>;
  /** Null unless there are base and new accuracies. */
  h: { ofMeans: number; meanOfH: Spread } | null;
}

/** A method against the first. */
export interface Difference {
  method: string;
  reference: string;
  /** A subset's accuracy, or `h`: H of the means. */
  of: ClassSubset | "h";
  /** Points, positive when the method is better. */
  difference: number;
  /** Ends of the interval. */
  low: number;
  high: number;
  withinNoise: boolean;
  /** Seeds that both have; 1 means that the spread over seeds is not in the interval. */
  seeds: number;
  /** It in words. */
  sentence: string;
}

/** A point of the few-shot curve. */
export interface CurvePoint {
  method: string;
  /** Null for methods that learn nothing: a level line. */
  shots: number | null;
  accuracy: Partial<Record<ClassSubset, Spread>>;
  h: MethodSummary["h"];
}

/** A run that the comparison read. */
export interface ComparedRun {
  method: string;
  preset: string | null;
  shots: number | null;
  seed: number | null;
  evaluatedOn: ClassSubset;
  accuracy: number;
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
