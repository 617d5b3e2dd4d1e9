/**
 * Every setting of the recipes, once: its name on the command line and in YAML, its words in `--help`, its check.
 * A setting `batchSize` is the flag `--batch-size` and the YAML key `batch-size`.
 */
import type { ClassTokenPosition } from "../../src/clip/prompt_layout.ts";
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { UserError } from "../../src/errors.ts";
import { didYouMean } from "../../src/did_you_mean.ts";

/** Whose contexts an addition to a loss or a gradient works on. */
export type ContextKind = "coop" | "cocoop";

/** Validation images that hyper-parameters are chosen on: four a class, or all that the split has. */
export type Validation = "few-shot" | "full";

/** Where a setting stands in `--help`. */
export type Section = "What runs" | "On what" | "Training" | "Prompt" | "Computing" | "Output";

/** One setting. */
export interface Setting<T> {
  section: Section;
  /** What stands for the value in `--help`; absent for switches. */
  placeholder?: string;
  help: string;
  /** The default in words, where it is not the preset's. */
  fallback?: string;
  /** Reads the text of a flag or of a YAML value. */
  parse(text: string, flag: string): T;
}

/** Classes of another data set: `caltech101:all`, or the path of its images in place of a name. */
export type Transfer = `${string}:${ClassSubset}`;

const SUBSETS: readonly ClassSubset[] = ["base", "new", "all"];
const CONTEXTS: readonly ContextKind[] = ["coop", "cocoop"];
const VALIDATIONS: readonly Validation[] = ["few-shot", "full"];
const POSITIONS: readonly ClassTokenPosition[] = ["end", "middle", "front"];

function choice<T extends string>(choices: readonly T[]): Setting<T>["parse"] {
  return (text, flag) => {
    if ((choices as readonly string[]).includes(text)) return text as T;
    throw new UserError(`${flag} is "${text}", and can be ${orList(choices)}.${didYouMean(text, choices)}`);
  };
}

/** `base`, or `caltech101:all`. */
function target(text: string, flag: string): ClassSubset | Transfer {
  const at = text.lastIndexOf(":");
  if (at === 0) throw new UserError(`${flag} "${text}" names no data set: write one such as caltech101:all.`);
  const subset = choice(SUBSETS)(text.slice(at + 1), at < 0 ? flag : `The part of ${flag} behind the colon`);
  return at < 0 ? subset : `${text.slice(0, at)}:${subset}`;
}

function list<T>(parse: Setting<T>["parse"]): Setting<T[]>["parse"] {
  return (text, flag) => {
    const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
    if (items.length === 0) throw new UserError(`${flag} is empty: give one value or several with commas between.`);
    return [...new Set(items.map((item) => parse(item, flag)))];
  };
}

function whole(least: number): Setting<number>["parse"] {
  return (text, flag) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new UserError(`${flag} is "${text}", and must be a whole number from ${least}.`);
  };
}

function decimal(text: string, flag: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new UserError(`${flag} is "${text}", and must be a number from 0, such as 0.002 or 2e-3.`);
}

function share(text: string, flag: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new UserError(
    `${flag} is "${text}", and must be a number from 0 (the initial words) to 1 (the learned prompt).`,
  );
}

/** `15,1` as it came, or nothing. */
function gaussian(text: string, flag: string): string {
  if (text === "") return text;
  const numbers = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  if (numbers.length === 2 && Number.isFinite(numbers[0]) && numbers[1] > 0) return numbers.join(",");
  throw new UserError(
    `${flag} is "${text}", and must be the epoch that counts most and how many around it count, such as 15,1.`,
  );
}

function text(value: string, flag: string): string {
  if (value === "") throw new UserError(`${flag} is empty: give a value, or leave it out.`);
  return value;
}

function toggle(value: string, flag: string): boolean {
  if (value === "true" || value === "false") return value === "true";
  throw new UserError(`${flag} is "${value}", and must be true or false.`);
}

/** `a`, `a or b`, `a, b or c`. */
export function orList(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} or ${items[items.length - 1]}`;
}

/** All settings, in the order of `--help`. */
export const SETTINGS = {
  train: {
    section: "What runs",
    placeholder: "base|new|all",
    help: "classes to train on; left out together with a given --eval: nothing is trained",
    parse: choice(SUBSETS),
  },
  eval: {
    section: "What runs",
    placeholder: "base,new,all",
    help:
      "classes to evaluate on, each against its own names only; DATASET:all evaluates a learned prompt on another data " +
      "set: one in data/, or the path of its images",
    parse: list(target),
  },
  preset: {
    section: "What runs",
    placeholder: "NAME",
    help: "published configuration to start from (--help lists them)",
    fallback: "seed-notebook",
    parse: text,
  },
  config: {
    section: "What runs",
    placeholder: "FILE",
    help: "YAML with any of these settings; goes over the preset, flags go over it",
    parse: text,
  },
  shots: {
    section: "What runs",
    placeholder: "N",
    help: "training images a class",
    fallback: "16",
    parse: whole(1),
  },
  seeds: {
    section: "What runs",
    placeholder: "1,2,3",
    help: "seeds, one run each (also --seed N)",
    fallback: "1",
    parse: list(whole(0)),
  },
  templates: {
    section: "What runs",
    placeholder: "single|ensemble|TEXT",
    help:
      'the data set\'s own template, the 7-template ensemble, or your own, such as "a photo of a {}."; several with | between',
    fallback: "single",
    parse: text,
  },
  model: {
    section: "On what",
    placeholder: "FILE|NAME",
    help: "CLIP weights, or the name of downloaded ones such as ViT-B/16",
    fallback: "the sample model",
    parse: text,
  },
  data: {
    section: "On what",
    placeholder: "DIR|ZIP",
    help: "images: a folder, a zip or a tar.gz",
    fallback: "the sample model's stored EuroSAT features",
    parse: text,
  },
  dataset: {
    section: "On what",
    placeholder: "NAME|YAML",
    help: "what the data set is called, or a YAML that describes it",
    parse: text,
  },
  split: {
    section: "On what",
    placeholder: "FILE",
    help: "split file (split_zhou_*.json)",
    fallback: "the one beside the data",
    parse: text,
  },
  tuneOn: {
    section: "On what",
    placeholder: "few-shot|full",
    help: "validation images to choose hyper-parameters on: up to 4 a class, or all of them as some papers do",
    fallback: "few-shot",
    parse: choice(VALIDATIONS),
  },
  views: {
    section: "On what",
    placeholder: "epochs|N|0",
    help: "training views of an image: a fresh crop each epoch, N crops, or the test transform",
    parse: (value, flag): "epochs" | number =>
      value === "epochs" ? value : whole(0)(value, `${flag} (epochs, or a number)`),
  },
  epochs: { section: "Training", placeholder: "N", help: "passes over the training images", parse: whole(1) },
  batchSize: { section: "Training", placeholder: "N", help: "images a step", parse: whole(1) },
  lr: { section: "Training", placeholder: "X", help: "learning rate that the cosine starts from", parse: decimal },
  momentum: { section: "Training", placeholder: "X", help: "momentum of SGD", parse: decimal },
  weightDecay: { section: "Training", placeholder: "X", help: "weight decay of SGD", parse: decimal },
  warmupEpochs: { section: "Training", placeholder: "N", help: "epochs at the warm-up rate", parse: whole(0) },
  warmupLr: { section: "Training", placeholder: "X", help: "learning rate of the warm-up", parse: decimal },
  lambda: {
    section: "Training",
    placeholder: "X",
    help: "λ: how much the method's own term counts beside the cross-entropy",
    parse: decimal,
  },
  promptAverage: {
    section: "Training",
    placeholder: "MEAN,DEVIATION",
    help: "keep the average of the prompts after each epoch, in Gaussian weights around epoch MEAN",
    fallback: "keep the last prompt",
    parse: gaussian,
  },
  wise: {
    section: "Training",
    placeholder: "SHARE",
    help: "keep (1 - SHARE) of the initial prompt and SHARE of the learned one",
    parse: share,
  },
  checkpointEvery: {
    section: "Training",
    placeholder: "STEPS",
    help: "steps between checkpoints; a killed run goes on from the last one",
    fallback: "one epoch",
    parse: whole(1),
  },
  contextTokens: {
    section: "Prompt",
    placeholder: "N",
    help: "random context tokens (words of the preset are dropped then)",
    parse: whole(1),
  },
  initWords: {
    section: "Prompt",
    placeholder: "TEXT",
    help: 'words that the context starts from, counted in tokens; "" for random numbers',
    parse: (value) => value,
  },
  classTokenPosition: {
    section: "Prompt",
    placeholder: "end|middle|front",
    help: "where the class name stands among the context tokens",
    parse: choice(POSITIONS),
  },
  over: {
    section: "Prompt",
    placeholder: "coop|cocoop",
    help: "whose contexts the method works on",
    fallback: "coop",
    parse: choice(CONTEXTS),
  },
  classSpecific: { section: "Prompt", help: "one context for each class", parse: toggle },
  engine: {
    section: "Computing",
    placeholder: "NAME",
    help: "auto, onnx, wasm, cpu, webgpu, tensorflow or tensorflow-gpu",
    fallback: "auto",
    parse: text,
  },
  device: { section: "Computing", placeholder: "NAME", help: "device of the engine", parse: text },
  threads: { section: "Computing", placeholder: "N", help: "threads", fallback: "all cores", parse: whole(1) },
  exactCheck: {
    section: "Computing",
    help: "compare the shared-prefix text pass with the plain 77-token pass, and print the largest difference",
    parse: toggle,
  },
  out: { section: "Output", placeholder: "DIR", help: "where run folders go", fallback: "runs", parse: text },
  fresh: { section: "Output", help: "throw away an earlier run in the same folder and start over", parse: toggle },
  dryRun: {
    section: "Output",
    help: "print what would run, with prompts, permissions and estimates, and stop",
    parse: toggle,
  },
  json: { section: "Output", help: "the report on standard output, and nothing else there", parse: toggle },
  quiet: { section: "Output", help: "no progress", parse: toggle },
  debug: { section: "Output", help: "a stack trace with an error", parse: toggle },
  help: { section: "Output", help: "this page", parse: toggle },
} satisfies Record<string, Setting<unknown>>;

/** The name of a setting, as in code. */
export type SettingName = keyof typeof SETTINGS;

/** Settings as given somewhere; those that were not given are absent. */
export type GivenSettings = { [K in SettingName]?: ReturnType<(typeof SETTINGS)[K]["parse"]> };

/** `batchSize` → `batch-size`. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Settings by the name that users write. */
export function settingsByFlag(names: readonly SettingName[]): Map<string, SettingName> {
  const byFlag = new Map(names.map((name) => [flagName(name), name]));
  if (names.includes("seeds")) byFlag.set("seed", "seeds");
  return byFlag;
}

/** True for settings that need no value. */
export function isSwitch(name: SettingName): boolean {
  return !("placeholder" in SETTINGS[name]);
}

/** All settings but some, in the order of `--help`. */
export function settingNames({ without }: { without: readonly SettingName[] }): SettingName[] {
  return (Object.keys(SETTINGS) as SettingName[]).filter((name) => !without.includes(name));
}
