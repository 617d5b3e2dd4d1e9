/** On what a run computes: a model on an engine, and a data set. */
import { activationOf, type ClipConfig, unusual } from "../clip/config.ts";
import { type ClipModel, loadModel } from "../clip/model.ts";
import { loadTokenizer } from "../clip/tokenizer.ts";
import { describeWeights, loadWeights } from "../clip/weights/load.ts";
import type { DatasetDescription } from "../data/description.ts";
import { findModel, type ModelFile } from "../data/models.ts";
import { SAMPLE_MODEL_SHA256 } from "../clip/weights/known.ts";
import { STORED_SOURCE } from "../data/sample_features.ts";
import { openEngine } from "../engine/choose.ts";
import type { ReportedCircumstances } from "../eval/report.ts";
import type { RunData } from "./data.ts";
import { openData, openOtherData } from "./open_data.ts";
import { pathPart } from "./path.ts";
import type { Progress } from "./progress.ts";
import type { RunValues } from "./settings.ts";
import { sampleFile } from "./stored_data.ts";

/** The weights of a run, as far as folders and identities know them. */
export interface ModelFacts {
  /** As people call it: `sample`, `ViT-B/16`. */
  name: string;
  /** Of the file. */
  sha256: string;
  config: ClipConfig;
  /** Whether it is the small model that ships with the kit. */
  sample: boolean;
}

/** Everything that a run computes with; from {@linkcode openInputs}. */
export interface Inputs {
  readonly model: ClipModel;
  readonly data: RunData;
  /** For reports. */
  readonly on: { model: ReportedCircumstances["model"]; engine: ReportedCircumstances["engine"] };
  /** Opens another data set under the same model; {@linkcode Inputs.close} closes it. */
  other(nameOrPath: string): Promise<RunData>;
  close(): Promise<void>;
}

/** The settings that choose inputs. */
export type InputSettings = Pick<RunValues, "engine"> & Partial<RunValues>;

/** The file of the weights that settings name. */
export async function weightsFile(name: string | undefined): Promise<ModelFile> {
  if (name !== undefined && name !== "sample") return await findModel(name);
  return { path: await sampleFile("model.safetensors"), name: "sample" };
}

/** Whether it is the sample model, computed as it was trained: what is stored with it is of no other. */
function isSample({ sha256, config }: Pick<ModelFacts, "sha256" | "config">): boolean {
  return sha256 === SAMPLE_MODEL_SHA256 && activationOf(config) === "quickgelu" && unusual(config) === "";
}

/** What folders and identities know of the weights, whose numbers are not looked at. */
export async function modelFacts(
  { model, activation }: Pick<InputSettings, "model" | "activation">,
): Promise<ModelFacts> {
  const file = await weightsFile(model);
  const { sha256, config } = await describeWeights(file.path, { activation });
  const sample = isSample({ sha256, config });
  return { name: sample ? "sample" : file.name, sha256, config, sample };
}

/**
 * Opens what the settings name. The caller closes it.
 *
 * @throws {UserError} when anything named is missing, damaged, or does not fit the rest
 */
export async function openInputs(
  settings: InputSettings,
  options: { progress: Progress; description?: DatasetDescription; needsImages?: boolean },
): Promise<Inputs> {
  const { progress } = options;
  const file = await weightsFile(settings.model);
  const [weights, tokenizer] = await Promise.all([loadWeights(file.path, settings), loadTokenizer()]);
  for (const note of weights.notes) progress.say(note);
  const sample = isSample(weights);
  const engine = await openEngine(settings.engine, {
    threads: settings.threads,
    device: settings.device,
    log: (line) => progress.say(line),
  });
  const model = loadModel(weights, { engine, tokenizer });
  try {
    const data = await openData(settings, { ...options, model, sample });
    const others: RunData[] = [];
    return {
      model,
      data,
      on: {
        model: {
          name: sample ? "sample" : file.name,
          sha256: weights.sha256,
          config: weights.config,
          activation: activationOf(weights.config),
          sample,
        },
        engine: { name: engine.name, device: engine.device, threads: engine.threads },
      },
      async other(nameOrPath) {
        const found = await openOtherData(nameOrPath, { model, sample, progress, needsImages: options.needsImages });
        others.push(found);
        return found;
      },
      async close() {
        for (const one of [data, ...others]) await one.close();
        await model.dispose();
        await engine.dispose();
      },
    };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/**
 * The model's part of a run's path. A prompt learned from images is not one learned from the sample's stored features,
 * which are of half precision.
 */
export function backbonePart(model: Pick<ModelFacts, "name" | "sample">, data: { source: string }): string {
  return pathPart(model.sample && data.source !== STORED_SOURCE ? `${model.name}-on-images` : model.name);
}
