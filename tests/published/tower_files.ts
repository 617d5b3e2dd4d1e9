/**
 * Checkpoints as MaPLe's, IVLP's, PromptSRC's and ProMetaR's code leaves them, of the cases in the reference material: what
 * `tests/fixtures/published/towers.py` makes with PyTorch, without PyTorch.
 */
import { dirname } from "node:path";
import { type ArchiveTensor, type Pickled, stateDictionary, writeTorchArchive } from "../../bench/torch_archive.ts";
import { type ClipWeights, loadWeights } from "../../src/clip/weights/load.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { spokenName } from "../../src/clip/spoken_name.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import type { DeepCase } from "../../src/parity/deep.ts";
import { openFixtures } from "../../src/parity/fixtures.ts";
import { sharedPath } from "../shared.ts";
import { ROOT } from "../tasks.ts";

/** The published numbers. */
export const FIXTURES = openFixtures(sharedPath("reference"));

/** The folders of trainers, and of the model that they save. */
export const TRAINERS: Readonly<Record<string, [string, string]>> = {
  maple: ["MaPLe", "MultiModalPromptLearner"],
  ivlp: ["IVLP", "VLPromptLearner"],
  promptsrc: ["PromptSRC", "VLPromptLearner"],
  prometar: ["ProMetaR", "VLPromptLearner"],
};

/** The weights of a case's model. */
export const modelPath = (model: string) =>
  model === "sample" ? `${ROOT}data/sample/model.safetensors` : sharedPath(`reference/${model}_openai.safetensors`);

/** A case of `deep_METHOD.json`. */
export async function caseOf(method: string, name: string): Promise<DeepCase & { epochs: number }> {
  const { cases } = await FIXTURES.json(`deep_${method}.json`) as {
    cases: Record<string, DeepCase & { epochs: number }>;
  };
  return cases[name];
}

/** A tensor as the file holds it. */
export function inFile({ shape, data }: HostTensor, precision: "half" | "float"): ArchiveTensor {
  const numbers = precision === "half" ? Float16Array.from(data) : Float32Array.from(data);
  return { dtype: precision === "half" ? "F16" : "F32", shape, bytes: () => new Uint8Array(numbers.buffer) };
}

/** What a checkpoint of a case holds: learned tensors, texts, the frozen CLIP. */
export async function towerTensors(
  method: string,
  { name, precision, init }: { name: string; precision: "half" | "float"; init?: string },
): Promise<Map<string, ArchiveTensor>> {
  const about = { ...await caseOf(method, name), ...(init === undefined ? {} : { init }) };
  const weights = await loadWeights(modelPath(about.model));
  const given = await FIXTURES.tensors(`deep_${method}.safetensors`);
  const prefix = `${name}/${method === "promptsrc" ? "gpa" : "final"}/`;
  const tensors = new Map<string, ArchiveTensor>();
  for (const found of given.names().filter((one) => one.startsWith(prefix))) {
    tensors.set(found.slice(prefix.length), inFile(given.float(found), "float"));
  }
  const [M] = given.float(`${prefix}prompt_learner.ctx`).shape;
  const averaged = averagedBy(method, { about, precision });
  const words = about.init || new Array(M).fill("X").join(" ");
  const texts = about.classnames.map((name) => `${words} ${spokenName(name)}.`);
  for (const [part, tensor] of await textTensors(weights, { texts, M, precision, averaged })) tensors.set(part, tensor);
  for (const [part, tensor] of frozenTensors(weights, { precision, averaged })) {
    tensors.set(part, tensor);
    if (part.startsWith("image_encoder.") && (method === "promptsrc" || method === "prometar")) {
      tensors.set(`prompt_learner.ZS_${part}`, tensor);
    }
  }
  return tensors;
}

/** How the numbers of a checkpoint are stored. */
interface Stored {
  precision: "half" | "float";
  /** The weights of the epochs in an average that they went through. */
  averaged?: readonly number[];
}

/** The frozen CLIP as published models hold it, but for the embeddings of tokens. */
export function frozenTensors(
  weights: ClipWeights,
  { precision, averaged = [1] }: Stored,
): Map<string, ArchiveTensor> {
  const tensors = new Map<string, ArchiveTensor>();
  for (const ours of weights.names().filter((one) => one !== "token_embedding.weight")) {
    const tensor = weights.tensor(ours);
    const isMatrix = tensor.shape.length >= 2 && !ours.endsWith("positional_embedding");
    const stored = inFile({ ...tensor, data: average(tensor.data, averaged) }, isMatrix ? precision : "float");
    const image = ours.startsWith("visual.") ? `image_encoder.${ours.slice("visual.".length)}` : undefined;
    tensors.set(image ?? (ours === "logit_scale" ? ours : `text_encoder.${ours}`), stored);
  }
  return tensors;
}

/** The weights of the epochs in the average that a checkpoint in half precision went through. */
function averagedBy(method: string, { about, precision }: { about: DeepCase; precision: string }): readonly number[] {
  return method === "promptsrc" && precision === "half" ? about.gpa_weights! : [1];
}

/** The sum of weighted numbers in half precision, as PromptSRC's code adds up the model after each epoch. */
function average(data: Float32Array, weights: readonly number[]): Float32Array {
  if (weights.length === 1) return data;
  let sum = new Float16Array(data.length);
  for (const weight of weights) {
    const now = Float16Array.from(data, (value) => value * weight);
    sum = sum.map((value, i) => value + now[i]);
  }
  return Float32Array.from(sum);
}

/** The embeddings of texts around M learned tokens, as published prompts hold them. */
export async function textTensors(
  weights: ClipWeights,
  { texts, M, precision, averaged = [1] }: Stored & { texts: readonly string[]; M: number },
): Promise<[string, ArchiveTensor][]> {
  const tokenizer = await loadTokenizer();
  const table = weights.tensor("token_embedding.weight");
  const D = table.shape[1];
  const C = texts.length;
  const data = new Float32Array(C * 77 * D);
  texts.forEach((text, c) => {
    const ids = [tokenizer.startToken, ...tokenizer.encode(text), tokenizer.endToken];
    for (let s = 0; s < 77; s++) {
      const id = ids[s] ?? 0;
      data.set(table.data.subarray(id * D, (id + 1) * D), (c * 77 + s) * D);
    }
  });
  // Both are views of one tensor, as PyTorch saves what was cut out on the processor.
  const { dtype, bytes } = inFile({ shape: [C, 77, D], data: average(data, averaged) }, precision);
  const view = (from: number, rows: number): ArchiveTensor => (
    { dtype, bytes, shape: [C, rows, D], strides: [77 * D, D, 1], start: from * D, count: data.length }
  );
  return [["prompt_learner.token_prefix", view(0, 1)], ["prompt_learner.token_suffix", view(1 + M, 76 - M)]];
}

/** Writes a checkpoint of these tensors. */
export async function writeCheckpoint(
  path: string,
  { tensors, epoch }: { tensors: ReadonlyMap<string, ArchiveTensor>; epoch: number },
): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const root = new Map<Pickled, Pickled>([
    ["state_dict", stateDictionary(tensors)],
    ["epoch", epoch],
    ["optimizer", new Map([["state", new Map()]])],
    ["scheduler", {
      object: "dassl.optim.lr_scheduler.ConstantWarmupScheduler",
      state: new Map([["last_epoch", epoch]]),
    }],
    ["val_result", null],
  ]);
  writeTorchArchive(path, { root, tensors });
}

/** Writes a checkpoint and reads it; the file is gone afterwards, unless `use` has read what it needs. */
export async function withCheckpoint<T>(
  tensors: ReadonlyMap<string, ArchiveTensor>,
  use: (path: string) => T | Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  try {
    await writeCheckpoint(`${folder}/model.pth.tar-7`, { tensors, epoch: 7 });
    return await use(`${folder}/model.pth.tar-7`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A tensor of ones, of no meaning. */
export const ones = (...shape: number[]): ArchiveTensor =>
  inFile({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1) }, "float");

/** Writes a case into the published folders below `folder`; the run's folder. */
export async function publishedCase(
  folder: string,
  at: { method: string; name: string; precision: "half" | "float" },
): Promise<string> {
  const [trainer, model] = TRAINERS[at.method];
  const { epochs } = await caseOf(at.method, at.name);
  const run = `${folder}/output/base2new/train_base/eurosat/shots_16/${trainer}/vit_b16/seed3`;
  const path = `${run}/${model}/model.pth.tar-${epochs}`;
  await writeCheckpoint(path, { tensors: await towerTensors(at.method, at), epoch: epochs });
  await Deno.writeTextFile(`${run}/${model}/checkpoint`, `model.pth.tar-${epochs}\n`);
  return run;
}
