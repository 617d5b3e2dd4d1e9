/**
 * What decides a run's numbers, and the check that a folder's results are of the same run. Every reuse goes through here:
 * resuming, evaluating a prompt that is there, writing beside reports that are there, and comparing.
 */
import { activationOf, unusual } from "../clip/config.ts";
import type { Report } from "../eval/report.ts";
import { UserError } from "../errors.ts";
import { readFolder } from "../eval/page/write_page.ts";
import { reportName } from "../eval/report_file.ts";
import { flagName } from "../methods/setting.ts";
import type { Sample } from "../data/split.ts";
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import { drawsImages, learnsPrompts } from "../methods/method.ts";
import type { RunConfig } from "./config.ts";
import type { RunData } from "./data.ts";
import type { ModelFacts } from "./inputs.ts";
import { DEFAULT_SHOTS } from "./settings.ts";

/** Texts by name, as checkpoints and `identity.json` carry them. */
export type RunIdentity = Record<string, string>;

/** Entries that say where things lie and not what they are: they may differ. */
const PLACES: readonly string[] = ["model", "data-source", "kit", "engine"];

/**
 * What an identity says that is silent: a user's method may have the name of one of the kit's, and most models have the
 * usual heads and LayerNorms.
 */
const OF_THE_KIT: RunIdentity = { "method-sha256": "of the kit", "model-rules": "as usual" };

/** Words for entries in messages. */
const WORDS: Readonly<Record<string, string>> = {
  "model-sha256": "model",
  "model-rules": "heads or LayerNorm of the model",
  "split-sha256": "split",
  "images-sha256": "training images (their bytes)",
  "test-images-sha256": "test images (their bytes)",
  "validation-images-sha256": "validation images (their bytes)",
  "method-sha256": "method file",
  "trained-on": "classes to train on",
};

/** What a run is, besides its settings. */
export interface IdentityInputs {
  model: ModelFacts;
  data: RunData;
  /** The name of the engine; left out where none is open. */
  engine?: string;
  /** Of the file of a user's own method. */
  methodSha256?: string;
  seed: number | null;
}

/** The images that a run learns from, and chooses on. */
export function learningImages(config: RunConfig, data: RunData, seed: number): FewShot {
  const classes = config.train ?? "base";
  const sample = data.draw({ shots: config.shots!, seed, classes });
  if (config.values.tuneOn !== "full") return sample;
  return { ...sample, val: data.wholeVal(classes) };
}

/** What decides the numbers of a run. */
export async function runIdentity(config: RunConfig, inputs: IdentityInputs): Promise<RunIdentity> {
  const { method, values, shots, train } = config;
  const { model, data, engine, methodSha256, seed } = inputs;
  const settings = Object.keys(method.settings).filter((name) => method.settings[name].changesNumbers !== false);
  const drawn: RunIdentity = {};
  if (drawsImages(method)) {
    const { train: images, val } = learningImages(config, data, seed!);
    const used: Sample[] = learnsPrompts(method) ? images : [...images, ...val];
    Object.assign(drawn, {
      "images-sha256": await data.sha256(used),
      "trained-on": train ?? "base",
      shots: String(shots),
      seed: String(seed),
    });
  }
  return {
    method: method.name,
    ...(methodSha256 === undefined ? {} : { "method-sha256": methodSha256 }),
    model: model.name,
    "model-sha256": model.sha256,
    activation: activationOf(model.config),
    ...(unusual(model.config) === "" ? {} : { "model-rules": unusual(model.config) }),
    dataset: data.about.name,
    "data-source": data.about.source,
    "split-sha256": data.about.splitSha256,
    ...drawn,
    ...(learnsPrompts(method) && method.readsTemplate ? { template: data.template } : {}),
    ...Object.fromEntries(settings.map((name) => [flagName(name), String(values[name])])),
    ...(engine === undefined ? {} : { engine }),
  };
}

/** What decides the numbers of a report besides: the bytes of the test images, the same for every draw. */
export function testImagesSha256(data: RunData, classes: ClassSubset): Promise<string> {
  return data.sha256(data.draw({ shots: DEFAULT_SHOTS, seed: 1, classes }).test);
}

/**
 * What differs between what is there and what is wanted, in words; undefined where they are of one run. A prompt that was
 * trained elsewhere keeps the template that it was trained with.
 */
export function difference(stored: RunIdentity, wanted: RunIdentity): string | undefined {
  const [there, here] = [{ ...OF_THE_KIT, ...stored }, { ...OF_THE_KIT, ...wanted }];
  const kept = "imported-from" in stored ? [...PLACES, "template"] : PLACES;
  const differs = Object.entries(here).filter(([name, value]) =>
    !kept.includes(name) && there[name] !== undefined && there[name] !== value
  );
  if (differs.length === 0) return undefined;
  const short = (value: string) => /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : value;
  return differs.map(([name, value]) => `${WORDS[name] ?? name} ${short(there[name])} and not ${short(value)}`)
    .join(", ");
}

/**
 * Refuses to mix results of two runs.
 *
 * @throws {UserError} when what is there is of another run; names what differs
 */
export function requireSameRun(
  stored: RunIdentity,
  { wanted, path }: { wanted: RunIdentity; path: string },
): void {
  const words = difference(stored, wanted);
  if (words === undefined) return;
  throw new UserError(
    `${path} holds results with ${words}: take the same again, start over with --fresh, or give another folder with ` +
      "--out.",
  );
}

/** What a report says of its run's identity; reports of 0.1.0 say less. */
export function identityOfReport({ run, on }: Report): RunIdentity {
  const told: Record<string, string | undefined> = {
    method: run.method,
    "model-sha256": on.model.sha256,
    activation: activationOf(on.model.config),
    "model-rules": unusual(on.model.config) || undefined,
    // On another data set, the data of the report is not that of the run.
    ...(run.trainedOnData === undefined
      ? {
        dataset: on.data.name,
        "split-sha256": on.data.splitSha256,
        "test-images-sha256": on.data.testImagesSha256,
        "validation-images-sha256": on.data.validationImagesSha256,
      }
      : {}),
    "images-sha256": run.imagesSha256,
    "method-sha256": run.methodSha256,
    "trained-on": run.trainedOn ?? undefined,
    shots: run.shots === null ? undefined : String(run.shots),
    seed: run.seed === null ? undefined : String(run.seed),
    engine: on.engine.name,
    ...Object.fromEntries(
      Object.entries(run.hyperparameters).map(([name, value]) => [flagName(name), String(value)]),
    ),
  };
  return Object.fromEntries(Object.entries(told).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Which draw's test images an evaluation has; methods that draw no images have the same for every draw. */
export function drawOf({ shots }: RunConfig, seed: number | null): { shots: number; seed: number } {
  return seed === null ? { shots: DEFAULT_SHOTS, seed: 1 } : { shots: shots!, seed };
}

/**
 * Refuses to put reports of two sets of test images into one folder.
 *
 * @throws {UserError} when the images have changed since a report was written
 */
export async function requireSameTestImages(
  path: string,
  { data, draw }: { data: RunData; draw: { shots: number; seed: number } },
): Promise<void> {
  for (const report of await readFolder(path)) {
    const { run: { evaluatedOn }, on: { data: { testImagesSha256 } } } = report;
    if (testImagesSha256 === undefined) continue;
    const { test } = data.draw({ ...draw, classes: evaluatedOn });
    if (await data.sha256(test) === testImagesSha256) continue;
    throw new UserError(
      `${path} holds ${
        reportName(report)
      } of other test images than ${data.about.source} has now: remove its reports, or ` +
        "give another folder with --out.",
    );
  }
}
