/**
 * A prompt-learning run from top to bottom: settings, inputs, then for each seed training (or an earlier prompt),
 * evaluation, reports.
 */
import type { ClipModel } from "../../src/clip/model.ts";
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { UserError } from "../../src/errors.ts";
import type { Report } from "../../src/eval/report.ts";
import { formatJson } from "../../src/eval/report_file.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import { stepsPerEpoch } from "../../src/optim/batch_order.ts";
import { copyParameters } from "../../src/train/loop.ts";
import type { Hyperparameters } from "../../src/train/presets.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { type PromptConfig, readSettings, resolveConfig, settingsFromYaml } from "./config.ts";
import { namedDataset } from "./dataset_file.ts";
import { dryRun } from "./dry_run.ts";
import { type Inputs, openInputs, type OtherData } from "../../src/run/inputs.ts";
import { commandWith } from "./permissions.ts";
import { openProgress, type Progress } from "./progress.ts";
import { describePrompt, evaluatePrompt, finishFolder, type PromptDescription } from "./prompt_report.ts";
import {
  HYPERPARAMETERS,
  requireSameRun,
  runIdentity,
  scheduleOf,
  stepRecords,
  trainPrompt,
} from "./prompt_training.ts";
import type { RecipeInfo } from "./recipe.ts";
import { openRunFolder, type RunFolder } from "../../src/run/folder.ts";
import { backbonePart, findTrained, pathPart, runPath } from "../../src/run/path.ts";
import type { ContextKind } from "./settings.ts";
import { tellResults } from "./tell.ts";

/** A recipe of a method that learns prompts. */
export interface PromptRecipe extends RecipeInfo {
  /** Makes the method with its numbers at the start. */
  makeMethod(options: MethodOptions): PromptMethod | Promise<PromptMethod>;
}

/** What a method is made from. */
export interface MethodOptions {
  model: ClipModel;
  hyper: Hyperparameters;
  classNames: string[];
  seed: number;
  /** The data set's hand-written template, for methods that stay near it. */
  template: string;
  /** Whose contexts `--over` asks for. */
  over: ContextKind;
}

/** One seed of a run: what its steps share. */
export interface SeedRun {
  recipe: PromptRecipe;
  config: PromptConfig;
  inputs: Inputs;
  progress: Progress;
  seed: number;
  folder: RunFolder;
  /** Other data sets to evaluate on. */
  others: TransferData[];
}

/** Another data set, and which of its classes to evaluate on. */
export interface TransferData {
  data: OtherData;
  subset: ClassSubset;
}

/** Runs a recipe of a method that learns prompts, as `--help` describes it. */
export async function runPromptRecipe(asked: PromptRecipe, args: readonly string[]): Promise<void> {
  const given = await readSettings(args, asked.settings);
  const recipe = overContexts(asked, given.over);
  const config = resolveConfig(given, recipe.method);
  const progress = openProgress({ quiet: config.quiet });
  const inputs = await openInputs({ ...config, dataset: await namedDataset(config.dataset) }, progress);
  try {
    if (config.dryRun) return await dryRun({ recipe, config, inputs });
    // Opened before anything is trained: what is missing is told at once.
    const others = await openTransfers(config, inputs);
    const reports: Report[] = [];
    for (const seed of config.seeds) reports.push(...await runSeed({ recipe, config, inputs, progress, seed, others }));
    if (config.json) console.log(formatJson(reports.length === 1 ? reports[0] : reports, ""));
    else tellResults(reports, { model: inputs.on.model, task: asked.method });
  } finally {
    await inputs.close();
  }
}

/** The other data sets that `--eval` names. */
export async function openTransfers({ transfers }: PromptConfig, inputs: Inputs): Promise<TransferData[]> {
  const found: TransferData[] = [];
  for (const transfer of transfers) {
    const at = transfer.lastIndexOf(":");
    found.push({
      data: await inputs.other(transfer.slice(0, at)),
      subset: transfer.slice(at + 1) as ClassSubset,
    });
  }
  return found;
}

/** `--over cocoop` makes another method of it, with presets, folders and reports of its own. */
function overContexts(recipe: PromptRecipe, over: ContextKind = "coop"): PromptRecipe {
  return over === "coop" ? recipe : { ...recipe, method: `${recipe.method}-${over}`, task: recipe.method };
}

async function runSeed(run: Omit<SeedRun, "folder">): Promise<Report[]> {
  const { recipe, config, inputs, progress, seed } = run;
  const planned = runPath(config, {
    method: recipe.method,
    dataset: pathPart(inputs.on.data.name.toLowerCase()),
    backbone: backbonePart(inputs.on),
    seed,
  });
  // Learned earlier: looked for before anything is made, so that a wrong command leaves no folder behind.
  const path = config.train === undefined
    ? await findTrained(planned, { config, trainCommand: commandWith(recipe, ["--train", "base"]) })
    : planned;
  const folder = await openRunFolder(path);
  try {
    if (folder.stale !== undefined) {
      progress.say(`Process ${folder.stale} was killed in ${path}; its work is taken up.`);
    }
    if (config.fresh && config.train !== undefined) await folder.clear();
    const own = { ...run, folder, config: path === planned ? config : await storedConfig(folder, run) };
    const session = await learnedPrompt(own);
    try {
      const reports: Report[] = [];
      let known: Promise<PromptDescription> | undefined;
      const describe = () => known ??= describePrompt(own, session);
      for (const subset of config.eval) {
        reports.push(await evaluatePrompt(own, { session, describe, subset }));
      }
      for (const transfer of run.others) {
        reports.push(
          await evaluatePrompt(own, { session, describe, subset: transfer.subset, transfer }),
        );
      }
      await finishFolder(own);
      return reports;
    } finally {
      await session.dispose();
    }
  } finally {
    folder.close();
  }
}

/** The settings that the prompt in a folder was trained with, where the command line names none. */
async function storedConfig(
  folder: RunFolder,
  { recipe, config }: Pick<SeedRun, "recipe" | "config">,
): Promise<PromptConfig> {
  const where = `${folder.path}/config.yaml`;
  const text = await folder.read("config.yaml");
  if (text === undefined) {
    throw new UserError(`There is no ${where}: repeat the flags that the prompt was trained with.`);
  }
  const stored = resolveConfig(settingsFromYaml(text, { where, names: recipe.settings }), recipe.method);
  const learned = Object.fromEntries(HYPERPARAMETERS.map((name) => [name, stored[name]]));
  return { ...config, ...learned, changed: stored.changed };
}

/** The prompt of this run on the classes that it was trained on: from its last checkpoint, or trained now. */
async function learnedPrompt(run: SeedRun): Promise<PromptSession> {
  const { config, inputs, progress, seed, folder } = run;
  const stored = await folder.checkpoint();
  const train = config.train ?? "base";
  const { classNames, train: samples } = inputs.fewShot({ shots: config.shots, seed, classes: train });
  const session = await openPrompt(inputs.model, { method: await methodOf(run, classNames), classNames });
  try {
    const identity = runIdentity(run, train);
    if (stored !== undefined) requireSameRun(stored, { identity, path: folder.path });
    if (stored?.final) {
      const { params, losses } = stored.checkpoint.state;
      copyParameters(params, session.params);
      if (config.train !== undefined) {
        const perEpoch = stepsPerEpoch(samples.length, config.batchSize);
        await folder.writeMetrics(stepRecords(losses, { schedule: scheduleOf(config), perEpoch }));
      }
      progress.say(`The prompt of seed ${seed} is trained: ${folder.path}.`);
    } else {
      if (config.train === undefined) throw new UserError(`The prompt in ${folder.path} is not whole: train it again.`);
      await trainPrompt(run, { session, identity, resume: stored?.checkpoint.state });
    }
    return session;
  } catch (error) {
    await session.dispose();
    throw error;
  }
}

/** The method of a run for some classes, its numbers at the start. */
export async function methodOf(
  { recipe, config, inputs, seed }: Pick<SeedRun, "recipe" | "config" | "inputs" | "seed">,
  classNames: string[],
): Promise<PromptMethod> {
  const { model, template } = inputs;
  return await recipe.makeMethod({ model, hyper: config, classNames, seed, template, over: config.over ?? "coop" });
}
