/**
 * Writes what classifies as a file for other programs: one ONNX file from images to probabilities, a page around it, or the
 * text features alone.
 *
 * `deno task export runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1`
 */
import { activationOf } from "../src/clip/config.ts";
import type { ClipModel } from "../src/clip/model.ts";
import { spokenName } from "../src/clip/spoken_name.ts";
import { ENSEMBLE_TEMPLATES } from "../src/data/catalogue.ts";
import type { ClassSubset } from "../src/data/few_shot.ts";
import { UserError } from "../src/errors.ts";
import { formatJson } from "../src/eval/report_file.ts";
import { infoOf, writeFileAtomic } from "../src/files.ts";
import { templates } from "../src/methods/feature_settings.ts";
import { learnsPrompts, type Method } from "../src/methods/method.ts";
import { methodLabel } from "../src/methods/method_label.ts";
import { choice, text, toggle } from "../src/methods/setting.ts";
import { zeroShot } from "../src/methods/zero_shot.ts";
import type { ClassifierFunctions } from "../src/prompt/functions.ts";
import { whyNotOn } from "../src/run/config.ts";
import { onnxClassifier, preprocessing } from "../src/run/onnx_classifier.ts";
import type { Progress } from "../src/run/progress.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { templatesOf } from "../src/run/templates.ts";
import { KIT_VERSION } from "../src/version.ts";
import { classesSetting, readClassNames } from "./cli/class_list.ts";
import { requirePagePlace, writeClassifierPage } from "./cli/classifier_page.ts";
import { readFlags } from "./cli/flags.ts";
import { classesOfReport, openFeatureRun } from "./cli/feature_run.ts";
import { loadMethod } from "./cli/method_file.ts";
import { openClassifier, openModel, promptFile, readPrompt } from "./cli/own_classifier.ts";
import { requireRuntime } from "./cli/page_runtime.ts";
import { openProgress } from "./cli/progress.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { model, activation, threads } = RUN_SETTINGS;
const { quiet, debug, help } = TERMINAL_SETTINGS;
const OUTPUT = { section: "Output" } as const;
const SETTINGS = {
  classes: {
    ...classesSetting,
    placeholder: 'base|new|all|"NAME,…"',
    help: "classes of the run's reports, or class names with commas between, or a text file with a name a line",
    defaultWords: "those that the run learned from; all of its reports, where it learned from none",
  },
  method: text({
    section: "What runs",
    placeholder: "FILE",
    help: "the file of the run's method, where it is one of your own",
  }),
  templates,
  model,
  activation,
  threads,
  format: choice(["onnx", "json"], {
    ...OUTPUT,
    help: "onnx: a model from images to probabilities; json: the text features of the classes and the scale",
    default: "onnx",
  }),
  page: toggle({ ...OUTPUT, help: "a folder with a page that classifies images in a browser" }),
  out: text({
    ...OUTPUT,
    placeholder: "PATH",
    help: "the file, or with --page the folder, to write",
    defaultWords: "export.onnx, export.json or export in the run's folder",
  }),
  quiet,
  debug,
  help,
};
type Options = ReturnType<typeof readFlags<typeof SETTINGS>>["given"];

const program: Program = {
  title: "Writes a run, or words, as one ONNX file: images in, probabilities out; or a page around it.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: [
    "deno task export runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1",
    "deno task export runs/eurosat/cocoop/seed-notebook/sample/shots16/seed1 --classes new --page",
    'deno task export --classes "cat,dog" --model ViT-B/16 --format json --out runs/cats.json',
  ],
};

if (import.meta.main) await runProgram(program, main);

/** What is to be written down. */
interface Classifying {
  /** As people write the method. */
  label: string;
  model: ClipModel;
  classNames: readonly string[];
  functions: ClassifierFunctions;
  /** Where it comes from, by name. */
  provenance: Record<string, unknown>;
  close(): Promise<void>;
}

async function main(args: string[]): Promise<void> {
  const { words, given } = readFlags(args, SETTINGS, { words: true });
  const [run, ...more] = words;
  if (more.length > 0) throw new UserError(`Name one run: "${more[0]}" is a second one.`);
  const { format = "onnx", page = false } = given;
  if (format === "json" && page) throw new UserError("A page needs the model: leave --format json or --page out.");
  const out = given.out ?? await defaultPath(run, page ? "export" : `export.${format}`);
  await requirePlace(out, { page });
  const progress = openProgress({ quiet: given.quiet ?? false });
  const found = await open(run, { given, progress });
  try {
    const { model, classNames, label } = found;
    if (format === "json") {
      await writeFileAtomic(out, `${formatJson(textFeatures(found), "")}\n`);
    } else {
      const parts = onnxClassifier(model, found.functions, { label, metadata: metadataOf(found) });
      const mebibytes = Math.ceil(parts.reduce((sum, { length }) => sum + length, 0) / 2 ** 20);
      progress.say(`Writing ${mebibytes.toLocaleString("en-US")} MiB to ${out}.`);
      const { image: { size } } = model.config;
      if (page) {
        await writeClassifierPage(out, { parts, classNames, size, title: `${label}, ${classNames.length} classes` });
      } else await writeFileAtomic(out, parts);
    }
    console.log(`${out}: ${label}, ${classNames.length} classes.`);
    if (page) console.log(`Next, the page in a browser: deno task serve ${out}`);
  } finally {
    await found.close();
  }
}

/** Before anything is computed: nothing else may be in the place of what is written. */
async function requirePlace(out: string, { page }: { page: boolean }): Promise<void> {
  if (page) {
    await requirePagePlace(out);
    return await requireRuntime();
  }
  const info = await infoOf(out);
  if (info === undefined || info.isFile) return;
  // The file that is written takes the place of what has its name, of a device like /dev/null, too.
  throw new UserError(
    `${out} is ${info.isDirectory ? "a folder" : "a pipe or a device"}: give the name of a file with --out.`,
  );
}

async function defaultPath(run: string | undefined, name: string): Promise<string> {
  if (run === undefined) return `runs/${name}`;
  const folder = (await infoOf(run))?.isDirectory ? run.replace(/\/+$/, "") : run.replace(/\/?[^/]*$/, "") || ".";
  return `${folder}/${name}`;
}

async function open(
  run: string | undefined,
  at: { given: Options; progress: Progress },
): Promise<Classifying> {
  const { given } = at;
  if (run === undefined || await promptFile(run) !== undefined) return await openWordsOrPrompt(run, at);
  const own = (["templates", "model", "activation"] as const).find((name) => given[name] !== undefined);
  if (own !== undefined) throw new UserError(`The run has its own ${own}: leave --${own} out.`);
  return await openLearned(run, at);
}

/** Class names as typed; undefined where none were. */
async function namesOf(classes: string | undefined, run: string | undefined): Promise<string[] | undefined> {
  if (classes === undefined) return undefined;
  if (!isSubset(classes)) return await readClassNames(classes);
  if (run === undefined) throw new UserError(`--classes ${classes} are those of a run: name its folder.`);
  return await classesOfReport(run, classes);
}

function isSubset(classes: string | undefined): classes is ClassSubset {
  return ["base", "new", "all"].includes(classes ?? "");
}

async function openWordsOrPrompt(
  run: string | undefined,
  { given, progress }: { given: Options; progress: Progress },
): Promise<Classifying> {
  const prompt = run === undefined ? undefined : await readPrompt(run);
  if (prompt !== undefined && given.templates !== undefined) {
    throw new UserError(
      "--templates are for words, and the run has a learned prompt: leave --templates or the run out.",
    );
  }
  const classNames = await namesOf(given.classes, run) ?? prompt?.classesSeen;
  if (classNames === undefined) {
    throw new UserError('Name a run, or say what images may be: --classes "river,forest,sea".');
  }
  const method = given.method === undefined ? undefined : (await loadMethod(given.method)).method;
  if (method !== undefined && !learnsPrompts(method)) {
    throw new UserError(`The method of ${given.method} learns no prompt: leave --method out.`);
  }
  const { model, name, close } = await openModel({ ...given, engine: "onnx" }, { prompt, progress });
  try {
    const templates = templatesOf(given, { template: "a photo of a {}.", ensemble: ENSEMBLE_TEMPLATES });
    const classifier = await openClassifier(model, { prompt, classNames, templates, method, progress });
    const functions = await classifier.functions();
    const settings = Object.entries(prompt?.settings ?? {}).filter(([name]) => name !== "classes-seen");
    return {
      label: prompt === undefined ? zeroShot.label : methodLabel(prompt.method),
      model,
      classNames,
      functions,
      provenance: prompt === undefined
        ? { method: zeroShot.name, templates, model: name }
        : { ...Object.fromEntries(settings), "classes-seen": prompt.classesSeen },
      async close() {
        await classifier.dispose();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openLearned(
  run: string,
  { given: { classes, method: file, threads }, progress }: { given: Options; progress: Progress },
): Promise<Classifying> {
  const opened = await openFeatureRun(run, { method: file, threads, progress });
  const { method, inputs: { model, data }, identity, seen } = opened;
  try {
    const why = seen && isSubset(classes) && whyNotOn(method, { train: seen.subset, subset: classes });
    if (why) throw noClassifier(method, why);
    const classNames = await namesOf(classes, run) ?? seen?.classNames ?? await classesOfReport(run);
    const [here, there] = [classNames, seen?.classNames ?? []].map((names) => names.map(spokenName));
    const learnedFrom = here.join("\n") === there.join("\n");
    if (!learnedFrom && here.some((name) => there.includes(name))) {
      throw new UserError(
        `${method.label} tells apart the ${there.length} classes that it learned from, in their order: leave --classes ` +
          "out, or name others only.",
      );
    }
    const learned = await opened.learn();
    const classifier = await learned.classifier({ classNames: [...classNames], data, learnedFrom });
    if ("impossible" in classifier) throw noClassifier(method, classifier.impossible);
    return {
      label: method.label,
      model,
      classNames,
      functions: await classifier.functions(),
      provenance: { ...identity, ...learned.chosen, ...(seen && { "classes-seen": seen.classNames }) },
      async close() {
        await learned.dispose();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function noClassifier({ label }: Method, why: string): UserError {
  return new UserError(`${label} has no classifier of these classes: ${why}. Leave --classes out.`);
}

/** What the file says of itself. */
function metadataOf({ model, classNames, provenance }: Classifying): Record<string, string> {
  return {
    classes: JSON.stringify(classNames),
    preprocessing: preprocessing(model.config.image.size),
    provenance: JSON.stringify(withModel(model, provenance)),
    kit: KIT_VERSION,
  };
}

function withModel(model: ClipModel, provenance: Record<string, unknown>): Record<string, unknown> {
  return { ...provenance, "model-sha256": model.sha256, activation: activationOf(model.config) };
}

/** Text features, and how image features are compared with them. */
function textFeatures({ label, model, classNames, functions: { texts_CE, logits }, provenance }: Classifying) {
  if (texts_CE === undefined) {
    const instead = logits === undefined ? "" : ": export the whole with --format onnx";
    throw new UserError(`${label} is more than text features beside frozen CLIP's image features${instead}.`);
  }
  const E = model.config.embedding;
  return {
    classNames,
    logitScale: model.logitScale,
    textFeatures: classNames.map((_, c) => rounded(texts_CE.data.subarray(c * E, (c + 1) * E))),
    imageSize: model.config.image.size,
    provenance: withModel(model, provenance),
    kit: KIT_VERSION,
  };
}

/** Nine digits hold every float32. */
function rounded(values: Float32Array): number[] {
  return Array.from(values, (value) => Number(value.toPrecision(9)));
}
