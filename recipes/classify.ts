/**
 * Classifies images of your own, with a trained prompt or with words.
 *
 * `deno task classify --prompt runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1 --classes "river,forest,sea" IMAGE …`
 */
import { activationOf } from "../src/clip/config.ts";
import { ENSEMBLE_TEMPLATES } from "../src/data/catalogue.ts";
import { UserError, visible } from "../src/errors.ts";
import { formatJson } from "../src/eval/report_file.ts";
import { templates } from "../src/methods/feature_settings.ts";
import { learnsPrompts } from "../src/methods/method.ts";
import { text, toggle } from "../src/methods/setting.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { templatesOf } from "../src/run/templates.ts";
import { answersText, type ImageAnswer, probabilities } from "./cli/answer_table.ts";
import { classesSetting, readClassNames } from "./cli/class_list.ts";
import { readFlags } from "./cli/flags.ts";
import { loadMethod } from "./cli/method_file.ts";
import { openClassifier, openModel, readPrompt } from "./cli/own_classifier.ts";
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
  const { model, name, close } = await openModel(given, { prompt, progress });
  try {
    const templates = templatesOf(given, {
      template: "a photo of a {}.",
      ensemble: ENSEMBLE_TEMPLATES,
    });
    const method = given.method === undefined ? undefined : (await loadMethod(given.method)).method;
    if (method !== undefined && !learnsPrompts(method)) {
      throw new UserError(`The method of ${given.method} learns no prompt: leave --method out.`);
    }
    const classifier = await openClassifier(model, { prompt, classNames, templates, method, progress });
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
      const about = { name, sha256: model.sha256, activation: activationOf(model.config) };
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
    await close();
  }
}

/** What the JSON answer tells besides, where there is anything. */
function toldOf({ failed, turned, exif }: Pick<ReadImages, "failed" | "turned"> & { exif: boolean }) {
  return {
    ...(failed.length === 0 ? {} : { failed }),
    ...(turned.length === 0 ? {} : { exif: { applied: exif, images: turned } }),
  };
}
