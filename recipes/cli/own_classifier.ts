/** What tells images of the user's own apart, a learned prompt or words, on the model that belongs to it. */
import { type Activation } from "../../src/clip/config.ts";
import { type ClipModel, loadModel, type TextProgress } from "../../src/clip/model.ts";
import { spokenName } from "../../src/clip/spoken_name.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { findModel, type ModelFile } from "../../src/data/models.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { fileError, readBytes } from "../../src/files.ts";
import type { PromptLearning } from "../../src/methods/method.ts";
import { cosinesWith, featureLogits, normalizeRows, zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import { openStoredPrompt, type StoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import type { Encoder } from "../../src/run/data.ts";
import type { Classifier } from "../../src/run/learned.ts";
import { FINAL_CHECKPOINT } from "../../src/run/path.ts";
import type { Progress } from "../../src/run/progress.ts";
import { promptLogits } from "../../src/run/prompt_learner.ts";
import type { RunValues } from "../../src/run/settings.ts";
import { sampleFile } from "../../src/run/stored_data.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";

/** A prompt from a run folder, or from its file. */
export async function readPrompt(path: string): Promise<StoredPrompt> {
  const file = await promptFile(path);
  if (file !== undefined) return storedPrompt(decodeCheckpoint(await readBytes(file, "the prompt"), file), file);
  throw new UserError(
    `The folder ${path} holds no trained prompt (checkpoint-0100.safetensors, say): name a run's folder, such as ` +
      "runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1.",
  );
}

/** The file of the prompt in a run folder, or the path itself where it is a file; undefined where the folder has none. */
export async function promptFile(path: string): Promise<string | undefined> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return path;
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
    const final = names.filter((name) => FINAL_CHECKPOINT.test(name)).sort().at(-1);
    return final && `${path.replace(/\/+$/, "")}/${final}`;
  } catch (error) {
    throw fileError(error, path, "read", "the prompt");
  }
}

/** A model that is open. */
export interface OpenModel {
  model: ClipModel;
  /** As people call it. */
  name: string;
  close(): Promise<void>;
}

/** Opens the weights: as named, or those that the prompt was trained with. */
export async function openModel(
  given: Partial<Pick<RunValues, "model" | "activation" | "engine" | "device" | "threads">>,
  { prompt, progress }: { prompt?: StoredPrompt; progress: Progress },
): Promise<OpenModel> {
  const file = await modelFile(given.model, prompt);
  const [weights, tokenizer] = await Promise.all([
    loadWeights(file.path, { activation: given.activation ?? trainedActivation(prompt) }),
    loadTokenizer(),
  ]);
  for (const note of weights.notes) progress.say(note);
  const engine = await openEngine(given.engine ?? "auto", {
    threads: given.threads,
    device: given.device,
    log: (line) => progress.say(line),
  });
  const model = loadModel(weights, { engine, tokenizer });
  return {
    model,
    name: file.name,
    async close() {
      await model.dispose();
      await engine.dispose();
    },
  };
}

async function modelFile(name: string | undefined, prompt: StoredPrompt | undefined): Promise<ModelFile> {
  const wanted = name ?? prompt?.model.name ?? "sample";
  if (wanted === "sample") {
    return { path: await sampleFile("model.safetensors"), name: "sample" };
  }
  if (name !== undefined || prompt === undefined) return await findModel(wanted);
  try {
    return await findModel(wanted);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`The prompt was trained with ${wanted}, which is not here. ${error.message}`, {
      cause: error.cause,
    });
  }
}

/** The activation that the prompt was trained with, where it says so. */
function trainedActivation(prompt: StoredPrompt | undefined): Activation | undefined {
  const name = prompt?.settings?.activation;
  return name === "quickgelu" || name === "gelu" ? name : undefined;
}

/** Opens the prompt, or words, on classes of the caller's choice. Texts are encoded when they are first asked for. */
export async function openClassifier(
  model: ClipModel,
  options: {
    prompt?: StoredPrompt;
    classNames: string[];
    templates: readonly string[];
    method?: PromptLearning;
    progress: Progress;
  },
): Promise<Classifier & Pick<Encoder, "encode">> {
  const { prompt, classNames, templates, progress } = options;
  const { encodeImages, logitScale } = model;
  const onProgress: TextProgress = ({ done, total }) =>
    progress.update({ what: "encoding texts", done, total, unit: "texts", milestone: done === total });
  if (prompt !== undefined) {
    const session = await openStoredPrompt(prompt, { model, ...options });
    const seen = new Set(prompt.classesSeen.map(spokenName));
    const learnedFrom = classNames.every((name) => seen.has(spokenName(name)));
    let logits: ReturnType<typeof promptLogits> | undefined;
    return {
      logits: async (features) =>
        await (await (logits ??= promptLogits(model, session, { learnedFrom, onProgress })))(features),
      encode: session.encodeImages ?? encodeImages,
      functions: () => session.functions({ learnedFrom, onProgress }),
      dispose: () => session.dispose(),
    };
  }
  const texts_CE = await zeroShotFeatures(model, { classNames, templates, onProgress });
  return {
    logits: (features) => Promise.resolve(featureLogits(normalizeRows(features), texts_CE, { logitScale })),
    encode: encodeImages,
    functions: () => Promise.resolve({ texts_CE, logits: cosinesWith(texts_CE, logitScale) }),
    dispose: () => Promise.resolve(),
  };
}
