/**
 * What a run is told to do: a preset, a YAML file over it, flags over both.
 */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { parseYaml, stringifyYaml } from "./yaml.ts";
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import { readBytes } from "../../src/files.ts";
import { type Hyperparameters, PRESETS } from "../../src/train/presets.ts";
import { readFlags, setSetting } from "./flags.ts";
import { gaussianWeights } from "../../src/optim/prompt_average.ts";
import {
  type ContextKind,
  flagName,
  type GivenSettings,
  orList,
  type SettingName,
  settingsByFlag,
  type Transfer,
} from "./settings.ts";

/** Everything that a prompt recipe needs to know; complete. */
export interface PromptConfig extends Hyperparameters, CommonConfig {
  /** Absent when only an earlier prompt is evaluated. */
  train?: ClassSubset;
  /** Other data sets to evaluate on. */
  transfers: Transfer[];
  preset: string;
  /** Whose contexts KgCoOp and ProGrad work on; absent where it was not given. */
  over?: ContextKind;
  shots: number;
  seeds: number[];
  checkpointEvery?: number;
  exactCheck: boolean;
  fresh: boolean;
  /** Hyper-parameters that differ from the preset's; they go into the name of the run folder. */
  changed: (keyof Hyperparameters)[];
}

/** What every recipe has. */
export interface CommonConfig {
  eval: ClassSubset[];
  model?: string;
  data?: string;
  dataset?: string;
  split?: string;
  engine: string;
  device?: string;
  threads?: number;
  out: string;
  dryRun: boolean;
  json: boolean;
  quiet: boolean;
  debug: boolean;
}

/**
 * The settings as given: the YAML file's, and over them the flags'.
 *
 * @param args as in `Deno.args`
 * @param names the settings that this recipe has
 * @throws {UserError} for anything unknown or wrong in either
 */
export async function readSettings(args: readonly string[], names: readonly SettingName[]): Promise<GivenSettings> {
  const flags = readFlags(args, names);
  if (flags.config === undefined || flags.help) return flags;
  const text = new TextDecoder().decode(await readBytes(flags.config, "the configuration"));
  return { ...settingsFromYaml(text, { where: flags.config, names }), ...flags };
}

/**
 * Reads settings from YAML; the keys are the flags' names without dashes in front.
 *
 * @throws {UserError} for YAML that cannot be read, an unknown key or a wrong value; names the file
 */
export function settingsFromYaml(
  text: string,
  options: { where: string; names: readonly SettingName[] },
): GivenSettings {
  const { where, names } = options;
  let document: unknown;
  try {
    const empty = text.replaceAll(/^\s*#.*$/gm, "").trim() === "";
    document = empty ? {} : parseYaml(text, { filename: where });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new UserError(`The configuration ${where} is not YAML (${reason}): one "key: value" a line.`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new UserError(`The configuration ${where} is not a list of settings: one "key: value" a line.`);
  }
  const byFlag = settingsByFlag(names);
  const given: GivenSettings = {};
  for (const [key, value] of Object.entries(document)) {
    const name = byFlag.get(key);
    if (name === undefined || name === "config" || name === "help") {
      const suggestion = didYouMean(key, [...byFlag.keys()]);
      throw new UserError(`The configuration ${where} has an unknown key "${key}".${suggestion}`);
    }
    const items = Array.isArray(value) ? value : [value];
    if (!items.every((item) => ["string", "number", "boolean"].includes(typeof item))) {
      throw new UserError(`In the configuration ${where}, "${key}" is not a value or a list of values.`);
    }
    setSetting(given, name, { text: items.join(","), label: `"${key}" in ${where}` });
  }
  return given;
}

/**
 * Completes given settings with the preset's and the defaults.
 *
 * @param given from {@linkcode readSettings}
 * @param method the method's name in the presets
 * @throws {UserError} for an unknown preset, or one of other methods
 */
export function resolveConfig(given: GivenSettings, method: string): PromptConfig {
  const name = given.preset ?? Object.keys(PRESETS)[0];
  const fitting = Object.keys(PRESETS).filter((key) => method in PRESETS[key].methods);
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (preset === undefined) {
    throw new UserError(`There is no preset "${name}": take ${orList(fitting)}.${didYouMean(name, fitting)}`);
  }
  if (!Object.hasOwn(preset.methods, method)) {
    throw new UserError(`The preset "${name}" is not for ${method}: take ${orList(fitting)}.`);
  }
  const shots = given.shots ?? 16;
  const published = preset.methods[method](shots);
  const hyper: Hyperparameters = { ...published, ...pick(given, Object.keys(published) as (keyof Hyperparameters)[]) };
  // The original lets the words win over the number in silence.
  if (given.contextTokens !== undefined && given.initWords === undefined) hyper.initWords = "";
  epochWeights(hyper);
  const neither = given.train === undefined && given.eval === undefined;
  const train = neither ? preset.protocol.train : given.train;
  const { subsets, transfers } = evalTargets(given.eval);
  return {
    ...common({ ...given, eval: undefined }),
    ...hyper,
    train,
    eval: subsets ?? (neither ? [...preset.protocol.eval] : train === undefined ? [] : [train]),
    transfers,
    preset: name,
    ...(given.over === undefined ? {} : { over: given.over }),
    shots,
    seeds: given.seeds ?? [1],
    checkpointEvery: given.checkpointEvery,
    exactCheck: given.exactCheck ?? false,
    fresh: given.fresh ?? false,
    changed: (Object.keys(published) as (keyof Hyperparameters)[]).filter((key) => hyper[key] !== published[key]),
  };
}

/**
 * The weight of each epoch in the average of prompts; nothing where none is kept.
 *
 * @throws {UserError} when the Gaussian is beside the run
 */
export function epochWeights({ promptAverage, epochs }: Hyperparameters): number[] | undefined {
  if (promptAverage === "") return undefined;
  const [mean, deviation] = promptAverage.split(",").map(Number);
  return gaussianWeights(epochs, { mean, deviation });
}

/** Parts what `--eval` names into classes of the own data set and other data sets. */
function evalTargets(targets: GivenSettings["eval"]): { subsets?: ClassSubset[]; transfers: Transfer[] } {
  const isTransfer = (target: ClassSubset | Transfer): target is Transfer => target.includes(":");
  return {
    subsets: targets?.filter((target) => !isTransfer(target)) as ClassSubset[] | undefined,
    transfers: targets?.filter(isTransfer) ?? [],
  };
}

/**
 * What `--eval` names, for recipes that evaluate on their own data set alone.
 *
 * @throws {UserError} when it names another data set
 */
export function ownSubsets(given: GivenSettings): ClassSubset[] | undefined {
  const { subsets, transfers } = evalTargets(given.eval);
  if (transfers.length === 0) return subsets;
  throw new UserError(
    `--eval ${transfers[0]} is for prompts that were learned on another data set (coop, cocoop, kgcoop, prograd): ` +
      "give the data set of this recipe with --data.",
  );
}

/** The settings that every recipe has, completed. */
export function common(given: GivenSettings): CommonConfig {
  return {
    ...pick(given, ["model", "data", "dataset", "split", "device", "threads"]),
    eval: ownSubsets(given) ?? ["base", "new"],
    engine: given.engine ?? "auto",
    out: given.out ?? "runs",
    dryRun: given.dryRun ?? false,
    json: given.json ?? false,
    quiet: given.quiet ?? false,
    debug: given.debug ?? false,
  };
}

/**
 * Settings of a run as YAML that `--config` takes: what decides its result, nothing about this terminal.
 *
 * @param options lines above, the seed, and the settings that the recipe has, so that it reads its own file; all when left out
 */
export function configYaml(
  config: PromptConfig,
  options: { header: readonly string[]; seed: number; names?: readonly SettingName[] },
): string {
  const { changed: _changed, fresh: _fresh, dryRun: _dry, json: _json, quiet: _quiet, debug: _debug, ...others } =
    config;
  const { transfers, ...rest } = others;
  const { names } = options;
  const settings = Object.entries({ ...rest, eval: [...config.eval, ...transfers], seeds: [options.seed] }).filter((
    [name, value],
  ) => value !== undefined && (names === undefined || names.includes(name as SettingName)));
  const body = stringifyYaml(Object.fromEntries(settings.map(([name, value]) => [flagName(name), value])));
  return [...options.header.map((line) => `# ${line}`), body].join("\n");
}

function pick<K extends SettingName>(given: GivenSettings, names: readonly K[]): Pick<GivenSettings, K> {
  return Object.fromEntries(
    names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]),
  ) as Pick<
    GivenSettings,
    K
  >;
}
