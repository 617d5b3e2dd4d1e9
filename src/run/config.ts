/** What a run is told to do, complete: what was given, over the preset, over the method's defaults. */
import type { ClassSubset } from "../data/few_shot.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import {
  drawsImages,
  learnsPrompts,
  type Method,
  type Preset,
  type PromptLearning,
  publishedValues,
  type Values,
} from "../methods/method.ts";
import { promptSettings } from "../methods/prompt_settings.ts";
import { flagName, orList, requireLine, type Setting } from "../methods/setting.ts";
import {
  DEFAULT_SHOTS,
  RUN_SETTINGS,
  type RunValues,
  settingsOf,
  type Target,
  type Transfer,
  VALIDATION,
} from "./settings.ts";

/** Settings as given somewhere, by name; those that were not given are absent. */
export type Given = Partial<RunValues> & Values;

/** Everything that a run needs to know. */
export interface RunConfig {
  /** The method that runs: the one that was asked for, or the variant that a setting makes of it. */
  method: Method;
  /** The method that was asked for, whose task and recipe start the run. */
  asked: Method;
  /** Values of all of the method's own settings. */
  values: Values;
  /** Classes to train on; undefined where an earlier prompt is evaluated, or nothing is learned. */
  train?: ClassSubset;
  /** Classes of the data set itself to evaluate on; `val` for the validation images of those that were learned from. */
  eval: Exclude<Target, Transfer>[];
  /** Other data sets to evaluate on. */
  transfers: Transfer[];
  /** Null for methods whose defaults are the published numbers. */
  preset: string | null;
  /** Null for methods that draw no images; so are seeds. */
  shots: number | null;
  /** One run each. */
  seeds: (number | null)[];
  /** Settings of the method that differ from the preset's. */
  changed: string[];
  /** The other settings, as given or by default. */
  run: Pick<RunValues, "engine" | "out" | "fresh" | "exactCheck"> & Partial<RunValues>;
}

/**
 * Completes given settings.
 *
 * @param asked a method of the kit or of the user
 * @param given values by name, as a recipe reads them from flags and YAML
 * @throws {UserError} for an unknown preset, or settings that do not go together
 *
 * @example
 * ```ts
 * import { completeSettings, coop } from "@prompt-kit/clip-prompts";
 *
 * const { values, changed } = completeSettings(coop, { epochs: 20 });
 * if (values.epochs !== 20 || values.batchSize !== 4 || changed.join() !== "epochs") throw new Error("unexpected");
 * ```
 */
export function completeSettings<S>(asked: Method<S>, given: Given & Partial<S>): RunConfig {
  const method = variantOf(asked as Method, given);
  if (learnsPrompts(method)) requireTrainable(method);
  requireKnown(given, { ...RUN_SETTINGS, ...asked.settings, ...method.settings });
  const twice = Object.keys(method.settings).find((name) => name in RUN_SETTINGS);
  if (twice !== undefined) {
    throw new UserError(
      `The method ${method.label} has a setting "${twice}", which every run has: give it another name.`,
    );
  }
  const preset = presetOf(method, given.preset);
  const shots = given.shots ?? DEFAULT_SHOTS;
  const published = publishedValues(method, preset, shots);
  const values: Values = { ...published };
  for (const [name, setting] of Object.entries(method.settings)) {
    if (given[name] === undefined) continue;
    if ((setting.fixed || setting.variant) && given[name] !== published[name]) {
      throw new UserError(`--${flagName(name)} is fixed for ${method.label}: leave it out.`);
    }
    values[name] = given[name];
    for (const other of setting.resets ?? []) if (given[other] === undefined) values[other] = "";
  }
  method.check?.(values);
  const targets = targetsOf(method, given, preset === null ? null : method.presets[preset]);
  return {
    method,
    asked: asked as Method,
    values,
    ...targets,
    preset,
    shots: drawsImages(method) ? shots : null,
    seeds: drawsImages(method) ? given.seeds ?? [1] : [null],
    changed: Object.keys(method.settings).filter((name) =>
      method.settings[name].changesNumbers !== false && values[name] !== published[name]
    ),
    run: { engine: "auto", out: "runs", fresh: false, exactCheck: false, ...runValues(method, given) },
  };
}

/** What a library's user gives is held to the same checks as what is typed. */
function requireKnown(given: Given, settings: Readonly<Record<string, Setting<unknown>>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in settings)) {
      throw new UserError(`There is no setting "${name}".${didYouMean(name, Object.keys(settings))}`);
    }
    if (value === undefined) continue;
    const text = Array.isArray(value) ? value.join(",") : String(value);
    requireLine(text, name);
    settings[name].parse(text, name);
  }
}

/** A method of the user's that leaves out a setting of the training loop would train with numbers that are none. */
function requireTrainable({ settings, label }: PromptLearning): void {
  const loop = Object.entries(promptSettings).filter(([, { section }]) => section !== "Prompt").map(([name]) => name);
  const missing = loop.filter((name) => !(name in settings)).map(flagName);
  if (missing.length === 0) return;
  throw new UserError(
    `The method ${label} lacks ${missing.length === 1 ? "the setting" : "the settings"} ${missing.join(", ")} that ` +
      "training needs: spread coop.settings into its settings.",
  );
}

/** The method that settings such as `--over cocoop` make of the one that was asked for. */
function variantOf(asked: Method, given: Given): Method {
  for (const [name, variants] of Object.entries(asked.variants ?? {})) {
    const variant = variants[String(given[name])];
    if (variant !== undefined) return variant;
  }
  return asked;
}

function presetOf(method: Method, name: string | undefined): string | null {
  const known = Object.keys(method.presets);
  if (name === undefined) return known[0] ?? null;
  if (known.includes(name)) return name;
  if (known.length === 0) throw new UserError(`${method.label} has no presets: leave --preset out.`);
  const [variant] = Object.entries(method.variants ?? {}).flatMap(([setting, byValue]) =>
    Object.keys(byValue).filter((value) => name in byValue[value].presets).map((value) =>
      `--${flagName(setting)} ${value}`
    )
  );
  throw new UserError(
    `There is no preset "${name}" of ${method.label}: take ${orList(known)}` +
      (variant === undefined ? `.${didYouMean(name, known)}` : `, or give ${variant} besides.`),
  );
}

/** Settings of every run that a configuration has fields of their own for. */
const OWN_FIELDS: readonly string[] = ["train", "eval", "preset", "shots", "seeds"];

function runValues(method: Method, given: Given): Partial<RunValues> {
  const names = Object.keys(settingsOf(method)).filter((name) =>
    !(name in method.settings) && !OWN_FIELDS.includes(name)
  );
  return Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]));
}

/**
 * What is trained on and evaluated on. A learned prompt is kept, so that `--eval` alone takes the one that is there;
 * everything else is learned again in seconds.
 */
function targetsOf(
  method: Method,
  given: Given,
  preset: Preset | null,
): Pick<RunConfig, "train" | "eval" | "transfers"> {
  const isTransfer = (target: Target): target is Transfer => target.includes(":");
  const subsets = given.eval?.filter((target): target is Exclude<Target, Transfer> => !isTransfer(target));
  const transfers = given.eval?.filter(isTransfer) ?? [];
  const neither = given.train === undefined && given.eval === undefined;
  if (learnsPrompts(method)) {
    const train = neither ? preset?.protocol.train ?? "base" : given.train;
    const usual = neither ? [...preset?.protocol.eval ?? ["base", "new"] as const] : train === undefined ? [] : [train];
    return { train, eval: subsets ?? usual, transfers };
  }
  if (!drawsImages(method)) {
    if (subsets?.includes(VALIDATION)) {
      throw new UserError(`${method.label} draws no images, and so no validation images: leave val out of --eval.`);
    }
    return { eval: subsets ?? ["base", "new"], transfers };
  }
  const asked = subsets?.filter((one) => one !== VALIDATION) ?? [];
  const train = given.train ?? (asked.length > 0 && asked.every((one) => one === "all") ? "all" : "base");
  const evaluated = subsets ?? (given.train === undefined ? ["base" as const, "new" as const] : [train]);
  const strange = evaluated.find((subset) => whyNotOn(method, { train, subset }) === "other classes");
  if (strange !== undefined) {
    const half = { base: ", or the new ones", new: ", or the base ones", all: "" }[train];
    throw new UserError(
      `What is learned from ${train} classes is not evaluated on ${strange} classes: methods on features tell apart the ` +
        `classes that they learned from${half}; give --train ${strange}.`,
    );
  }
  return { train, eval: evaluated, transfers };
}

/** Why a method that learned from `train` has no result on `subset`; undefined where it has one. */
export function whyNotOn(
  method: Method,
  { train, subset }: { train: ClassSubset; subset: ClassSubset | "val" },
): string | undefined {
  if (learnsPrompts(method) || !drawsImages(method) || subset === train || subset === VALIDATION) return undefined;
  if (train === "all" || subset === "all") return "other classes";
  return method.noNewClasses;
}
