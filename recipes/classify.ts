/**
 * Classifies images of your own, with a trained prompt or with words.
 *
 * `deno task classify --prompt runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1 --classes "river,forest,sea" IMAGE …`
 */
import { type Activation, activationOf } from "../src/clip/config.ts";
import { type ClipModel, loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { loadWeights } from "../src/clip/weights/load.ts";
import { ENSEMBLE_TEMPLATES } from "../src/data/catalogue.ts";
import { spokenName } from "../src/clip/spoken_name.ts";
import { findModel, type ModelFile } from "../src/data/models.ts";
import { openEngine } from "../src/engine/choose.ts";
import { UserError, visible } from "../src/errors.ts";
import { formatJson } from "../src/eval/report_file.ts";
import { fileError, readBytes } from "../src/files.ts";
import { templates } from "../src/methods/feature_settings.ts";
import { learnsPrompts, type PromptLearning } from "../src/methods/method.ts";
import { text, toggle } from "../src/methods/setting.ts";
import { featureLogits, normalizeRows, zeroShotFeatures } from "../src/methods/zero_shot.ts";
import { openStoredPrompt, type StoredPrompt, storedPrompt } from "../src/prompt/stored_prompt.ts";
import type { Encoder } from "../src/run/data.ts";
import type { Classifier } from "../src/run/learned.ts";
import { FINAL_CHECKPOINT } from "../src/run/path.ts";
import { promptLogits } from "../src/run/prompt_learner.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { sampleFile } from "../src/run/stored_data.ts";
import { templatesOf } from "../src/run/templates.ts";
import { decodeCheckpoint } from "../src/train/checkpoint.ts";
import { answersText, type ImageAnswer, probabilities } from "./cli/answer_table.ts";
import { classesSetting, readClassNames } from "./cli/class_list.ts";
import { readFlags } from "./cli/flags.ts";
import { loadMethod } from "./cli/method_file.ts";
import { findImages, type ReadImages, readImages } from "./cli/own_images.ts";
import { openProgress } from "./cli/progress.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

/** Images that are in memory at a time. */
const BATCH = 16;

const { model, activation, engine, device, threads } = RUN_SETTINGS;
const { json, quiet, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = {
  prompt: text({
    section: "What runs",
    placeholder: "RUN",
    help: "a run folder or a prompt's file; without it, hand-written templates are used",
  }),
  classes: { ...classesSetting, defaultWords: "the prompt's own classes" },
  method: text({
    section: "What runs",
    placeholder: "FILE",
    help: "the file of the method that learned the prompt, where it is one of your own",
  }),
  templates,
  exif: toggle({
    section: "What runs",
    help: "turn photos as their cameras noted in EXIF, which the published code does not do",
  }),
  model,
  activation,
  engine,
  device,
  threads,
  json: { ...json, help: "the answers on standard output as JSON" },
  quiet,
  debug,
  help,
};

const program: Program = {
  title: "Classifies images of your own: JPEG, PNG, WebP or TIFF, of any size; name files, or folders of them.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: [
    'deno task classify --prompt runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1 --classes "river,forest" a.jpg b.jpg',
    'deno task classify --classes "cat,dog" --model ViT-B/16 photos/',
  ],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { words, given } = readFlags(args, SETTINGS, { words: true });
  const prompt = given.prompt === undefined ? undefined : await readPrompt(given.prompt);
  const classNames = given.classes === undefined ? prompt?.classesSeen : await readClassNames(given.classes);
  if (classNames === undefined) {
    throw new UserError(
      'Say what the images may be: --classes "river,forest,sea", or give a trained prompt with --prompt RUN.',
    );
  }
  if (prompt && given.templates !== undefined) {
    throw new UserError("--templates are for words and --prompt for what was learned: give one of the two.");
  }
  const { paths, leftOut } = await findImages(words);
  const exif = given.exif ?? false;
  const progress = openProgress({ quiet: given.quiet ?? false });
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
  try {
    const templates = templatesOf(given, {
      template: "a photo of a {}.",
      ensemble: ENSEMBLE_TEMPLATES,
    });
    const method = given.method === undefined ? undefined : (await loadMethod(given.method)).method;
    if (method !== undefined && !learnsPrompts(method)) {
      throw new UserError(`The method of ${given.method} learns no prompt: leave --method out.`);
    }
    const classifier = await openClassifier(model, { prompt, classNames, templates, method });
    const answers: ImageAnswer[] = [];
    const failed: ReadImages["failed"] = [];
    const turned: string[] = [];
    for (let from = 0; from < paths.length; from += BATCH) {
      const batch = await readImages(model, paths.slice(from, from + BATCH), { exif });
      failed.push(...batch.failed);
      turned.push(...batch.turned);
      if (batch.patches_BNK !== undefined) {
        const logits_BC = await classifier.logits(await classifier.encode(batch.patches_BNK));
        answers.push(...probabilities(logits_BC, { images: batch.paths, classNames }));
      }
      const done = Math.min(paths.length, from + BATCH);
      progress.update({
        what: "classifying",
        done,
        total: paths.length,
        unit: "images",
        milestone: done === paths.length,
      });
    }
    await classifier.dispose();
    const by = prompt === undefined ? { templates } : { method: prompt.method, prompt: given.prompt };
    if (given.json) {
      const about = { name: file.name, sha256: model.sha256, activation: activationOf(model.config) };
      const told = toldOf({ failed, turned, exif });
      console.log(formatJson({ model: about, by, classNames, answers, ...told }, ""));
    } else if (answers.length > 0) {
      for (const line of answersText(answers, { classNames })) console.log(visible(line));
    }
    const told = leftOut.map((sentence) => `warning: ${sentence}`);
    if (turned.length > 0 && !exif) {
      told.push(
        `warning: ${turned.length === 1 ? "1 image has" : `${turned.length} images have`} an orientation in EXIF, ${
          turned[0]
        } the first: it is ignored, as in the published code; --exif applies it.`,
      );
    }
    for (const { image, reason } of failed) told.push(`error: ${image} is not classified. ${reason}`);
    for (const line of told) console.error(visible(line));
    if (failed.length > 0) Deno.exitCode = 1;
  } finally {
    await model.dispose();
    await engine.dispose();
  }
}

/** What the JSON answer tells besides, where there is anything. */
function toldOf({ failed, turned, exif }: Pick<ReadImages, "failed" | "turned"> & { exif: boolean }) {
  return {
    ...(failed.length === 0 ? {} : { failed }),
    ...(turned.length === 0 ? {} : { exif: { applied: exif, images: turned } }),
  };
}

/** A prompt from a run folder, or from its file. */
async function readPrompt(path: string): Promise<StoredPrompt> {
  const file = await promptFile(path);
  return storedPrompt(decodeCheckpoint(await readBytes(file, "the prompt"), file), file);
}

async function promptFile(path: string): Promise<string> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return path;
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
    const final = names.filter((name) => FINAL_CHECKPOINT.test(name)).sort().at(-1);
    if (final !== undefined) return `${path.replace(/\/+$/, "")}/${final}`;
  } catch (error) {
    throw fileError(error, path, "read", "the prompt");
  }
  throw new UserError(
    `The folder ${path} holds no trained prompt (checkpoint-0100.safetensors, say): name a run's folder, such as ` +
      "runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1.",
  );
}

/** The weights: as named, or those that the prompt was trained with. */
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

async function openClassifier(
  model: ClipModel,
  options: { prompt?: StoredPrompt; classNames: string[]; templates: readonly string[]; method?: PromptLearning },
): Promise<Classifier & Pick<Encoder, "encode">> {
  const { prompt, classNames, templates } = options;
  const { encodeImages } = model;
  if (prompt !== undefined) {
    const session = await openStoredPrompt(prompt, { model, ...options });
    const seen = new Set(prompt.classesSeen.map(spokenName));
    const learnedFrom = classNames.every((name) => seen.has(spokenName(name)));
    const logits = await promptLogits(model, session, { learnedFrom });
    return { logits, encode: session.encodeImages ?? encodeImages, dispose: () => session.dispose() };
  }
  const texts_CE = await zeroShotFeatures(model, { classNames, templates });
  return {
    logits: (features) =>
      Promise.resolve(featureLogits(normalizeRows(features), texts_CE, { logitScale: model.logitScale })),
    encode: encodeImages,
    dispose: () => Promise.resolve(),
  };
}
