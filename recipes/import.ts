/**
 * Takes over prompts that were trained with the published PyTorch code of CoOp and CoCoOp: each becomes a run folder of
 * this kit, to be evaluated and used like one that was trained here.
 *
 * `deno task import output/…/seed1/prompt_learner/model.pth.tar-50 --model ViT-B/16 --dataset eurosat`
 */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { type ClipWeights, loadWeights } from "../src/clip/weights/load.ts";
import { describeDataset } from "../src/data/catalogue.ts";
import { openDataset } from "../src/data/dataset.ts";
import { chooseClasses, type ClassSubset } from "../src/data/few_shot.ts";
import { findModel } from "../src/data/models.ts";
import { SAMPLE_MODEL_SHA256 } from "../src/data/sample_features.ts";
import { UserError } from "../src/errors.ts";
import { fileError, sha256Hex } from "../src/files.ts";
import { PRESETS } from "../src/train/presets.ts";
import { type PublishedPrompt, readPublishedPrompt } from "../src/published/checkpoint.ts";
import { recoverClassNames, requireClassNames, requireModel, type TokenTable } from "../src/published/class_names.ts";
import { KIT_VERSION } from "../src/version.ts";
import { recipe as cocoopRecipe } from "./cocoop.ts";
import { recipe as coopRecipe } from "./coop.ts";
import { configYaml, type PromptConfig, resolveConfig } from "./cli/config.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { readFlags } from "./cli/flags.ts";
import { factsOf, type FolderFacts } from "../src/published/folder_names.ts";
import { type RecipeInfo, runRecipe } from "./cli/recipe.ts";
import { openRunFolder } from "../src/run/folder.ts";
import { pathPart, runPath } from "../src/run/path.ts";
import { flagName, type GivenSettings, type SettingName } from "./cli/settings.ts";
import { readClassNames, splitWords } from "./cli/words.ts";

const OWN = { classes: '"NAME,NAME,…"' };

const SETTINGS: readonly SettingName[] = [
  "train",
  "preset",
  "shots",
  "seeds",
  "model",
  "data",
  "dataset",
  "split",
  "classTokenPosition",
  "out",
  "fresh",
  "debug",
  "help",
];

const recipe: RecipeInfo = {
  method: "import",
  title:
    "Takes over prompts of the published CoOp and CoCoOp code: prompt_learner/model.pth.tar-N becomes a run folder.\n\n" +
    `  FILE …                   checkpoints, or the folders that they lie in\n` +
    `  --classes ${OWN.classes}  the classes that it was trained with [those whose tokens the file holds]\n\n` +
    "Data set, shots, seed and place of the class name are read off the published folder names when they are not given.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: [
    "deno task import output/base2new/train_base/eurosat/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed1 --model ViT-B/16",
    "deno task import model.pth.tar-50 --model ViT-B/16 --dataset eurosat --train all --seed 1",
  ],
};

if (import.meta.main) await runRecipe(recipe, main);

/** A model's embeddings, and the file that they are of. */
interface Model {
  weights: ClipWeights;
  name: string;
  table: TokenTable;
}

async function main(args: string[]): Promise<void> {
  const { words, own, flags } = splitWords(args, { own: OWN, settings: SETTINGS });
  const given = readFlags(flags, SETTINGS);
  if (words.length === 0) {
    throw new UserError("Name a checkpoint: deno task import FILE, such as prompt_learner/model.pth.tar-50.");
  }
  if (words.length > 1 && given.seeds !== undefined) {
    throw new UserError("--seed goes with one checkpoint: give the others one after the other.");
  }
  const classNames = own.classes === undefined ? undefined : await readClassNames(own.classes);
  const model = await openModel(given.model);
  for (const word of words) await importPrompt(await checkpointIn(word), { given, classNames, model });
}

async function openModel(name: string | undefined): Promise<Model> {
  if (name === undefined) {
    throw new UserError(
      "Name the model that the prompt was trained with: --model ViT-B/16, or the path of its weights.",
    );
  }
  const found = name === "sample" ? sampleModel() : await findModel(name);
  const [weights, tokenizer] = await Promise.all([loadWeights(found.path), loadTokenizer()]);
  const { data, shape: [, D] } = weights.tensor("token_embedding.weight");
  const shown = weights.sha256 === SAMPLE_MODEL_SHA256 ? "sample" : found.name;
  return {
    weights,
    name: shown,
    table: { tokenizer, width: D, name: shown, embedding: (id) => data.subarray(id * D, (id + 1) * D) },
  };
}

function sampleModel(): { path: string; name: string } {
  return { path: fileURLToPath(new URL("../data/sample/model.safetensors", import.meta.url)), name: "sample" };
}

async function importPrompt(
  path: string,
  options: { given: GivenSettings; classNames?: string[]; model: Model },
): Promise<void> {
  const { model } = options;
  const prompt = readPublishedPrompt(path);
  requireModel(prompt, model.table);
  if (
    prompt.method === "cocoop" && prompt.params["meta_net.linear1.weight"].shape[1] !== model.weights.config.embedding
  ) {
    throw new UserError(
      `The meta-net of ${path} is for other image features than those of ${model.name}: check --model.`,
    );
  }
  const facts = factsOf(path);
  const given = { ...options.given, ...missing(options.given, facts) };
  const dataset = await datasetName(given, path);
  const train = given.train ?? "base";
  const classNames = await classNamesOf(prompt, { ...options, given, train, path });
  const config = configOf(prompt, { ...given, train });
  const [seed] = config.seeds;
  const folder = await openRunFolder(
    runPath(config, {
      method: prompt.method,
      dataset: pathPart(dataset.toLowerCase()),
      backbone: pathPart(model.name),
      seed,
    }),
  );
  try {
    if (given.fresh) await folder.clear();
    else if (await folder.checkpoint() !== undefined) {
      throw new UserError(
        `${folder.path} holds a prompt already: replace it with --fresh, or give another folder with --out.`,
      );
    }
    const state = { step: 0, losses: [], params: prompt.params, velocity: {}, order: [] };
    const header = [`Taken over from ${basename(path)}; what it does not tell is the preset's.`];
    const { settings: names } = prompt.method === "cocoop" ? cocoopRecipe : coopRecipe;
    await folder.write("config.yaml", configYaml(config, { header, seed, names }));
    await folder.saveCheckpoint(state, {
      finalEpoch: config.epochs,
      metadata: {
        method: prompt.method,
        model: model.name,
        "model-sha256": model.weights.sha256,
        dataset,
        "trained-on": train,
        shots: String(config.shots),
        seed: String(seed),
        epochs: String(prompt.epoch),
        "class-token-position": config.classTokenPosition,
        "class-specific": String(config.classSpecific),
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

/** What is not given on the command line and stands in the names of the published folders. */
function missing(given: GivenSettings, facts: FolderFacts): GivenSettings {
  return Object.fromEntries(
    Object.entries(facts).filter(([name, value]) => value !== undefined && given[name as SettingName] === undefined),
  );
}

async function datasetName(given: GivenSettings, path: string): Promise<string> {
  const named = await namedDataset(given.dataset);
  if (named !== undefined) return describeDataset(named).name;
  if (given.data !== undefined) {
    const dataset = await openDataset({ data: given.data, split: given.split });
    await dataset.images.close();
    return dataset.name;
  }
  throw new UserError(`The path of ${path} does not tell the data set: name it with --dataset eurosat.`);
}

async function classNamesOf(
  prompt: PublishedPrompt,
  options: { given: GivenSettings; classNames?: string[]; model: Model; train: ClassSubset; path: string },
): Promise<string[]> {
  const { given, model: { table }, train } = options;
  let names = options.classNames;
  if (names === undefined && given.data !== undefined) {
    const { data, split } = given;
    const opened = await openDataset({ data, split, dataset: await namedDataset(given.dataset) });
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
function configOf(prompt: PublishedPrompt, given: GivenSettings): PromptConfig {
  const { method, epoch } = prompt;
  const { shape } = prompt.params.ctx;
  const M = shape[shape.length - 2];
  const shots = given.shots ?? 16;
  const published = Object.entries(PRESETS).filter(([, { methods }]) => Object.hasOwn(methods, method))
    .map(([name, { methods }]) => ({ name, hyper: methods[method](shots) }));
  const score = ({ epochs, contextTokens }: { epochs: number; contextTokens: number }) =>
    Number(epochs === epoch) + Number(contextTokens === M);
  const fitting = published.toSorted((a, b) => score(b.hyper) - score(a.hyper))[0];
  const preset = given.preset ?? fitting.name;
  const hyper = published.find(({ name }) => name === preset)?.hyper;
  const isClassSpecific = shape.length === 3;
  return resolveConfig({
    ...given,
    preset,
    epochs: epoch,
    ...hyper?.contextTokens === M ? {} : { contextTokens: M },
    ...method === "cocoop" ? {} : { classSpecific: isClassSpecific },
  }, method);
}

function tell(
  prompt: PublishedPrompt,
  options: { config: PromptConfig; folder: string; classNames: string[]; model: Model },
): void {
  const { config, folder, classNames, model } = options;
  const numbers = Object.values(prompt.params).reduce((sum, { data }) => sum + data.length, 0);
  console.log(
    `${prompt.method}, ${numbers.toLocaleString("en-US")} learned numbers, ${prompt.epoch} epochs → ${folder}`,
  );
  console.log(`  trained on ${classNames.length} classes: ${classNames.join(", ")}`);
  const changed = config.changed
    .map((name) => config[name] === true ? `--${flagName(name)}` : `--${flagName(name)} ${config[name]}`).join(" ");
  // What was trained on base classes is looked for without saying so.
  const protocol = config.train === "base" ? "--eval base,new" : `--train ${config.train} --eval ${config.train}`;
  const flags = [
    `--preset ${config.preset}`,
    changed,
    config.shots === 16 ? "" : `--shots ${config.shots}`,
    `--seed ${config.seeds[0]}`,
    config.out === "runs" ? "" : `--out ${config.out}`,
    model.name === "sample" ? "" : `--model ${config.model} --data ${config.data ?? "DIR_OR_ZIP"}`,
  ].filter((flag) => flag !== "").join(" ");
  console.log(`  evaluate: deno task ${prompt.method} ${protocol} ${flags}`);
  console.log(`  use: deno task classify --prompt ${folder} --classes "…" IMAGE …`);
}

/** A checkpoint's file: as named, or the latest one in a folder as the published code leaves it. */
async function checkpointIn(path: string): Promise<string> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return path;
    for (const folder of [join(path, "prompt_learner"), path]) {
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
