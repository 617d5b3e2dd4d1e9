/**
 * Imports prompts that were trained with the published PyTorch code of CoOp, CoCoOp and DePT: each becomes a run folder of
 * this kit, to be evaluated and used like one that was trained here.
 *
 * `deno task import output/…/seed1/prompt_learner/model.pth.tar-50 --model ViT-B/16 --dataset eurosat`
 */
import { basename, join } from "node:path";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { type ClipWeights, loadWeights } from "../src/clip/weights/load.ts";
import { describeDataset } from "../src/data/catalogue.ts";
import { openDataset } from "../src/data/dataset.ts";
import { chooseClasses, type ClassSubset } from "../src/data/few_shot.ts";
import { SAMPLE_MODEL_SHA256 } from "../src/data/sample_features.ts";
import { UserError, visible } from "../src/errors.ts";
import { fileError, sha256Hex } from "../src/files.ts";
import { cocoop } from "../src/methods/cocoop.ts";
import { coop } from "../src/methods/coop.ts";
import { kgcoop } from "../src/methods/kgcoop.ts";
import { type Method, publishedValues } from "../src/methods/method.ts";
import { type PromptSettings, promptSettings } from "../src/methods/prompt_settings.ts";
import { flagName } from "../src/methods/setting.ts";
import { type PublishedPrompt, readPublishedPrompt } from "../src/published/checkpoint.ts";
import { recoverClassNames, requireClassNames, requireModel, type TokenTable } from "../src/published/class_names.ts";
import { factsOf } from "../src/published/folder_names.ts";
import { completeSettings, type Given, type RunConfig } from "../src/run/config.ts";
import { configYaml } from "../src/run/config_yaml.ts";
import { openRunFolder } from "../src/run/folder.ts";
import { weightsFile } from "../src/run/inputs.ts";
import { pathPart, runPath } from "../src/run/path.ts";
import { DEFAULT_SHOTS, RUN_SETTINGS } from "../src/run/settings.ts";
import { KIT_VERSION } from "../src/version.ts";
import { classesSetting, readClassNames } from "./cli/class_list.ts";
import { readFlags } from "./cli/flags.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { train, preset, shots, seeds, model, data, dataset, split, out, fresh } = RUN_SETTINGS;
const { debug, help } = TERMINAL_SETTINGS;
const { classTokenPosition } = promptSettings;
const SETTINGS = {
  classes: { ...classesSetting, defaultWords: "those whose tokens the file holds" },
  train,
  preset,
  shots,
  seeds,
  model: { ...model, defaultWords: undefined },
  data,
  dataset,
  split,
  classTokenPosition,
  out,
  fresh,
  debug,
  help,
};

const program: Program = {
  title:
    "Imports prompts of the published CoOp, CoCoOp and DePT code: prompt_learner/model.pth.tar-N becomes a run folder. " +
    "Name checkpoints, or the folders that they lie in. " +
    "Data set, shots, seed and place of the class name are read off the published folder names when they are not given.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: [
    "deno task import output/base2new/train_base/eurosat/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed1 --model ViT-B/16",
    "deno task import model.pth.tar-50 --model ViT-B/16 --dataset eurosat --train all --seed 1",
  ],
};

if (import.meta.main) await runProgram(program, main);

/** A model's embeddings, and the file that they are of. */
interface Model {
  weights: ClipWeights;
  name: string;
  table: TokenTable;
}

async function main(args: string[]): Promise<void> {
  const { words, given: { classes, debug: _debug, help: _help, ...given } } = readFlags(args, SETTINGS, {
    words: true,
  });
  if (words.length === 0) {
    throw new UserError("Name a checkpoint: deno task import FILE, such as prompt_learner/model.pth.tar-50.");
  }
  if (words.length > 1 && given.seeds !== undefined) {
    throw new UserError("--seed goes with one checkpoint: give the others one after the other.");
  }
  const classNames = classes === undefined ? undefined : await readClassNames(classes);
  const model = await openModel(given.model);
  for (const word of words) await importPrompt(await checkpointIn(word), { given, classNames, model });
}

async function openModel(name: string | undefined): Promise<Model> {
  if (name === undefined) {
    throw new UserError(
      "Name the model that the prompt was trained with: --model ViT-B/16, or the path of its weights.",
    );
  }
  const found = await weightsFile(name);
  const [weights, tokenizer] = await Promise.all([loadWeights(found.path), loadTokenizer()]);
  const { data, shape: [, D] } = weights.tensor("token_embedding.weight");
  const shown = weights.sha256 === SAMPLE_MODEL_SHA256 ? "sample" : found.name;
  return {
    weights,
    name: shown,
    table: { tokenizer, width: D, name: shown, embedding: (id) => data.subarray(id * D, (id + 1) * D) },
  };
}

async function importPrompt(
  path: string,
  options: { given: Given; classNames?: string[]; model: Model },
): Promise<void> {
  const { model } = options;
  const prompt = readPublishedPrompt(path);
  requireModel(prompt, model.table);
  const [width = model.weights.config.embedding] = ["meta_net.linear1.weight", "linear_probe_proj.weight"]
    .filter((name) => name in prompt.params).map((name) => prompt.params[name].shape[1]);
  if (width !== model.weights.config.embedding) {
    throw new UserError(
      `The ${
        prompt.method === "cocoop" ? "meta-net" : "head"
      } of ${path} is for other image features than those of ${model.name}: check --model.`,
    );
  }
  // What is not given on the command line and stands in the names of the published folders.
  const facts = Object.entries(factsOf(path)).filter(([, value]) => value !== undefined);
  const given: Given = { ...Object.fromEntries(facts), ...options.given };
  const dataset = await datasetName(given, path);
  const train = given.train ?? "base";
  const classNames = await classNamesOf(prompt, { ...options, given, train, path });
  const config = configOf(prompt, { ...given, train });
  const [seed] = config.seeds;
  const folder = await openRunFolder(await runPath(config, { dataset, backbone: pathPart(model.name), seed }));
  try {
    if (given.fresh) await folder.clear();
    else if (await folder.checkpoint() !== undefined) {
      throw new UserError(
        `${folder.path} holds a prompt already: replace it with --fresh, or give another folder with --out.`,
      );
    }
    const state = { step: 0, losses: [], params: prompt.params, velocity: {}, order: [] };
    const header = `Imported from ${basename(path)}; what it does not tell is the preset's.`;
    await folder.write("config.yaml", configYaml(config, { header, seed }));
    await folder.saveCheckpoint(state, {
      finalEpoch: prompt.epoch,
      metadata: {
        method: config.method.name,
        model: model.name,
        "model-sha256": model.weights.sha256,
        dataset,
        "trained-on": train,
        shots: String(config.shots),
        seed: String(seed),
        ...Object.fromEntries(Object.entries(config.values).map(([name, value]) => [flagName(name), String(value)])),
        "classes-seen": JSON.stringify(classNames),
        "imported-from": basename(path),
        "imported-sha256": await sha256Hex(path),
        kit: KIT_VERSION,
      },
    });
    tell(prompt, { config, folder: folder.path, classNames, model });
  } finally {
    folder.close();
  }
}

async function datasetName(given: Given, path: string): Promise<string> {
  if (given.dataset !== undefined) return (await describeDataset(given.dataset)).name;
  if (given.data !== undefined) {
    const dataset = await openDataset({ data: given.data, split: given.split });
    await dataset.images.close();
    return dataset.name;
  }
  throw new UserError(`The path of ${path} does not tell the data set: name it with --dataset eurosat.`);
}

async function classNamesOf(
  prompt: PublishedPrompt,
  options: { given: Given; classNames?: string[]; model: Model; train: ClassSubset; path: string },
): Promise<string[]> {
  const { given, model: { table }, train } = options;
  let names = options.classNames;
  if (names === undefined && given.data !== undefined) {
    const { data, split, dataset } = given;
    const opened = await openDataset({ data, split, dataset });
    await opened.images.close();
    names = chooseClasses(opened.split, train).classNames;
  }
  names ??= recoverClassNames(prompt, table);
  if (names === undefined) {
    throw new UserError(
      `${options.path} does not hold the tokens of its class names: name them with --classes, or give the data with --data.`,
    );
  }
  requireClassNames(prompt, { classNames: names, table });
  return names;
}

/** The configuration whose run folder the prompt goes into: the given preset, or the published one that fits best. */
function configOf(prompt: PublishedPrompt, given: Given): RunConfig {
  const asked = { coop, cocoop, kgcoop }[prompt.method] as unknown as Method;
  const { method } = completeSettings(asked, { head: prompt.head });
  const { epoch, params: { ctx: { shape } } } = prompt;
  const M = shape[shape.length - 2];
  const valuesOf = (preset: string) => publishedValues(method, preset, given.shots ?? DEFAULT_SHOTS) as PromptSettings;
  const score = (preset: string) => {
    const { epochs, contextTokens } = valuesOf(preset);
    return Number(epochs === epoch) + Number(contextTokens === M);
  };
  const preset = given.preset ?? Object.keys(method.presets).toSorted((a, b) => score(b) - score(a))[0];
  const isKnown = preset in method.presets;
  return completeSettings(asked, {
    ...given,
    head: prompt.head,
    preset,
    epochs: epoch,
    ...isKnown && valuesOf(preset).contextTokens === M ? {} : { contextTokens: M },
    ...prompt.method === "cocoop" ? {} : { classSpecific: shape.length === 3 },
  });
}

function tell(
  prompt: PublishedPrompt,
  options: { config: RunConfig; folder: string; classNames: string[]; model: Model },
): void {
  const { config, folder, classNames, model } = options;
  const numbers = Object.values(prompt.params).reduce((sum, { data }) => sum + data.length, 0);
  console.log(
    `${config.method.name}, ${numbers.toLocaleString("en-US")} learned numbers, ${prompt.epoch} epochs → ${folder}`,
  );
  console.log(visible(`  trained on ${classNames.length} classes: ${classNames.join(", ")}`));
  const { values, run, shots } = config;
  const changed = config.changed
    .map((name) => values[name] === true ? `--${flagName(name)}` : `--${flagName(name)} ${values[name]}`).join(" ");
  // What was trained on base classes is looked for without saying so.
  const protocol = config.train === "base" ? "--eval base,new" : `--train ${config.train} --eval ${config.train}`;
  const flags = [
    prompt.head === "none" ? "" : `--head ${prompt.head}`,
    `--preset ${config.preset}`,
    changed,
    shots === DEFAULT_SHOTS ? "" : `--shots ${shots}`,
    `--seed ${config.seeds[0]}`,
    run.out === "runs" ? "" : `--out ${run.out}`,
    model.name === "sample" ? "" : `--model ${run.model} --data ${run.data ?? "DIR_OR_ZIP"}`,
  ].filter((flag) => flag !== "").join(" ");
  console.log(`  evaluate: deno task ${prompt.method} ${protocol} ${flags}`);
  console.log(`  use: deno task classify --prompt ${folder} --classes "…" IMAGE …`);
}

/** A checkpoint's file: as named, or the latest one in a folder as the published code leaves it. */
async function checkpointIn(path: string): Promise<string> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return path;
    for (const folder of [join(path, "prompt_learner"), join(path, "PromptLearner"), path]) {
      const latest = await textOf(join(folder, "checkpoint"));
      if (latest !== undefined) return join(folder, basename(latest.trim()));
    }
  } catch (error) {
    throw fileError(error, path, "read", "the checkpoint");
  }
  throw new UserError(
    `The folder ${path} has no file "checkpoint" that names one: name the file model.pth.tar-N itself.`,
  );
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
