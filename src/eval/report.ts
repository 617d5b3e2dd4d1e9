/**
 * The report of one evaluation: what ran, on what, and what came out. Its JSON Schema is `data/report.schema.json`.
 *
 * Two equal runs give equal reports but for {@linkcode Report.timing}. All accuracies are percentages.
 */
import type { ClipConfig } from "../clip/config.ts";
import type { ClassSubset } from "../data/few_shot.ts";
import { sha256Hex } from "../files.ts";
import type { Warning } from "./collapse.ts";
import { KIT_VERSION } from "../version.ts";
import { calibrate } from "./calibration.ts";
import { evaluatePredictions, mean, type Metrics } from "./metrics.ts";
import type { NearestWords } from "./nearest_words.ts";
import type { Outcome } from "./outcome.ts";

/** The layout that this file writes; raised when readers must change. 2: `results.calibration` is there; 1 is still read. */
export const REPORT_VERSION = 2;

/** One evaluation, as `report-base.json` holds it; {@linkcode buildReport} makes one, {@linkcode readReport} reads one. */
export interface Report {
  /** Layout of this file: {@linkcode REPORT_VERSION}. */
  reportVersion: number;
  /** What ran. */
  run: ReportedRun;
  /** On what it ran. */
  on: ReportedCircumstances;
  /** What came out. */
  results: ReportedResults;
  /** What to look at twice; absent where there is nothing, and before 0.2. */
  warnings?: Warning[];
  /** All that depends on the clock. */
  timing: ReportedTiming;
}

/** What ran. */
export interface ReportedRun {
  /** `zeroshot`, `coop`, `cocoop`, … */
  method: string;
  /** As people write the method's name; reports of 0.1.0 have none. */
  label?: string;
  /** Published configuration that the run started from; null where there is none (zero-shot). */
  preset: string | null;
  /** All hyper-parameters after preset, file and flags; empty where nothing is learned. */
  hyperparameters: Record<string, string | number | boolean>;
  /** Hyper-parameters that differ from the preset's. */
  changed: string[];
  /** The file of the published code that the prompt was imported from: what is not listed of its training is not known. */
  importedFrom?: string;
  /** Seed of the few-shot sample and of all random streams; null where nothing is drawn. */
  seed: number | null;
  /** Training images a class; null where nothing is trained. */
  shots: number | null;
  /** Classes that the prompt was trained on; null where nothing is trained. */
  trainedOn: ClassSubset | null;
  /** The data set that it was trained on, where it is evaluated on another one. */
  trainedOnData?: string;
  /** Classes that it was evaluated on. */
  evaluatedOn: ClassSubset;
  /** True where it was evaluated on the run's validation images, which settings are chosen on, and not on test images. */
  validation?: true;
  /** Names of the evaluated classes, in label order. */
  classNames: string[];
  /** The prompts of each class as text; what is learned stands as `X`. */
  prompts: string[][];
  /** How many numbers were learned. */
  learnedNumbers: number;
  /** The exact command. */
  command: string;
  /** One sha256 of the bytes of the images that were learned from; absent where none were, and before 0.2. */
  imagesSha256?: string;
  /** Of the method's file, where it is the user's own. */
  methodSha256?: string;
  /** The engines that it was trained with, where another one evaluated it. */
  trainedWithEngine?: string;
}

/** On what it ran. */
export interface ReportedCircumstances {
  /** CLIP's weights. */
  model: {
    /** As people call it: `sample`, `ViT-B/16`. */
    name: string;
    /** Of the weights' file. */
    sha256: string;
    config: ClipConfig;
    /** `quickgelu` or `gelu`; absent in reports from before there was a choice, which are of `quickgelu`. */
    activation?: string;
    /** True for the small model that ships with the kit, whose numbers say nothing about real ones. */
    sample: boolean;
  };
  /** The images. */
  data: {
    /** The data set's name, as in run folders. */
    name: string;
    /** Where the images or features came from. */
    source: string;
    /** Where the split came from. */
    splitOrigin: string;
    /** Of the split file, or of the split as such a file would hold it. */
    splitSha256: string;
    /** Images of the data set. */
    images: number;
    /** Training images of this run, of the evaluated classes. */
    train: number;
    /** Validation images of this run. */
    val: number;
    /** Test images that were evaluated; 0 where these were validation images. */
    test: number;
    /** One sha256 of their bytes; absent before 0.2. */
    testImagesSha256?: string;
    /** Of the bytes of the validation images, where these were evaluated. */
    validationImagesSha256?: string;
  };
  /** What computed. */
  engine: {
    /** As chosen with `--engine`. */
    name: string;
    /** What computes, in words, with versions. */
    device: string;
    /** Threads that it used. */
    threads: number;
  };
  /** Of the programs that ran. */
  versions: {
    /** This kit's. */
    kit: string;
    /** Deno's. */
    deno: string;
    /** Operating system and processor: `x86_64-unknown-linux-gnu`. */
    target: string;
  };
}

/** What came out. */
export interface ReportedResults {
  /** What the predictions are worth, in percent and in counts. */
  metrics: Metrics;
  /** What the model says of each test image. */
  predictions: {
    /** sha256 of the test list: paths and labels, one `path TAB label` a line. Only equal lists can be paired. */
    testListSha256: string;
    /** True class of each image, in the order of the test list. */
    labels: number[];
    /** Predicted class of each image. */
    predictions: number[];
  };
  /** Whether its probabilities can be taken at their word; absent in layout 1. */
  calibration?: {
    /** Expected calibration error, in percent: the mean over images of how far their bin's confidence is from its accuracy. */
    ece: number;
    /** Images in each bin; bins are equal steps of the confidence, from 0 to 1, each closed above. */
    images: number[];
    /** Of these, right. */
    correct: number[];
    /** Their mean confidence, 0 to 1; null where there are none. */
    confidence: (number | null)[];
  };
  /** Mean over images of −log of the probability of the true class; absent in reports from before it was kept. */
  crossEntropy?: number;
  /** The mistakes that the model is surest of, surest first. */
  worst: Mistake[];
  /** How training went; null where nothing is trained. */
  training: ReportedTraining | null;
  /** Words whose embeddings are nearest to the learned tokens; null where no token is learned. */
  nearestWords: NearestWords[] | null;
}

/** How training went. */
export interface ReportedTraining {
  /** Steps of the optimiser. */
  steps: number;
  /** Mean loss of each epoch. */
  loss: number[];
  /** Learning rate of each epoch. */
  lr: number[];
  /** Accuracy of the last prompt on the images it was trained on, test transform; null when it was not measured. */
  accuracy: number | null;
  /** How many classes it was trained on; chance is 100 / classes. */
  classes: number;
}

/** An image that was taken for another class. */
export interface Mistake {
  /** Index in the test list. */
  index: number;
  /** Path of the image below the image folder. */
  path: string;
  /** Its true class. */
  label: number;
  /** The class that it was taken for. */
  prediction: number;
  /** Probability that the model gives its prediction, 0 to 1. */
  confidence: number;
}

/** All that depends on the clock. */
export interface ReportedTiming {
  /** When the report was made, ISO 8601. */
  finishedAt: string;
  /** Seconds of each stage, such as `features`, `training`, `evaluation`; what came from a cache took none. */
  seconds: Record<string, number>;
}

/** What {@linkcode buildReport} needs. */
interface ReportInput {
  run: ReportedRun;
  model: ReportedCircumstances["model"];
  /** Test images are counted from {@linkcode ReportInput.samples}, unless these are validation images. */
  data: Omit<ReportedCircumstances["data"], "test">;
  engine: ReportedCircumstances["engine"];
  /** The evaluated images, labels within the evaluated classes. */
  samples: readonly { path: string; label: number }[];
  /** What the model says of them, in the same order; from `outcomeOf`. */
  outcome: Outcome;
  /** How training went; left out where nothing is trained. */
  training?: ReportedTraining;
  /** From `nearestWords`; left out where no token is learned. */
  nearestWords?: NearestWords[];
  warnings?: Warning[];
  seconds: Record<string, number>;
}

/** Mistakes that a report names. */
const MOST_MISTAKES = 24;

/** Losses and rates carry float32 values: more digits than this are noise. */
const DIGITS = 8;

/**
 * Makes the report of one evaluation. Equal inputs give equal reports but for `timing`.
 *
 * @throws {Error} when predictions and images do not fit each other
 */
export async function buildReport(input: ReportInput): Promise<Report> {
  const { run, samples, outcome } = input;
  const labels = samples.map((sample) => sample.label);
  return {
    reportVersion: REPORT_VERSION,
    run,
    on: {
      model: input.model,
      data: { ...input.data, test: run.validation ? 0 : samples.length },
      engine: input.engine,
      versions: { kit: KIT_VERSION, deno: Deno.version.deno, target: Deno.build.target },
    },
    results: {
      metrics: evaluatePredictions(outcome.predictions, { labels, classNames: run.classNames }),
      predictions: {
        testListSha256: await hashTestList(samples),
        labels,
        predictions: outcome.predictions,
      },
      calibration: calibrate(outcome.confidences, { labels, predictions: outcome.predictions }),
      ...outcome.losses === undefined ? {} : { crossEntropy: rounded(mean(outcome.losses)) },
      worst: worstMistakes(samples, outcome),
      training: input.training
        ? { ...input.training, loss: input.training.loss.map(rounded), lr: input.training.lr.map(rounded) }
        : null,
      nearestWords: input.nearestWords ?? null,
    },
    ...(input.warnings === undefined || input.warnings.length === 0 ? {} : { warnings: input.warnings }),
    timing: {
      finishedAt: new Date().toISOString(),
      seconds: Object.fromEntries(
        Object.entries(input.seconds).map(([stage, seconds]) => [stage, Math.round(seconds * 1000) / 1000]),
      ),
    },
  };
}

/** sha256 of a test list, `path TAB label` a line: equal lists can be compared image by image. */
export function hashTestList(samples: readonly { path: string; label: number }[]): Promise<string> {
  const text = samples.map(({ path, label }) => `${path}\t${label}\n`).join("");
  return sha256Hex(new TextEncoder().encode(text));
}

function worstMistakes(samples: readonly { path: string; label: number }[], outcome: Outcome): Mistake[] {
  return samples
    .map(({ path, label }, index): Mistake => ({
      index,
      path,
      label,
      prediction: outcome.predictions[index],
      confidence: Math.round(outcome.confidences[index] * 1e4) / 1e4,
    }))
    .filter((mistake) => mistake.prediction !== mistake.label)
    .sort((a, b) => b.confidence - a.confidence || a.index - b.index)
    .slice(0, MOST_MISTAKES);
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
