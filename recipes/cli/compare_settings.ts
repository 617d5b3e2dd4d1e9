/** The flags of a comparison: its own, and those that it hands on to the recipes. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { UserError } from "../../src/errors.ts";
import { TABLE_FORMS, type TableForm } from "../../src/eval/result_files.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import {
  askedFor,
  drawsImages,
  learnsPrompts,
  type Method,
  publishedValues,
  withVariants,
} from "../../src/methods/method.ts";
import { choice, flagName, type Setting, text, toggle, wholeNumber, wholeNumbers } from "../../src/methods/setting.ts";
import type { CollectOptions } from "../../src/run/collect.ts";
import type { ComparedMethod, Evaluated } from "../../src/run/comparison_runs.ts";
import type { Given } from "../../src/run/config.ts";
import type { Part } from "../../src/run/feature_parts.ts";
import { SAMPLE_IMAGES } from "../../src/run/open_data.ts";
import { DEFAULT_SHOTS, RUN_SETTINGS, type RunValues, settingsOf, VALIDATION } from "../../src/run/settings.ts";
import { HANDED_ON_WORDS, terminalSettings } from "./compare_words.ts";
import { readConfigFile } from "./config_file.ts";
import { isSwitch, readFlags, requireKnownFlags, type Settings } from "./flags.ts";
import { findMethod, type FoundMethod, isMethodFile, typedPath } from "./method_file.ts";
import { TERMINAL_SETTINGS, type TerminalValues } from "./terminal.ts";

/** What is compared when nothing is said. */
const USUAL = "zeroshot,coop,cocoop";

/** Slurm takes no longer array unless it is set up for that. */
const MOST_TASKS = 1000;

/** The comparison's own settings. */
export const COMPARISON_SETTINGS = {
  methods: text({
    section: "What runs",
    placeholder: "NAME,./FILE.ts|all",
    help: "methods to compare (see above), or files of your own; the first is what the others are measured against",
    default: USUAL,
  }),
  shots: wholeNumbers({
    least: 1,
    section: "What runs",
    placeholder: "1,2,4,8,16",
    help: "training images a class; several give a curve",
    default: [DEFAULT_SHOTS],
  }),
  jobs: wholeNumber({
    section: "Computing",
    help: "runs at a time, each a process of its own",
    default: 1,
    least: 1,
  }),
  emit: choice(["commands", "slurm"], {
    section: "Output",
    help: "print what is missing as a list of commands or as an array job, and run nothing",
    defaultWords: "run here",
  }),
  featureTasks: wholeNumber({
    section: "Output",
    help:
      "with --emit slurm, tasks that compute image features before the runs, which else compute their own; 0 for none",
    defaultWords: "one for each hour that they take here, 128 at most",
    most: MOST_TASKS,
  }),
  collect: toggle({
    section: "Output",
    help: "run nothing: compare what is there; --collect DIR … makes one table of all data sets in these run folders",
  }),
  table: choice(TABLE_FORMS, {
    section: "Output",
    help: "print the table in this form, for a program or a paper, and nothing else there",
    defaultWords: "text",
  }),
} satisfies Settings;

/** Settings of recipes that a comparison does not take: a run's own affair, or part of a method's name. */
const NOT_HANDED_ON = [
  "checkpointEvery",
  "exactCheck",
  ...KIT_METHODS.flatMap(({ variants = {} }) => Object.keys(variants)),
];

/** How runs are started. */
export interface StartSettings {
  train: ClassSubset;
  /** Processes at a time. */
  jobs: number;
  emit?: "commands" | "slurm";
  /** Tasks that compute features before the runs. */
  featureTasks?: number;
  /** Of the features, where only a part of them is asked for. */
  part?: Part;
  /** Data, model, output folder, engine. */
  on: Pick<RunValues, "out"> & Partial<RunValues>;
  fresh: boolean;
  /** Settings as typed, by name, for the command lines of the runs. */
  typed: Record<string, string>;
  terminal: Partial<TerminalValues>;
}

/** What comparisons and sweeps are told in the same words. */
export interface CommonSettings extends StartSettings {
  seeds: number[];
  subsets: ClassSubset[];
  /** Take what is there, run nothing. */
  collect: boolean;
  /** How the table is printed, where not as text. */
  table?: TableForm;
}

/** What a comparison is told to do. */
export interface CompareSettings extends CommonSettings {
  methods: ComparedMethod[];
  /** The methods were asked for as `all`. */
  all: boolean;
  shots: number[];
  /** Run folders to make one table of, and what of them was asked for. */
  folders: string[];
  wanted: Pick<CollectOptions, "methods" | "shots" | "seeds" | "subsets">;
}

/** Names of all methods that can run on images (`--data`), or on the sample's stored features. */
export function comparableNames(data: string | undefined): string[] {
  const methods = KIT_METHODS.filter((method) => data !== undefined || !needsImages(method));
  // GDA's paper chooses on all validation images; the sample does not hold them.
  const holdsAll = data !== undefined && data !== SAMPLE_IMAGES;
  return methods.flatMap(({ name }) => holdsAll && name === "gda" ? [name, "gda-full-val"] : [name]);
}

/** Whether a method prompts the image tower by default. */
function needsImages(method: Method): boolean {
  if (!learnsPrompts(method)) return false;
  const [preset = null] = Object.keys(method.presets);
  return method.needsImages?.(publishedValues(method, preset, DEFAULT_SHOTS)) ?? false;
}

/** The settings of a comparison of these methods. */
export function compareSettings(methods: readonly Method[]): Settings {
  const terminal = terminalSettings({ json: "the comparison", config: " but --methods" });
  return { ...handedOnSettings(methods), ...COMPARISON_SETTINGS, ...terminal };
}

/** Settings that the recipes of these methods are handed as they are typed. */
export function handedOnSettings(methods: readonly Method[]): Settings {
  const handedOn: Record<string, Setting<unknown>> = {};
  for (const method of methods) {
    for (const [name, setting] of Object.entries(settingsOf(method))) {
      if (NOT_HANDED_ON.includes(name) || setting.fixed) continue;
      handedOn[name] = { ...asTyped(setting, handedOn[name]), ...HANDED_ON_WORDS[name] };
    }
  }
  return handedOn;
}

/** Methods may take the same flag in different ways: what one of them understands is kept as it was typed. */
function asTyped(setting: Setting<unknown>, other: Setting<unknown> | undefined): Setting<unknown> {
  return {
    ...setting,
    ...(other === undefined ? {} : { help: other.help, placeholder: other.placeholder }),
    // Each method has its own.
    default: undefined,
    parse(text, label) {
      try {
        setting.parse(text, label);
      } catch (error) {
        if (other === undefined) throw error;
        other.parse(text, label);
      }
      return text;
    },
  };
}

/** The part of `--help` that lists the methods. */
export function methodsHelp(): string {
  const names = comparableNames(undefined);
  const withImages = KIT_METHODS.filter(needsImages).map(({ name }) => name);
  const besides = KIT_METHODS.flatMap(withVariants).map(({ name }) => name)
    .filter((name) => !names.includes(name) && !withImages.includes(name));
  return `Methods: ${names.join(", ")};\nwith images, and among all with --data (--data sample has some): ${
    withImages.join(", ")
  };\nbesides, and not among all: ${
    besides.join(", ")
  } (choosing on all validation images needs --data; gda-full-val is among all with it).\n` +
    "A file that exports a method goes by its path. Each method takes those of the flags below that it has.";
}

/**
 * Reads the command line of a comparison, or of a recipe that takes others of its flags.
 *
 * @throws {UserError} for an unknown flag or method, or a missing or wrong value
 */
export async function readCompareSettings(
  args: readonly string[],
  flagsFrom: (settings: Settings) => Settings = (settings) => settings,
): Promise<CompareSettings> {
  // What flags methods in files have is known when they are there.
  if (withWholePaths(args).files.length === 0) requireKnownFlags(args, flagsFrom(compareSettings(KIT_METHODS)));
  const words = wordsOf(args);
  const data = args.findLast((arg, i) => args[i - 1] === "--data" || arg.startsWith("--data="))?.replace(
    /^--data=/,
    "",
  );
  const names = [...new Set(words.flatMap((name) => name === "all" ? comparableNames(data) : name))];
  const found = await Promise.all(names.map((name) => findMethod(isMethodFile(name) ? typedPath(name) : name)));
  const twice = found.find(({ method }, i) => found.findIndex((one) => one.method.name === method.name) < i);
  if (twice !== undefined) {
    throw new UserError(
      `Two of the methods are called "${twice.method.name}": give the one in ${twice.file?.path} another name.`,
    );
  }
  const settings = compareSettings([...KIT_METHODS, ...found.map(({ method }) => method)]);
  const asked = flagsFrom(settings);
  const others = Object.fromEntries(Object.entries(asked).filter(([name]) => !(name in settings)));
  const { given: flags, words: folders } = readFlags(args, asked, { words: args.includes("--collect") });
  // Methods are known before a configuration is read: their settings decide what may stand in it.
  const { methods: _, ...inFile } = settings;
  const all = typeof flags.config === "string" ? { ...await readConfigFile(flags.config, inFile), ...flags } : flags;
  const common = commonSettings(all, { own: { ...COMPARISON_SETTINGS, ...others }, methods: found });
  const own = all as Partial<Pick<CompareSettings, "shots">>;
  return {
    ...common,
    methods: found.map((one) => compared(one, common.typed)),
    all: words.includes("all"),
    shots: [...own.shots ?? [DEFAULT_SHOTS]].sort((a, b) => a - b),
    folders,
    wanted: {
      methods: flags.methods === undefined ? undefined : found.map(({ method }) => method.name),
      shots: own.shots,
      seeds: common.on.seeds,
      subsets: common.on.eval === undefined ? undefined : common.subsets,
    },
  };
}

/**
 * What comparisons and sweeps are told in the same words; `own` are settings that are not handed on.
 *
 * @throws {UserError} when settings do not go together
 */
export function commonSettings(
  all: Readonly<Record<string, unknown>>,
  { own, methods }: { own: Settings; methods: readonly FoundMethod[] },
): CommonSettings {
  const isHandedOn = (name: string) => !(name in own) && !(name in TERMINAL_SETTINGS);
  const typed = Object.fromEntries(
    Object.entries(all).filter(([name]) => isHandedOn(name)).map(([name, value]) => [name, String(value)]),
  );
  // All runs are measured on the same images.
  if (
    typed.data === undefined && (typed.model ?? "sample") === "sample" &&
    methods.some(({ method }) => needsImages(method))
  ) {
    typed.data = SAMPLE_IMAGES;
  }
  const { jobs = 1, emit, featureTasks, part, collect = false, table, json } = all as Partial<
    CommonSettings & TerminalValues
  >;
  if (table !== undefined && json) {
    throw new UserError("--table and --json both ask for standard output: give one.");
  }
  const run = parsed(RUN_SETTINGS, typed) as Partial<RunValues>;
  const subsets = ownSubsets(run.eval);
  return {
    seeds: run.seeds ?? [1, 2, 3],
    subsets,
    train: run.train ?? (subsets.every((subset) => subset === "all") ? "all" : "base"),
    jobs,
    emit,
    featureTasks,
    part,
    collect,
    table,
    on: { out: "runs", ...run },
    fresh: run.fresh ?? false,
    typed,
    terminal: Object.fromEntries(Object.entries(all).filter(([name]) => name in TERMINAL_SETTINGS)),
  };
}

/**
 * The same words with whole paths of the methods' files, which are typed below the folder that the user stands in; `flag`
 * names them.
 */
export function withWholePaths(args: readonly string[], flag = "--methods"): { args: string[]; files: string[] } {
  const files: string[] = [];
  const whole = (list: string) =>
    list.split(",").map((word) => {
      if (!isMethodFile(word.trim())) return word;
      files.push(typedPath(word.trim()));
      return files[files.length - 1];
    }).join(",");
  const words = args.map((arg, i) => {
    if (arg.startsWith(`${flag}=`)) return `${flag}=${whole(arg.slice(flag.length + 1))}`;
    return args[i - 1] === flag ? whole(arg) : arg;
  });
  return { args: words, files };
}

function wordsOf(args: readonly string[]): string[] {
  const at = args.findLastIndex((arg) => arg === "--methods" || arg.startsWith("--methods="));
  const value = at < 0 ? USUAL : args[at].includes("=") ? args[at].slice("--methods=".length) : args[at + 1] ?? "";
  if (value === "" || value.startsWith("--")) {
    throw new UserError("--methods needs a value: --methods NAME,./FILE.ts|all.");
  }
  return value.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** What was typed, as the values of one method's settings; what it does not understand is another's. */
function parsed(settings: Settings, typed: Record<string, string>): Given {
  const given: Given = {};
  for (const [name, setting] of Object.entries(settings)) {
    if (typed[name] === undefined || setting.fixed) continue;
    try {
      given[name] = setting.parse(typed[name], `--${name}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return given;
}

/** A method that was found, with those of the typed settings that it has. */
export function compared({ method, file }: FoundMethod, typed: Record<string, string>): ComparedMethod {
  const { asked, variant } = askedFor(method, KIT_METHODS);
  const settings = Object.fromEntries(
    Object.entries(method.settings).filter(([name]) => !NOT_HANDED_ON.includes(name)),
  );
  const preset = typed.preset !== undefined && (learnsPrompts(method) || Object.keys(method.presets).length > 0)
    ? { preset: typed.preset }
    : {};
  return { method, asked, file, given: { ...parsed(settings, typed), ...preset, ...variant } };
}

/** What `--eval` names: a comparison is on one data set. */
function ownSubsets(targets: RunValues["eval"] | undefined): ClassSubset[] {
  const other = targets?.find((target) => target.includes(":"));
  if (targets?.includes(VALIDATION)) {
    throw new UserError(
      "--eval val is of validation images, and results are of test images: leave val out (deno task sweep chooses " +
        "settings on validation images).",
    );
  }
  if (other === undefined) return targets as ClassSubset[] | undefined ?? ["base", "new"];
  throw new UserError(
    `--eval ${other} is another data set, and a comparison is on one: run the recipes with it, or compare with --data.`,
  );
}

/** The words of the command line of one run. */
export function runWords(
  { compared: { method, asked, file, given, varied }, subsets, shots, seed }: {
    compared: ComparedMethod;
    subsets: readonly Evaluated[];
    shots: number | null;
    seed: number | null;
  },
  { settings, threads }: { settings: StartSettings; threads?: number },
): string[] {
  const { train } = settings;
  const typed = { ...settings.typed, ...varied };
  const known = settingsOf(asked);
  const decided = ["train", "eval", "shots", "seeds", "threads", "preset"];
  const handedOn = Object.keys(typed).filter((name) =>
    name in known && !decided.includes(name) && (name in given || !(name in method.settings))
  );
  const variants = Object.keys(asked.variants ?? {}).filter((name) => given[name] !== undefined);
  return [
    ...(file === undefined ? [] : [file.path]),
    ...(drawsImages(method) ? ["--train", train, "--shots", String(shots), "--seeds", String(seed)] : []),
    ...(given.preset === undefined ? [] : ["--preset", given.preset]),
    ...variants.flatMap((name) => flagWords(name, known[name], String(given[name]))),
    "--eval",
    subsets.join(","),
    ...handedOn.flatMap((name) => flagWords(name, known[name], typed[name])),
    ...(threads === undefined ? [] : ["--threads", String(threads)]),
    ...(settings.terminal.debug ? ["--debug"] : []),
  ];
}

/** A setting as it is typed. */
export function flagWords(name: string, setting: Setting<unknown>, value: string): string[] {
  const flag = `--${flagName(name)}`;
  if (isSwitch(setting)) return value === "true" ? [flag] : [`${flag}=${value}`];
  // An empty value, or one that starts with dashes, must not be taken for the next flag.
  return value === "" || value.startsWith("-") ? [`${flag}=${value}`] : [flag, value];
}
