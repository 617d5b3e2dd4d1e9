/** What every kind of method gives a run: something that classifies, and what a report says of it. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { NearestWords } from "../eval/nearest_words.ts";
import type { ReportedTraining } from "../eval/report.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import type { ClassifierFunctions } from "../prompt/functions.ts";
import type { RunConfig } from "./config.ts";
import type { Encoder, RunData } from "./data.ts";
import type { RunFolder } from "./folder.ts";
import type { RunIdentity } from "./identity.ts";
import type { Inputs } from "./inputs.ts";
import type { Progress } from "./progress.ts";

/** One seed of a run: what learning and evaluating it share. */
export interface SeedRun {
  config: RunConfig;
  inputs: Inputs;
  progress: Progress;
  /** Null for methods that draw no images. */
  seed: number | null;
  folder: RunFolder;
  /** What decides its numbers. */
  identity: RunIdentity;
}

/** Classes to tell apart, and the data set that they are of. */
export interface ClassList {
  classNames: string[];
  data: RunData;
  /** Whether they are the classes that were learned from. */
  learnedFrom: boolean;
}

/** An evaluation to make: classes of the data set itself, or of another. */
export interface EvaluationTarget {
  /** The classes. */
  readonly subset: ClassSubset;
  /** The other data set's name or path, as in `--eval caltech101:all`. */
  readonly other?: string;
  /** True for the validation images of the run, which settings are chosen on, in place of test images. */
  readonly validation?: true;
}

/** Gives logits [B, C] of image features [B, E] as the image tower gives them. */
export interface Classifier {
  logits(features_BE: HostTensor): Promise<HostTensor>;
  /** The same as functions of tensors, for other programs. */
  functions(): Promise<ClassifierFunctions>;
  dispose(): Promise<void>;
}

/** Why there is no classifier of some classes, in words that end a sentence. */
export interface Impossible {
  impossible: string;
}

/** What is known of the training of something that was imported. */
export interface Imported {
  /** The file's name. */
  from: string;
  /** The published configuration, where its folders named one. */
  preset: string | null;
  /** The settings that are known. */
  settings: readonly string[];
}

/** What was learned; whoever opened it disposes it. */
export interface Learned {
  /** A classifier of classes of the caller's choice. */
  classifier(classes: ClassList): Promise<Classifier | Impossible>;
  /** The prompts of each class as text; what is learned stands as `X`. */
  prompts(classes: ClassList): string[][];
  learnedNumbers: number;
  /** What encodes images, where the image tower has learned prompts. */
  encoder?: Encoder;
  /** What was chosen on validation images. */
  chosen: Readonly<Record<string, number>>;
  /** What else decided the numbers and is neither a setting nor chosen. */
  given: Readonly<Record<string, number>>;
  /** Images that it was learned from and chosen on. */
  counts: { train: number; val: number };
  /** Seconds of learning; undefined where nothing is learned. */
  seconds(): Promise<number | undefined>;
  /** How training went, and what the learned tokens resemble; the first time that it is asked for, it is computed. */
  describe(): Promise<{ training?: ReportedTraining; nearestWords?: NearestWords[] }>;
  /** The engines that it was learned with; undefined where that is not known. */
  engine?: string;
  /** The file of what was learned, once it is whole; undefined where nothing is kept. */
  file?: string;
  /** Where it was trained, when not by this kit. */
  imported?: Imported;
  /** The prompts' method, where prompts were learned. */
  method?: PromptMethod;
  dispose(): Promise<void>;
}
