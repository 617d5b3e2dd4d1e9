/** What a run of a method on features is told to do: its published numbers, a YAML file over them, flags over both. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { stringifyYaml } from "./yaml.ts";
import { UserError } from "../../src/errors.ts";
import { common, type CommonConfig, ownSubsets } from "./config.ts";
import { pathPart } from "../../src/run/path.ts";
import { flagName, type GivenSettings, type SettingName, type Validation } from "./settings.ts";

/** Numbers that a method on features can be given; a method has those that it knows. */
export interface FeatureHyper {
  /** Augmented views of a training image; 0 for the test transform alone. */
  views?: number;
  epochs?: number;
  batchSize?: number;
  lr?: number;
}

/** The published numbers of a method, by the number of training images a class. */
export type FeatureDefaults = (shots: number) => FeatureHyper;

/** Everything that such a run needs to know; complete. */
export interface FeatureConfig extends CommonConfig {
  train: ClassSubset;
  shots: number;
  seeds: number[];
  /** As `--templates` was given. */
  templates: string;
  tuneOn: Validation;
  hyper: FeatureHyper;
  /** What differs from the published numbers; it goes into the name of the run folder. */
  changed: string[];
}

/** What settings mean for methods on features. */
export const FEATURE_WORDS: Partial<Record<SettingName, string>> = {
  train: "classes to learn from; base when left out, or all with --eval all",
  eval: "classes to evaluate on: those learned from, or the other half where the method can",
  config: "YAML with any of these settings; flags go over it",
  views: "augmented views of a training image; 0 for the test transform alone",
};

/** The settings of a method on features. `own` are the numbers that it has. */
export function featureSettings(own: readonly (keyof FeatureHyper)[], options: { text?: boolean } = {}): SettingName[] {
  const { text = true } = options;
  return [
    "train",
    "eval",
    "config",
    "shots",
    "seeds",
    ...(text ? ["templates" as const] : []),
    "model",
    "data",
    "dataset",
    "split",
    "tuneOn",
    ...(own.includes("views") ? ["views" as const] : []),
    ...(["epochs", "batchSize", "lr"] as const).filter((name) => own.includes(name)),
    "engine",
    "device",
    "threads",
    "out",
    "dryRun",
    "json",
    "quiet",
    "debug",
    "help",
  ];
}

/**
 * Completes given settings. Such a method learns anew in seconds, so that `--eval new` alone learns from base classes.
 *
 * @throws {UserError} for settings that do not go together
 */
export function resolveFeatureConfig(given: GivenSettings, defaults: FeatureDefaults): FeatureConfig {
  const shots = given.shots ?? 16;
  const published = defaults(shots);
  const hyper = { ...published };
  const changed: string[] = [];
  const change = (name: string, differs: boolean) => differs && changed.push(name);
  for (const name of Object.keys(published) as (keyof FeatureHyper)[]) {
    const value = given[name];
    if (value === undefined) continue;
    if (value === "epochs") {
      throw new UserError(
        "This method sees all views at once: give a number with --views, or 0 for the test transform.",
      );
    }
    hyper[name] = value;
    change(name, value !== published[name]);
  }
  const templates = given.templates ?? "single";
  change("templates", templates !== "single");
  const asked = ownSubsets(given);
  const train = given.train ?? (asked?.every((subset) => subset === "all") ? "all" : "base");
  const other = { base: "new", new: "base", all: undefined }[train];
  const subsets = asked ?? (given.train === undefined ? ["base", "new"] as const : [train]);
  const strange = subsets.find((subset) => subset !== train && subset !== other);
  if (strange !== undefined) {
    throw new UserError(
      `What is learned from ${train} classes is not evaluated on ${strange} classes: methods on features tell apart the ` +
        `classes that they learned from${
          other === undefined ? "" : `, or the ${other} ones`
        }; give --train ${strange}.`,
    );
  }
  return {
    ...common(given),
    train,
    eval: [...subsets],
    shots,
    seeds: given.seeds ?? [1],
    templates,
    tuneOn: given.tuneOn ?? "few-shot",
    hyper,
    changed,
  };
}

/** The method's name in folders and reports: choosing on all validation images makes another method of it. */
export function featureMethodName(method: string, { tuneOn }: Pick<FeatureConfig, "tuneOn">): string {
  return tuneOn === "full" ? `${method}-full-val` : method;
}

/** `published`, and what was changed: `published+views=20`; where a preset stands in the folders of prompts. */
export function featurePart({ changed, hyper, templates }: FeatureConfig): string {
  const values: Record<string, unknown> = { ...hyper, templates };
  return "published" + changed.map((name) => `+${flagName(name)}=${pathPart(String(values[name]))}`).join("");
}

/** Where a run lives: `OUT/DATASET/METHOD/published/BACKBONE/shots16/seed1`. */
export function featurePath(
  config: FeatureConfig,
  run: { method: string; dataset: string; backbone: string; seed: number },
): string {
  const shots = `shots${config.shots}${config.train === "base" ? "" : `-${config.train}`}`;
  return [
    config.out,
    pathPart(run.dataset.toLowerCase()),
    run.method,
    featurePart(config),
    pathPart(run.backbone),
    shots,
    `seed${run.seed}`,
  ].join("/");
}

/** Settings of a run as YAML that `--config` takes. */
export function featureYaml(
  config: FeatureConfig,
  options: { task: string; names: readonly SettingName[]; seed: number },
): string {
  const { hyper, changed: _changed, dryRun: _dry, json: _json, quiet: _quiet, debug: _debug, ...rest } = config;
  const all = Object.entries({ ...rest, ...hyper, seeds: [options.seed] });
  const settings = all.filter(([name, value]) => value !== undefined && options.names.includes(name as SettingName));
  const body = stringifyYaml(Object.fromEntries(settings.map(([name, value]) => [flagName(name), value])));
  return `# deno task ${options.task} --config this-file\n${body}`;
}
