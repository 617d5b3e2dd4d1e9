/**
 * A run of a method on features, learned again from its folder: nothing that such a method learns is kept, and learning
 * takes seconds and gives the same bits.
 */
import { UserError } from "../../src/errors.ts";
import { readFolder } from "../../src/eval/page/write_page.ts";
import { infoOf, readJson } from "../../src/files.ts";
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { learnsPrompts, type Method } from "../../src/methods/method.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { learnFromFeatures } from "../../src/run/feature_learner.ts";
import { difference, learningImages, type RunIdentity, runIdentity } from "../../src/run/identity.ts";
import { type Inputs, openInputs } from "../../src/run/inputs.ts";
import type { Learned } from "../../src/run/learned.ts";
import type { Progress } from "../../src/run/progress.ts";
import { readConfigFile } from "./config_file.ts";
import { namedDataset } from "./dataset_file.ts";
import { findMethod } from "./method_file.ts";
import { recipeSettings } from "./recipe.ts";

/** A run with what it was learned from; whoever opened it closes it. */
export interface FeatureRun {
  inputs: Inputs;
  method: Method;
  /** The classes that it was learned from, and which half of the data set's they are; none where nothing is learned. */
  seen?: { classNames: readonly string[]; subset: ClassSubset };
  identity: RunIdentity;
  learn(): Promise<Learned>;
  close(): Promise<void>;
}

/**
 * Opens a run on ONNX Runtime.
 *
 * @param path the run's folder
 * @throws {UserError} when it is none of a method on features, or what it was learned from has changed
 */
export async function openFeatureRun(
  path: string,
  { method: file, threads, progress }: { method?: string; threads?: number; progress: Progress },
): Promise<FeatureRun> {
  if (!(await infoOf(`${path}/identity.json`, "the run"))?.isFile) {
    throw new UserError(
      `There is no run in ${path}: name the folder of one, such as ` +
        "runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1.",
    );
  }
  const stored = await readJson(`${path}/identity.json`, "the run's identity") as RunIdentity;
  const isOwn = "method-sha256" in stored;
  if (isOwn && file === undefined) {
    throw new UserError(`The method of ${path} is one of your own: give its file with --method FILE.`);
  }
  const { method, file: own } = await findMethod(isOwn ? file! : stored.method);
  if (learnsPrompts(method)) throw new UserError(`The prompt in ${path} is not whole: train it to its end first.`);
  const given = await readConfigFile(`${path}/config.yaml`, recipeSettings(method)) as Given;
  const dataset = await namedDataset(given.dataset);
  const config = completeSettings(method, { ...given, engine: "onnx", ...(threads && { threads }) });
  const seed = stored.seed === undefined ? null : Number(stored.seed);
  const inputs = await openInputs(config.run, {
    progress,
    description: typeof dataset === "string" ? undefined : dataset,
  });
  try {
    const { on: { model, engine }, data } = inputs;
    const identity = await runIdentity(config, { model, data, engine: engine.name, methodSha256: own?.sha256, seed });
    const words = difference(stored, identity);
    if (words !== undefined) {
      throw new UserError(
        `${path} was learned with ${words}: put back what it was learned from, or run the method again and export that.`,
      );
    }
    return {
      inputs,
      method,
      ...(seed !== null && {
        seen: { classNames: learningImages(config, data, seed).classNames, subset: config.train ?? "base" },
      }),
      identity,
      learn: () => learnFromFeatures({ config, inputs, progress, seed }, method),
      close: () => inputs.close(),
    };
  } catch (error) {
    await inputs.close();
    throw error;
  }
}

/**
 * The base, new or all classes of a run, as its reports have them; all that they have when `subset` is left out.
 *
 * @throws {UserError} when it has no such report
 */
export async function classesOfReport(path: string, subset = "all"): Promise<string[]> {
  const reports = await readFolder(path);
  const namesOf = (wanted: string) => reports.find(({ run }) => run.evaluatedOn === wanted)?.run.classNames;
  const [base, fresh] = [namesOf("base"), namesOf("new")];
  const names = namesOf(subset) ?? (subset === "all" && base && fresh ? [...base, ...fresh] : undefined);
  if (names !== undefined) return names;
  throw new UserError(
    `${path} has no report of the ${subset} classes, which names them: evaluate on them first, or list the names, as in ` +
      '--classes "river,forest,sea".',
  );
}
