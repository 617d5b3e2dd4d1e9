/**
 * A run of one method on one data set: settings, inputs, then for each seed learning (or what was learned earlier),
 * evaluation, reports. It is written once, for every kind of method.
 */
import type { DatasetDescription } from "../data/description.ts";
import type { ClassSubset } from "../data/few_shot.ts";
import { UserError } from "../errors.ts";
import { modelCard } from "../eval/model_card.ts";
import { readFolder, readValidation, writeRunPage } from "../eval/page/write_page.ts";
import type { Report } from "../eval/report.ts";
import { sha256Hex } from "../files.ts";
import { learnsPrompts, type Method, type Values } from "../methods/method.ts";
import { completeSettings, type Given, type RunConfig, whyNotOn } from "./config.ts";
import { configYaml } from "./config_yaml.ts";
import type { RunData } from "./data.ts";
import { evaluatedClasses, lookAhead, requireTestImages } from "./doubts.ts";
import { drawingOnce } from "./draws.ts";
import { learnFromFeatures } from "./feature_learner.ts";
import { openRunFolder, type RunFolder } from "./folder.ts";
import {
  drawOf,
  identityOfReport,
  requireSameRun,
  requireSameTestImages,
  runIdentity,
  testImagesSha256,
} from "./identity.ts";
import { backbonePart, openInputs } from "./inputs.ts";
import type { EvaluationTarget, Learned, SeedRun } from "./learned.ts";
import { isTrained, runPath, trainedSiblings } from "./path.ts";
import { planOf } from "./plan.ts";
import { type Progress, SILENT } from "./progress.ts";
import { evaluate, noResult } from "./report_run.ts";
import { VALIDATION } from "./settings.ts";
import { storedValues } from "../prompt/stored_prompt.ts";
import { learnPrompt } from "./prompt_learner.ts";

/** What a run is told besides its settings. */
export interface RunOptions {
  /** Receives progress; none is shown when left out. */
  progress?: Progress;
  /** The command that started it, for reports. */
  command?: string;
  /** The description of the data set, where it is not one of the kit's. */
  description?: DatasetDescription;
  /** sha256 of the method's file, where it is the user's: it decides the numbers too. */
  methodSha256?: string;
  /** Told of each report as soon as it is written. */
  onReport?: (report: Report) => void;
}

/** What a seed learned, in its run folder; {@linkcode Run.finish} completes it. */
export interface LearnedRun {
  /** Null for methods that draw no images. */
  readonly seed: number | null;
  /** The run's folder. */
  readonly folder: string;
  /** Unlocks the folder and frees what the engine prepared. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A run of one method; from {@linkcode openRun}. */
export interface Run {
  /** Its settings, complete. */
  readonly config: RunConfig;
  /** One to learn each; null stands for the only run of a method that draws no images. */
  readonly seeds: readonly (number | null)[];
  /** What to evaluate on. */
  readonly targets: readonly EvaluationTarget[];
  /** The reports so far. */
  readonly reports: readonly Report[];
  /** Results that were asked for and cannot be, each in a sentence. */
  readonly missing: readonly string[];
  /** The folders of what was learned so far. */
  readonly folders: readonly string[];
  /** What the run would do, and the estimated seconds of all seeds, with those of image features; nothing is done. */
  plan(): Promise<{ lines: string[]; seconds: number; featureSeconds: number }>;
  /** Learns, or goes on where an earlier process was killed, or takes what is there. */
  learn(seed: number | null): Promise<LearnedRun>;
  /** Evaluates and writes the report; undefined where the method can have no result on these classes. */
  report(learned: LearnedRun, target: EvaluationTarget): Promise<Report | undefined>;
  /** Writes the page, the card and, last, `done`. */
  finish(learned: LearnedRun): Promise<void>;
  /** Closes engine, model and data. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a run: engine, CLIP, data. Nothing is learned yet.
 *
 * @param method of the kit or of your own
 * @param given settings by name; what is left out is the preset's or the method's default
 * @param options progress, and what the reports say of the command
 * @returns the run; whoever opened it disposes it
 * @throws {UserError} when settings do not go together, or anything named is missing or damaged
 *
 * @example Zero-shot CLIP on the sample
 * ```ts
 * import { openRun, zeroShot } from "@prompt-kit/clip-prompts";
 *
 * const out = await Deno.makeTempDir();
 * await using run = await openRun(zeroShot, { eval: ["new"], engine: "cpu", out });
 * await using learned = await run.learn(null);
 * const report = await run.report(learned, run.targets[0]);
 * await run.finish(learned);
 * await Deno.remove(out, { recursive: true });
 * if (report?.results.metrics.total !== 3900) throw new Error("unexpected");
 * ```
 */
export async function openRun<S>(
  method: Method<S>,
  given: Given & Partial<S>,
  options: RunOptions = {},
): Promise<Run> {
  const { progress = SILENT, command = "", description, methodSha256, onReport } = options;
  const config = completeSettings(method, given);
  if (config.transfers.length > 0 && config.values.classSpecific === true) {
    throw new UserError(
      "Class-specific contexts belong to the classes that they were learned for: train without --class-specific to " +
        "evaluate on another data set.",
    );
  }
  const without = new Set(impossibleSubsets(config));
  const missing = new Set<string>();
  for (const subset of without) {
    missing.add(noResult(config.method, subset, whyNotOn(config.method, { train: config.train!, subset })!));
  }
  if (without.size > 0 && without.size === config.eval.length && config.transfers.length === 0) {
    throw new UserError([...missing].join(" "));
  }
  const needsImages = learnsPrompts(config.method) && config.method.needsImages?.(config.values);
  const inputs = drawingOnce(await openInputs(config.run, { progress, description, needsImages }));
  const { data, on } = inputs;
  const targets = ownTargets(config, without);
  const others = new Map<string, RunData>();
  const open = new Map<LearnedRun, { run: SeedRun; learned: Learned }>();
  const reports: Report[] = [];
  const folders: string[] = [];
  try {
    // So that no seed is missed only when those before it are trained.
    for (const seed of config.seeds) if (seed !== null) data.draw({ ...drawOf(config, seed), classes: "all" });
    // Opened before anything is learned: what is missing is told at once.
    for (const transfer of config.transfers) {
      const at = transfer.lastIndexOf(":");
      const other = transfer.slice(0, at);
      if (!others.has(other)) others.set(other, await inputs.other(other));
      targets.push({ other, subset: transfer.slice(at + 1) as ClassSubset });
    }
    requireTestImages(targets, { config, data, others });
  } catch (error) {
    await inputs.close();
    throw error;
  }
  const place = (seed: number | null) => ({
    dataset: data.about.name,
    backbone: backbonePart(on.model, data.about),
    seed,
  });
  const identityOf = (own: RunConfig, seed: number | null) =>
    runIdentity(own, { model: on.model, data, engine: on.engine.name, methodSha256, seed });

  /** Opens the folder of a seed: that of this run, or of the prompt that is to be evaluated. */
  async function openSeed(seed: number | null): Promise<SeedRun> {
    const planned = await runPath(config, place(seed));
    const path = isToBeFound(config) ? await findTrained(planned, { config, command }) : planned;
    // Before the folder is made: a draw that fails creates none.
    const wanted = path === planned ? await identityOf(config, seed) : undefined;
    const folder = await openRunFolder(path);
    try {
      if (folder.stale !== undefined) {
        progress.say(`Process ${folder.stale} was killed in ${path}; its work is taken up.`);
      }
      if (config.run.fresh && !isToBeFound(config)) await folder.clear();
      const own = wanted === undefined ? await withStoredValues(config, folder) : config;
      const identity = wanted ?? await identityOf(own, seed);
      const identities = await folder.identities();
      for (const stored of identities) requireSameRun(stored, { wanted: identity, path });
      for (const report of await readFolder(path)) {
        const ofImages = { "test-images-sha256": await testImagesSha256(data, report.run.evaluatedOn) };
        requireSameRun(identityOfReport(report), { wanted: { ...identity, ...ofImages }, path });
      }
      const run = { config: own, inputs, progress, seed, folder, identity };
      await requireSameTestImages(path, { data, draw: drawOf(own, seed) });
      // Of what was trained elsewhere, its checkpoint says all that is known.
      if (!isToBeFound(config) && !identities.some((stored) => "imported-from" in stored)) {
        await folder.write("identity.json", `${JSON.stringify(identity, null, 2)}\n`);
        await folder.write("config.yaml", configYaml(own, { seed }));
      }
      return run;
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  return {
    config,
    seeds: config.seeds,
    targets,
    reports,
    folders,
    get missing() {
      return [...missing];
    },
    plan: () => planOf({ config, inputs, targets, others, place }),
    async learn(seed) {
      const run = await openSeed(seed);
      try {
        await lookAhead(run, { targets, others });
        const own = run.config.method;
        const classes = evaluatedClasses(run, { targets, others });
        const learned = learnsPrompts(own)
          ? await learnPrompt(run, own, [...new Set(classes.flatMap(({ classNames }) => classNames))])
          : await learnFromFeatures(run, own, classes);
        const handle: LearnedRun = {
          seed,
          folder: run.folder.path,
          async [Symbol.asyncDispose]() {
            open.delete(handle);
            await learned.dispose();
            run.folder.close();
          },
        };
        open.set(handle, { run, learned });
        folders.push(handle.folder);
        return handle;
      } catch (error) {
        run.folder.close();
        throw error;
      }
    },
    async report(handle, target) {
      const { run, learned } = open.get(handle)!;
      const other = target.other === undefined ? undefined : others.get(target.other);
      const found = await evaluate(run, { learned, target, other, command, methodSha256 });
      if (typeof found === "string") {
        missing.add(found);
        return undefined;
      }
      reports.push(found);
      onReport?.(found);
      return found;
    },
    async finish(handle) {
      const { run, learned } = open.get(handle)!;
      await finishFolder(run, learned);
    },
    async [Symbol.asyncDispose]() {
      for (const handle of [...open.keys()]) await handle[Symbol.asyncDispose]();
      await inputs.close();
    },
  };
}

/** The folder of the prompt to evaluate: the one that the settings name, or the only one that was trained with this preset. */
async function findTrained(path: string, { config, command }: { config: RunConfig; command: string }): Promise<string> {
  if (await isTrained(path)) return path;
  const found = config.changed.length === 0 ? await trainedSiblings(path) : [];
  if (found.length === 1) return found[0];
  const choice = found.length > 1 ? ` Trained with other settings: ${found.join(", ")}; repeat their flags.` : "";
  const train = command === "" ? `deno task ${config.asked.name}` : command;
  throw new UserError(`There is no trained prompt in ${path}: train one with "${train} --train base".${choice}`);
}

/** Whether a run evaluates a prompt that was trained earlier. */
function isToBeFound({ method, train }: RunConfig): boolean {
  return learnsPrompts(method) && train === undefined;
}

/** The settings that the prompt in a folder was trained with, where the command line names none. */
async function withStoredValues(config: RunConfig, folder: RunFolder): Promise<RunConfig> {
  const { method } = config;
  const stored = await folder.checkpoint();
  if (stored === undefined || !learnsPrompts(method)) throw new UserError(`There is no prompt in ${folder.path}.`);
  const given = {
    ...storedValues(method, stored.checkpoint),
    preset: config.preset ?? undefined,
    shots: config.shots!,
  };
  const { values, changed } = completeSettings(method, given as Given & Values);
  return { ...config, values, changed };
}

/** Classes that were asked for and that the method cannot tell apart after what it learned from. */
function impossibleSubsets({ method, train, eval: subsets }: RunConfig): RunConfig["eval"] {
  return train === undefined ? [] : subsets.filter((subset) => whyNotOn(method, { train, subset }) !== undefined);
}

/** What of the data set itself is evaluated on. */
function ownTargets({ eval: asked, train = "base" }: RunConfig, without: ReadonlySet<string>): EvaluationTarget[] {
  return asked.filter((subset) => !without.has(subset)).map((subset) =>
    subset === VALIDATION ? { subset: train, validation: true } : { subset }
  );
}

/** Page, card and, last, `done`, from all reports that are in the folder. */
async function finishFolder({ inputs, folder }: SeedRun, { file, chosen }: Learned): Promise<void> {
  await writeRunPage(folder.path, { images: inputs.data.images });
  const reports = await readFolder(folder.path);
  const onValidation = (await readValidation(folder.path)).map(() => VALIDATION);
  const evaluatedOn = [...reports.map(({ run }) => run.evaluatedOn), ...onValidation];
  if (evaluatedOn.length === 0 && file === undefined) return;
  if (file === undefined) return await folder.finish({ chosen, evaluatedOn });
  const sha256 = await sha256Hex(`${folder.path}/${file}`);
  // Evaluated on other data sets alone, it has no results of its own yet.
  if (reports.length > 0) await folder.write("MODEL_CARD.md", modelCard(reports, { file, sha256 }));
  await folder.finish({ prompt: file, sha256, evaluatedOn });
}
