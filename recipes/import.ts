/**
 * Imports prompts that were trained with the published PyTorch code: each becomes a run folder of this kit, to be evaluated
 * and used like one that was trained here. What neither file nor folders tell is asked for, or left out of its reports.
 *
 * `deno task import output/…/seed1/prompt_learner/model.pth.tar-50 --model ViT-B/16 --dataset eurosat`
 */
import { basename } from "node:path";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { type ClipWeights, loadWeights } from "../src/clip/weights/load.ts";
import { SAMPLE_MODEL_SHA256 } from "../src/clip/weights/known.ts";
import { describeDataset } from "../src/data/catalogue.ts";
import { openDataset } from "../src/data/dataset.ts";
import type { DatasetDescription } from "../src/data/description.ts";
import { chooseClasses } from "../src/data/few_shot.ts";
import { STORED_SOURCE } from "../src/data/sample_features.ts";
import { UserError, visible } from "../src/errors.ts";
import { sha256Hex } from "../src/files.ts";
import type { PromptLearning } from "../src/methods/method.ts";
import { promptSettings } from "../src/methods/prompt_settings.ts";
import { flagName, requireLine, text } from "../src/methods/setting.ts";
import { tcp } from "../src/methods/tcp.ts";
import { type PublishedPrompt, readPublishedPrompt } from "../src/published/checkpoint.ts";
import {
  type PromptWords,
  recoverClassNames,
  requireClassNames,
  requireModel,
  type TokenTable,
} from "../src/published/class_names.ts";
import { findCheckpoint } from "../src/published/find.ts";
import { fittingParameters } from "../src/published/fit.ts";
import { factsOf, type FolderFacts } from "../src/published/folder_names.ts";
import { requireFrozen, roundingsOf } from "../src/published/frozen_towers.ts";
import { methodOf, TRAINER_NAMES } from "../src/published/trainer.ts";
import type { Given } from "../src/run/config.ts";
import { configYaml } from "../src/run/config_yaml.ts";
import { openRunFolder } from "../src/run/folder.ts";
import { type ImportedConfig, importedConfig } from "../src/run/imported.ts";
import { backbonePart, weightsFile } from "../src/run/inputs.ts";
import { runPath } from "../src/run/path.ts";
import { learnedNumbers } from "../src/run/prompt_learner.ts";
import { DEFAULT_SHOTS, RUN_SETTINGS } from "../src/run/settings.ts";
import { KIT_VERSION } from "../src/version.ts";
import { classesSetting, readClassNames } from "./cli/class_list.ts";
import { isDescription, namedDataset } from "./cli/dataset_file.ts";
import { readFlags } from "./cli/flags.ts";
import { shellLine } from "./cli/jobs.ts";
import { variantFlags } from "./cli/next_step.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { train, preset, shots, seeds, model, data, dataset, split, out, fresh } = RUN_SETTINGS;
const { debug, help } = TERMINAL_SETTINGS;
const { classTokenPosition } = promptSettings;
const TOLD = "what the folders say";
const SETTINGS = {
  method: text({
    section: "What runs",
    placeholder: "NAME",
    help: "the method that trained it, such as kgcoop or promptsrc",
    defaultWords: TOLD,
  }),
  classes: { ...classesSetting, defaultWords: "those whose tokens the file holds" },
  train: { ...train, help: "the classes that it was trained on", defaultWords: TOLD },
  preset: {
    ...preset,
    help: "published configuration that it was trained by; the --help of its method's task lists them",
    defaultWords: "the one whose configuration file the folders name, or the nearest",
  },
  shots: { ...shots, default: undefined, defaultWords: TOLD },
  seeds: {
    ...seeds,
    placeholder: "N",
    help: "the seed that it was trained with",
    default: undefined,
    defaultWords: TOLD,
  },
  model: { ...model, defaultWords: undefined },
  data: { ...data, defaultWords: undefined },
  dataset: { ...dataset, defaultWords: TOLD },
  split,
  classTokenPosition,
  classBlock: {
    ...tcp.settings.classBlock,
    help: "text block, from 0, before which TCP's tokens of the classes come in",
    default: undefined,
    defaultWords: "that of its code, 8",
  },
  out,
  fresh,
  debug,
  help,
};

const program: Program = {
  title:
    "Imports prompts of the published code of CoOp, CoCoOp, KgCoOp, ProGrad, TCP, IVLP, MaPLe, PromptSRC and ProMetaR, " +
    "and of DePT over the first three: …/model.pth.tar-N becomes a run folder. Name checkpoints, or the folders that they lie in. " +
    "Method, data set, shots, seed and place of the class name are read off the published folder names; " +
    "what these do not tell is asked for.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: [
    "deno task import output/base2new/train_base/eurosat/shots_16/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1/seed1 --model ViT-B/16",
    "deno task import output/base2new/train_base/dtd/shots_16/MaPLe/vit_b16_c2_ep5_batch4_2ctx/seed1 --model ViT-B/16",
    "deno task import model.pth.tar-50 --model ViT-B/16 --method kgcoop --dataset eurosat --train all --shots 16 --seed 1",
  ],
};

if (import.meta.main) await runProgram(program, main);

/** A model's embeddings, and the file that they are of. */
interface Model {
  weights: ClipWeights;
  name: string;
  table: TokenTable;
}

/** What is known of a prompt before its names are. */
interface Provenance {
  method: PromptLearning;
  facts: FolderFacts;
  given: Given;
  dataset: Pick<DatasetDescription, "name" | "template">;
}

async function main(args: string[]): Promise<void> {
  const { words, given: { classes, method, debug: _debug, help: _help, ...given } } = readFlags(args, SETTINGS, {
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
  words.forEach((word) => requireLine(word, "The path of the checkpoint"));
  for (const word of words) await importPrompt(await findCheckpoint(word), { given, method, classNames, model });
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
  options: { given: Given; method?: string; classNames?: string[]; model: Model },
): Promise<void> {
  const { model } = options;
  const read = readPublishedPrompt(path);
  const provenance = await provenanceOf(read, options);
  const { method, given, dataset: { name: dataset, template } } = provenance;
  const prompt = { ...read, roundings: roundingsOf(method.name, read.epoch) };
  requireFrozen(prompt, model);
  requireModel(prompt, model.table);
  const words = await wordsOf(prompt, { ...options, ...provenance });
  const imported = importedConfig(prompt, { ...provenance, words, path, layers: model.weights.config });
  const { config } = imported;
  const { classNames } = words;
  const { weights: { config: sizes, sha256 }, table } = model;
  const params = await fittingParameters(prompt, { method, values: config.values, classNames, table, config: sizes });
  const [seed] = config.seeds;
  const onImages = given.data !== undefined || method.needsImages?.(config.values) === true;
  const backbone = backbonePart({ name: model.name, sample: model.name === "sample" }, {
    source: onImages ? "images" : STORED_SOURCE,
  });
  const folder = await openRunFolder(await runPath(config, { dataset, backbone, seed }));
  try {
    if (given.fresh) await folder.clear();
    else if (await folder.checkpoint() !== undefined) {
      throw new UserError(
        `${folder.path} holds a prompt already: replace it with --fresh, or give another folder with --out.`,
      );
    }
    const state = { step: 0, losses: [], params, velocity: {}, order: [] };
    const header = `Imported from ${basename(path)}; what it does not tell is the preset's.`;
    await folder.write("config.yaml", configYaml(config, { header, seed }));
    await folder.saveCheckpoint(state, {
      finalEpoch: prompt.epoch,
      metadata: {
        method: method.name,
        model: model.name,
        "model-sha256": sha256,
        dataset,
        "trained-on": config.train!,
        shots: String(config.shots),
        seed: String(seed),
        ...(method.readsTemplate ? { template } : {}),
        ...imported.metadata,
        "classes-seen": JSON.stringify(classNames),
        "imported-from": basename(path),
        "imported-sha256": await sha256Hex(path),
        kit: KIT_VERSION,
      },
    });
    tell({ ...prompt, params }, { imported, folder: folder.path, classNames, model, dataset });
  } finally {
    folder.close();
  }
}

/** What flags and folders tell of a prompt; asks for what they do not. */
async function provenanceOf(
  prompt: PublishedPrompt,
  options: { given: Given; method?: string },
): Promise<Provenance> {
  const { path } = prompt.file;
  const facts = factsOf(path, TRAINER_NAMES);
  const method = methodOf(prompt, { folder: facts.trainer, asked: options.method });
  const { dataset, train, shots, seeds } = facts;
  const flags = Object.entries(options.given).filter(([, value]) => value !== undefined);
  const given: Given = { dataset, train, shots, seeds, ...Object.fromEntries(flags) };
  const asked: [unknown, string, string][] = [
    [given.dataset ?? given.data, "data set", "--dataset eurosat"],
    [given.shots, "shots", "--shots 16"],
    [given.seeds, "seed", "--seed 1"],
    [given.train, "classes (base or all)", "--train base"],
  ];
  const missing = asked.filter(([value]) => value === undefined);
  if (missing.length > 0) {
    const what = missing.map(([, words]) => words).join(", ");
    throw new UserError(
      `The path of ${path} does not tell its ${what}: say what it was trained with, as in ` +
        `${missing.map(([, , flag]) => flag).join(" ")}.`,
    );
  }
  return { method, facts, given, dataset: await datasetOf(given) };
}

async function datasetOf({ dataset, data, split }: Given): Promise<Provenance["dataset"]> {
  const named = await namedDataset(dataset);
  if (named !== undefined) return describeDataset(named);
  const opened = await openDataset({ data: data!, split });
  await opened.images.close();
  return opened;
}

async function wordsOf(
  prompt: PublishedPrompt,
  { given, dataset: { name, template }, classNames, model: { table } }: Provenance & {
    classNames?: string[];
    model: Model;
  },
): Promise<PromptWords> {
  let names = classNames;
  if (names === undefined && given.data !== undefined) {
    const { data, split } = given;
    const opened = await openDataset({ data, split, dataset: await namedDataset(given.dataset) });
    await opened.images.close();
    names = chooseClasses(opened.split, given.train!).classNames;
  }
  const text = prompt.layout.text?.({ template, dataset: name }) ?? "{}.";
  const words = names === undefined
    ? recoverClassNames(prompt, { table, text })
    : requireClassNames(prompt, { classNames: names, table, text });
  if (words !== undefined) return words;
  throw new UserError(
    `${prompt.file.path} does not hold the tokens of its class names: name them with --classes, or give the data with ` +
      "--data.",
  );
}

function tell(
  prompt: PublishedPrompt,
  at: { imported: ImportedConfig; folder: string; classNames: string[]; model: Model; dataset: string },
): void {
  const { imported: { config, unknown }, folder, classNames, model, dataset } = at;
  const { method, values, run, shots, seeds: [seed] } = config;
  const numbers = learnedNumbers(prompt).toLocaleString("en-US");
  console.log(`${method.label}, ${numbers} learned numbers, ${prompt.epoch} epochs → ${folder}`);
  console.log(visible(`  trained on ${classNames.length} classes: ${classNames.join(", ")}`));
  const lambda = values.lambda === undefined || unknown.includes("lambda") ? "" : `, lambda ${values.lambda}`;
  console.log(`  ${dataset}, ${config.train} classes, ${shots} shots, seed ${seed}${lambda}`);
  if (prompt.layout.wordsStay && prompt.frozen.length === 0) {
    console.log(`  it holds no CLIP, so that its image tower is that of ${model.name} is not checked`);
  }
  if (unknown.includes("classTokenPosition")) {
    console.log(
      "  nothing tells where the class name stands, so it is taken to be last: --class-token-position says otherwise",
    );
  }
  if (unknown.length > 0) console.log(`  not known, and in no report: ${unknown.map(flagName).join(", ")}`);
  const changed = config.changed
    .flatMap((name) => values[name] === true ? [`--${flagName(name)}`] : [`--${flagName(name)}`, String(values[name])]);
  // What was trained on base classes is looked for without saying so.
  const protocol = config.train === "base"
    ? ["--eval", "base,new"]
    : ["--train", config.train!, "--eval", config.train!];
  const flags = [
    ...variantFlags(config),
    ...protocol,
    "--preset",
    config.preset!,
    ...changed,
    ...shots === DEFAULT_SHOTS ? [] : ["--shots", String(shots)],
    "--seed",
    String(seed),
    ...run.out === "runs" ? [] : ["--out", run.out],
    ...model.name === "sample" ? [] : ["--model", run.model!, "--data", run.data ?? "DIR_OR_ZIP"],
    ...isDescription(run.dataset) ? ["--dataset", run.dataset] : [],
  ];
  console.log(`  evaluate: ${shellLine(["deno", "task", config.asked.name, ...flags])}`);
  console.log(`  use: deno task classify --prompt ${shellLine([folder])} --classes "…" IMAGE …`);
}
