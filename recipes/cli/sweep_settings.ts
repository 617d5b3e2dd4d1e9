/** The flags of a sweep: its own, and those that it hands on to the recipe of its method. */
import { UserError } from "../../src/errors.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { drawsImages, type Method } from "../../src/methods/method.ts";
import { flagName, type Setting, text, wholeNumber } from "../../src/methods/setting.ts";
import { type Axis, parseAxes, type Point, pointsOf, type Search, variableSettings } from "../../src/run/axes.ts";
import type { ComparedMethod, ComparisonRequest } from "../../src/run/comparison_runs.ts";
import { DEFAULT_SHOTS, RUN_SETTINGS, VALIDATION } from "../../src/run/settings.ts";
import {
  type CommonSettings,
  commonSettings,
  compared,
  COMPARISON_SETTINGS,
  handedOnSettings,
} from "./compare_settings.ts";
import { terminalSettings } from "./compare_words.ts";
import { flagsInConfig, readConfigFile, valueInConfig } from "./config_file.ts";
import { readFlags, requireKnownFlags, type Settings } from "./flags.ts";
import { findMethod, type FoundMethod, isMethodFile, typedPath } from "./method_file.ts";

const { jobs, emit, featureTasks, table } = COMPARISON_SETTINGS;

function varyHelp(example: string): string {
  return `a setting of the method and the values to try, once for each setting; with --random also a range${example}: ` +
    "drawn log-uniformly (from 0 uniformly), whole numbers where the setting takes no others";
}

/** The sweep's own settings. */
export const SWEEP_SETTINGS = {
  method: text({
    section: "What runs",
    placeholder: "NAME|./FILE.ts",
    help: "the method whose settings are varied, or a file of your own",
  }),
  vary: {
    section: "What runs",
    placeholder: "SETTING=A,B",
    pairs: true,
    help: varyHelp(", as in lr=0.0001..0.01"),
    parse: (value) => value,
  } as Setting<unknown>,
  random: wholeNumber({
    section: "What runs",
    help: "draw so many settings in place of the grid of all values",
    defaultWords: "the grid",
    least: 1,
  }),
  randomSeed: wholeNumber({
    section: "What runs",
    help: "seed of these draws; a larger --random begins with the same ones",
    default: 1,
    most: Number.MAX_SAFE_INTEGER,
  }),
  shots: RUN_SETTINGS.shots,
  jobs,
  emit,
  featureTasks,
  collect: {
    ...COMPARISON_SETTINGS.collect,
    help: "run nothing: report what is there",
  },
  table,
} satisfies Settings;

/** What a sweep is told to do. */
export interface SweepSettings extends CommonSettings {
  method: ComparedMethod;
  axes: Axis[];
  search: Search;
  /** What is tried, each with the method as it runs. */
  points: { point: Point; compared: ComparedMethod }[];
  shots: number;
  /** All flags that it takes. */
  flags: Settings;
}

/** All runs that a sweep may come to: each setting on validation images, and whichever is chosen on test images. */
export function wholeSweep(settings: SweepSettings): Omit<ComparisonRequest, "description"> {
  const { points, subsets, shots } = settings;
  const methods = points.map(({ compared }) => compared);
  return { ...settings, methods, subsets: [VALIDATION, ...subsets], shots: [shots] };
}

/** The settings of a sweep: of this method, or for `--help` of any. */
export function sweepSettings(found?: FoundMethod): Settings {
  const handedOn = handedOnSettings(found === undefined ? KIT_METHODS : [found.method]);
  const { vary } = SWEEP_SETTINGS;
  const parse: Setting<unknown>["parse"] = found === undefined
    ? vary.parse
    : (value, label) => parseAxes(value, { method: found.method, label });
  const help = found === undefined || "lr" in found.method.settings ? vary.help : varyHelp("");
  return { ...handedOn, ...SWEEP_SETTINGS, vary: { ...vary, help, parse }, ...terminalSettings({ json: "the sweep" }) };
}

/**
 * Reads the command line of a sweep, or of a recipe that takes others of its flags.
 *
 * @throws {UserError} for an unknown flag, method or setting to vary, or a missing or wrong value
 */
export async function readSweepSettings(
  args: readonly string[],
  flagsFrom: (settings: Settings) => Settings = (settings) => settings,
): Promise<SweepSettings> {
  // What flags a method in a file has is known when it is there.
  const isFile = isMethodFile(valueOf(withMethod(args), "--method") ?? "");
  if (!isFile) requireKnownFlags(args, flagsFrom(sweepSettings()));
  const word = valueOf(args, "--method") ?? await methodInConfig(args);
  if (word === undefined) {
    throw new UserError(
      "A sweep is of one method: name it, as in deno task sweep --method coop --vary lr=0.001,0.002.",
    );
  }
  const found = await findMethod(isMethodFile(word) ? typedPath(word) : word);
  if (!drawsImages(found.method)) {
    throw new UserError(
      `${found.method.label} draws no images, and so has no validation images to choose settings on.`,
    );
  }
  const settings = sweepSettings(found);
  const asked = flagsFrom(settings);
  const flags = readFlags(args, asked).given;
  const all = typeof flags.config === "string" ? { ...await readConfigFile(flags.config, settings), ...flags } : flags;
  const own = all as { vary?: Axis[]; random?: number; randomSeed?: number; shots?: number };
  if (own.vary === undefined) {
    throw new UserError("Nothing is varied: name a setting and its values, as in --vary lr=0.001,0.002.");
  }
  if (own.random === undefined && own.randomSeed !== undefined) {
    throw new UserError("--random-seed is of the draws of --random: give both, or neither.");
  }
  const others = Object.fromEntries(Object.entries(asked).filter(([name]) => !(name in settings)));
  const common = commonSettings(all, { own: { ...SWEEP_SETTINGS, ...others }, methods: [found] });
  const twice = own.vary.find(({ name }) => name in common.typed);
  if (twice !== undefined) {
    throw new UserError(`--${flagName(twice.name)} is given and varied too: leave one of them out.`);
  }
  const search: Search = own.random === undefined
    ? { kind: "grid" }
    : { kind: "random", points: own.random, seed: own.randomSeed ?? 1 };
  const method = compared(found, common.typed);
  return {
    ...common,
    method,
    axes: own.vary,
    search,
    points: pointsOf(own.vary, search).map((point) => ({
      point,
      compared: { ...compared(found, { ...common.typed, ...point }), varied: point },
    })),
    shots: own.shots ?? DEFAULT_SHOTS,
    flags: settings,
  };
}

/** The flags that `--help` lists: those of the method that is named, or of all. */
export async function sweepHelpSettings(args: readonly string[]): Promise<Settings> {
  const word = valueOf(args, "--method");
  return sweepSettings(word === undefined ? undefined : await findMethod(isMethodFile(word) ? typedPath(word) : word));
}

/** The part of `--help` on what can be varied. */
export function sweepHelp(methods: readonly Method[] = KIT_METHODS): string {
  const names = methods.filter((method) => drawsImages(method) && variableSettings(method).length > 0).map(({ name }) =>
    name
  );
  return "Settings are chosen on the validation images of each seed's draw (up to 4 a class). What is chosen is then\n" +
    "evaluated on test images, and no other setting is. What a method has to vary is in the --help of its own task,\n" +
    "under Training and Prompt. Listed below are the flags of all methods; with --method NAME --help, those of one.\n" +
    "--config takes a YAML file with these flags, such as method: coop, vary: {lr: [0.001, 0.002]}.\n\n" +
    `Methods: ${names.join(", ")}, their variants, or a file.`;
}

/** The words with the method that stands in the configuration, and the whole path of a method's file. */
export function withMethod(args: readonly string[]): string[] {
  const config = valueOf(args, "--config");
  if (config === undefined || valueOf(args, "--method") !== undefined) return [...args];
  const named = flagsInConfig(config).find((flag) => flag.startsWith("--method="));
  return named === undefined || !isMethodFile(named) ? [...args] : [...args, named];
}

/** Whether words are those of a sweep, and not of a comparison. */
export async function areOfSweep(args: readonly string[]): Promise<boolean> {
  const isOwn = (arg: string) => /^--(method|vary|random|random-seed)(=|$)/.test(arg);
  return args.some(isOwn) || await methodInConfig(args) !== undefined;
}

async function methodInConfig(args: readonly string[]): Promise<string | undefined> {
  const config = valueOf(args, "--config");
  return config === undefined ? undefined : await valueInConfig(config, "method");
}

/** The last value of a flag, before all flags are known. */
function valueOf(args: readonly string[], flag: string): string | undefined {
  const at = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  if (at < 0) return undefined;
  const value = args[at] === flag ? args[at + 1] ?? "" : args[at].slice(flag.length + 1);
  return value === "" || value.startsWith("--") ? undefined : value;
}
