/** The settings of every run, whatever its method: what it trains on and evaluates on, on what it computes, where it writes. */
import type { ClassSubset } from "../data/few_shot.ts";
import { UserError } from "../errors.ts";
import { drawsImages, learnsPrompts, type Method } from "../methods/method.ts";
import {
  choice,
  listOf,
  oneOf,
  type Setting,
  type SettingsOf,
  text,
  toggle,
  wholeNumber,
  wholeNumbers,
} from "../methods/setting.ts";

/** Another data set to evaluate on, and which of its classes: `caltech101:all`. */
export type Transfer = `${string}:${ClassSubset}`;

/** What a run is evaluated on: test images of these classes, or `val`, the validation images of those that it learned from. */
export type Target = ClassSubset | "val" | Transfer;

/** `--eval val`: what settings are chosen on. */
export const VALIDATION = "val";

/** Values of the settings that every run has. */
export type RunValues = {
  /** Classes to train on. */
  train: ClassSubset;
  /** Classes to evaluate on. */
  eval: Target[];
  /** Published configuration. */
  preset: string;
  /** Training images a class. */
  shots: number;
  /** One run each. */
  seeds: number[];
  /** Weights: a file, a folder or the name of downloaded ones; the sample model when left out. */
  model: string;
  /** What activation they were trained with; found out when left out. */
  activation: "quickgelu" | "gelu";
  /** Images: a folder or an archive; the sample's stored features when left out. */
  data: string;
  /** What the data set is called, or the path of its description. */
  dataset: string;
  /** The split file; the one beside the data when left out. */
  split: string;
  /** Steps between checkpoints; one epoch when left out. */
  checkpointEvery: number;
  /** What computes. */
  engine: string;
  /** Device of the engine. */
  device: string;
  /** Threads; all cores when left out. */
  threads: number;
  /** Whether the shared-prefix text pass is compared with the plain one. */
  exactCheck: boolean;
  /** Where run folders go. */
  out: string;
  /** Whether an earlier run in the same folder is thrown away. */
  fresh: boolean;
};

/** Training images a class when nothing is said, as in the papers' base-to-new tables. */
export const DEFAULT_SHOTS = 16;

const SUBSETS: readonly ClassSubset[] = ["base", "new", "all"];

/** `base`, or `caltech101:all`. */
function target(value: string, label: string): Target {
  const at = value.lastIndexOf(":");
  if (at === 0) throw new UserError(`${label} "${value}" names no data set: write one such as caltech101:all.`);
  if (at < 0) return oneOf([...SUBSETS, VALIDATION], value, label);
  return `${value.slice(0, at)}:${oneOf(SUBSETS, value.slice(at + 1), `The part of ${label} after the colon`)}`;
}

const WHAT = { section: "What runs" } as const;
const ON = { section: "On what", changesNumbers: false } as const;
const COMPUTING = { section: "Computing", changesNumbers: false } as const;
const OUTPUT = { section: "Output", changesNumbers: false } as const;

/** All of them, in the order of `--help`. */
export const RUN_SETTINGS: SettingsOf<RunValues> = {
  train: {
    ...WHAT,
    placeholder: "base|new|all",
    help: "classes to train on; left out together with a given --eval, a prompt that was trained earlier is evaluated",
    parse: (value, label) => oneOf(SUBSETS, value, label),
  },
  eval: listOf(target, {
    ...WHAT,
    placeholder: "base,new,all",
    help:
      "classes to evaluate on, each against its own names only; val: the validation images of the classes trained on; " +
      "DATASET:all evaluates what was learned on another data set: one in data/, or the path of its images",
  }),
  preset: text({
    ...WHAT,
    placeholder: "NAME",
    help: "published configuration to start from (listed below)",
  }),
  shots: wholeNumber({ ...WHAT, help: "training images a class", default: DEFAULT_SHOTS, least: 1 }),
  seeds: wholeNumbers({
    most: Number.MAX_SAFE_INTEGER,
    ...WHAT,
    placeholder: "1,2,3",
    help: "seeds, one run each (also --seed N, --seeds 1-3)",
    default: [1],
  }),
  model: text({
    ...ON,
    placeholder: "FILE|DIR|NAME",
    help: "CLIP weights, a folder that holds them, or the name of downloaded ones such as ViT-B/16",
    defaultWords: "the sample model",
  }),
  activation: choice(["quickgelu", "gelu"], {
    ...ON,
    help: "activation that the weights were trained with",
    defaultWords: "as config.json or open_clip_config.json beside the weights says, else quickgelu",
  }),
  data: text({
    ...ON,
    placeholder: "DIR|ZIP",
    help: "images: a folder, a zip or a tar.gz",
    defaultWords: "the sample model's stored EuroSAT features",
  }),
  dataset: text({ ...ON, placeholder: "NAME|YAML", help: "what the data set is called, or a YAML that describes it" }),
  split: text({
    ...ON,
    placeholder: "FILE",
    help: "split file (split_zhou_*.json)",
    defaultWords: "the one beside the data",
  }),
  checkpointEvery: wholeNumber({
    section: "Training",
    changesNumbers: false,
    placeholder: "STEPS",
    help: "steps between checkpoints; a killed run goes on from the last one",
    defaultWords: "one epoch",
    least: 1,
  }),
  engine: text({
    ...COMPUTING,
    placeholder: "NAME",
    help: "auto, onnx, wasm, cpu, webgpu, tensorflow or tensorflow-gpu",
    default: "auto",
  }),
  device: text({ ...COMPUTING, placeholder: "NAME", help: "device of the engine" }),
  threads: wholeNumber({ ...COMPUTING, help: "threads", defaultWords: "all cores", least: 1 }),
  exactCheck: toggle({
    ...COMPUTING,
    help: "compare the shared-prefix text pass with the plain 77-token pass, and print the largest difference",
  }),
  out: text({ ...OUTPUT, placeholder: "DIR", help: "where run folders go", default: "runs" }),
  fresh: toggle({ ...OUTPUT, help: "throw away an earlier run in the same folder and start over" }),
};

/** Settings that only a method with training steps has. */
const OF_PROMPTS: readonly string[] = ["checkpointEvery", "exactCheck"];
/** Settings that only a method that draws few-shot images has. */
const OF_DRAWS: readonly string[] = ["train", "shots", "seeds"];

/** What `--help` says of classes, for methods that do not take all that there is. */
function wordsFor(method: Method): Partial<Record<string, Partial<Setting<unknown>>>> {
  if (learnsPrompts(method)) return {};
  const start = "classes to evaluate on, each against its own names only";
  const validation = "val: the validation images of the classes trained on";
  const elsewhere = "DATASET:all evaluates on another data set: one in data/, or the path of its images";
  if (!drawsImages(method)) return { eval: { help: `${start}; ${elsewhere}` } };
  const hasNew = method.noNewClasses === undefined;
  const parts = [start, `those that it learns from${hasNew ? ", or the other half" : ""}`, validation];
  return {
    train: { help: "classes to train on", defaultWords: "base, or all where all alone is evaluated" },
    eval: {
      placeholder: hasNew ? "base,new|all" : "base|new|all",
      help: (hasNew ? [...parts, elsewhere] : parts).join("; "),
    },
  };
}

/** All settings that a run of this method has, its own among them. */
export function settingsOf(method: Method): Record<string, Setting<unknown>> {
  const words = wordsFor(method);
  const common = Object.entries(RUN_SETTINGS).filter(([name]) =>
    (learnsPrompts(method) || !OF_PROMPTS.includes(name)) && (drawsImages(method) || !OF_DRAWS.includes(name)) &&
    (name !== "preset" || Object.keys(method.presets).length > 0)
  ).map(([name, setting]): [string, Setting<unknown>] => [name, { ...setting, ...words[name] }]);
  const own = Object.entries(method.settings).filter(([name, { variant }]) =>
    !variant || name in (method.variants ?? {})
  );
  return Object.fromEntries([...common, ...own]);
}
