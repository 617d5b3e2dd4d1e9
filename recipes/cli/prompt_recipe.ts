/**
 * A prompt-learning run from top to bottom: settings, inputs, then for each seed training (or an earlier prompt),
 * evaluation, reports.
 */
import type { ClipModel } from "../../src/clip/model.ts";
import type { ClassSubset, FewShot } from "../../src/data/few_shot.ts";
import { namedStream } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import type { PromptMethod } from "../../src/methods/method.ts";
import { stepsPerEpoch } from "../../src/train/batch_order.ts";
import { learningRate } from "../../src/train/schedule.ts";
import { copyParameters, epochMeans, type StepRecord, train, type TrainingState } from "../../src/train/loop.ts";
import type { Hyperparameters } from "../../src/train/presets.ts";
import { openPrompt, type PromptSession } from "../../src/train/step.ts";
import { configYaml, type PromptConfig, readSettings, resolveConfig } from "./config.ts";
import { type Inputs, openInputs } from "./inputs.ts";
import { openProgress, type Progress } from "./progress.ts";
import type { RecipeInfo } from "./recipe.ts";
import { openRunFolder, type RunFolder } from "./run_folder.ts";
import { findTrained, runPath } from "./run_path.ts";

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
}
