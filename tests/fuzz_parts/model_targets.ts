/** Readers of tensors: weights, prompts, checkpoints, features. */
import { archiveTensors, huggingFaceNamed, openaiNamed } from "../clip/small_clip.ts";
import { randomClip } from "../../bench/random_clip.ts";
import { pickle, type Pickled, scriptModules, stateDictionary, writeTorchArchive } from "../../bench/torch_archive.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32, writeSafetensors } from "../../src/clip/weights/safetensors.ts";
import { openRandomAccess } from "../../src/clip/weights/tensor_file.ts";
import { modelTensors, readTorchArchive } from "../../src/clip/weights/torch_archive.ts";
import { readSampleFeatures, writeSampleFeatures } from "../../src/data/sample_features.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { infoOf, readBytes } from "../../src/files.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { NUMBERS, type Target } from "./target.ts";

const TENSOR_WORDS = ["F16", "F32", "BF16", "I64", "U8", "shape", "dtype", "data_offsets", "__metadata__", "__proto__"];
const PICKLE_WORDS = [
  "cposix\nsystem\nX\u0010\0\0\0touch /tmp/owned\u0085R.",
  "cbuiltins\neval\n",
  "c__main__\nx\n",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ctorch\nHalfStorage\n",
  "ccollections\nOrderedDict\n",
  "storage",
  "data.pkl",
  "byteorder",
  "constants.pkl",
];
const tiny = {
  embedding: 8,
  image: { size: 4, patch: 2, width: 64, layers: 1, heads: 1 },
  text: { context: 4, vocabulary: 5, width: 64, layers: 1, heads: 1 },
};
const tinyNamed = () => openaiNamed(randomClip(tiny));

function archiveBytes(
  folder: string,
  { named, script, wide }: { named: Map<string, HostTensor>; script?: boolean; wide?: boolean },
): Uint8Array {
  const tensors = archiveTensors(named, () => "F16");
  const path = `${folder}/whole.pt`;
  const root = script ? scriptModules(tensors) : stateDictionary(tensors);
  writeTorchArchive(path, { root, tensors, script, wide });
  return Deno.readFileSync(path);
}

async function readWeights(path: string): Promise<void> {
  const weights = await loadWeights(path);
  for (const name of weights.names()) weights.tensor(name);
}

const state = () => ({
  step: 2,
  losses: [1.5, 1.25],
  params: { ctx: { shape: [2, 4], data: Float32Array.from({ length: 8 }, (_, i) => i / 8) } },
  velocity: { ctx: new Float32Array(8) },
  order: [3, 1, 2, 0],
});

function sampleFeatures(): Uint8Array {
  const list = (n: number) => ({
    samples: Array.from({ length: n }, (_, i) => ({ path: `River/River_${i}.jpg`, label: i % 2, className: "River" })),
    features: { shape: [n, 4], data: new Float32Array(4 * n).fill(0.5) },
  });
  const train = { ...list(4), views: { shape: [2, 4, 4], data: new Float32Array(32).fill(0.25) } };
  const source = {
    dataset: "eurosat",
    classNames: ["Forest", "River"],
    template: "a photo of a {}.",
    modelSha256: "ab",
    splitSha256: "cd",
    images: 9,
    shots: 2,
    seeds: [1],
    views: 2,
  };
  return writeSampleFeatures(source, { test: list(3), seeds: new Map([[1, { train, val: list(2) }]]) });
}

/** Each with whole files to damage. */
export const MODEL_TARGETS: readonly Target[] = [
  {
    name: "safetensors",
    ending: ".safetensors",
    corpus: () =>
      Promise.resolve({
        files: [
          writeSafetensors([
            ["a", { dtype: "F32", shape: [2, 3], data: new Float32Array(6) }],
            ["b.weight", { dtype: "F16", shape: [4], data: new Float32Array(4) }],
            ["c", { dtype: "BF16", shape: [], data: new Float32Array(1) }],
            ["d", { dtype: "F64", shape: [1], data: new Float32Array(1) }],
          ], { format: "pt" }),
        ],
        words: TENSOR_WORDS,
      }),
    async read(path) {
      const { entries } = readSafetensors(await readBytes(path, "the file"), path);
      for (const entry of entries.values()) toFloat32(entry);
    },
    mostBytes: NUMBERS,
  },
  {
    name: "weights in safetensors",
    ending: ".safetensors",
    corpus() {
      const write = (named: Map<string, HostTensor>) =>
        writeSafetensors([...named].map(([name, tensor]) => [name, { dtype: "F16", ...tensor }]));
      const files = [write(tinyNamed()), write(huggingFaceNamed(tinyNamed()))];
      const damaged = tinyNamed();
      damaged.get("token_embedding.weight")!.data[3] = NaN;
      return Promise.resolve({
        files,
        refused: [write(damaged)],
        words: [...TENSOR_WORDS, "weight", "bias"],
        hot: { head: 4000, tail: 50 },
      });
    },
    read: readWeights,
    mostBytes: NUMBERS,
  },
  {
    name: "weights in PyTorch's archives",
    ending: ".pt",
    corpus: (folder) =>
      Promise.resolve({
        files: [
          archiveBytes(folder, { named: tinyNamed() }),
          archiveBytes(folder, { named: tinyNamed(), script: true }),
          archiveBytes(folder, { named: huggingFaceNamed(tinyNamed()), wide: true }),
        ],
        words: PICKLE_WORDS,
        hot: { head: 4000, tail: 4000 },
      }),
    read: readWeights,
    mostBytes: NUMBERS,
  },
  {
    name: "pickles",
    ending: ".pkl",
    corpus() {
      const tensors = archiveTensors(new Map([["ctx", { shape: [2, 2], data: new Float32Array(4) }]]));
      const roots: Pickled[] = [
        stateDictionary(tensors),
        new Map<Pickled, Pickled>([["state_dict", stateDictionary(tensors)], ["epoch", 3], ["lr", 0.5], ["x", [
          1,
          null,
        ]]]),
        scriptModules(tensors),
        { call: "posix.system", args: ["touch /tmp/owned"] },
      ];
      return Promise.resolve({ files: roots.map(pickle), words: PICKLE_WORDS });
    },
    async read(path) {
      // Whole archives around damaged pickles: damage to the archive is another target's.
      const tensors = archiveTensors(new Map([["ctx", { shape: [2, 2], data: new Float32Array(4) }]]));
      const script = (await infoOf(path))?.size! % 2 === 0;
      const archive = `${path}.pt`;
      writeTorchArchive(archive, {
        root: null,
        tensors,
        script,
        entries: { "data.pkl": await readBytes(path, "the pickle", 1 << 20) },
      });
      modelTensors(readTorchArchive(openRandomAccess(archive)), archive);
    },
    mostBytes: (fileBytes) => NUMBERS(fileBytes + 4096),
  },
  {
    name: "published prompts",
    ending: ".pth.tar-5",
    corpus(folder) {
      const tensor = (...shape: number[]) => ({
        shape,
        data: new Float32Array(shape.reduce((n, size) => n * size, 1)),
      });
      const named = new Map([["ctx", tensor(2, 4)], ["token_prefix", tensor(3, 1, 4)], [
        "token_suffix",
        tensor(3, 5, 4),
      ]]);
      const tensors = archiveTensors(named, () => "F16");
      const scheduler: Pickled = {
        object: "torch.optim.lr_scheduler.CosineAnnealingLR",
        state: new Map([["T_max", 5]]),
      };
      const root = new Map<Pickled, Pickled>([
        ["state_dict", stateDictionary(tensors)],
        ["epoch", 5],
        ["scheduler", new Map([["successor", scheduler]])],
        ["val_result", null],
      ]);
      writeTorchArchive(`${folder}/whole.pt`, { root, tensors });
      return Promise.resolve({
        files: [Deno.readFileSync(`${folder}/whole.pt`)],
        words: [...PICKLE_WORDS, "ctx", "token_prefix", "epoch", "torch.optim."],
        hot: { head: 1200, tail: 700 },
      });
    },
    // deno-lint-ignore require-await -- others wait
    read: async (path) => void readPublishedPrompt(path),
    mostBytes: NUMBERS,
  },
  {
    name: "checkpoints",
    ending: ".safetensors",
    corpus: () =>
      Promise.resolve({
        files: [encodeCheckpoint(state(), { method: "coop", classes: '["a","b"]' })],
        refused: [
          encodeCheckpoint({ ...state(), losses: [NaN, 1] }, { method: "coop" }),
          encodeCheckpoint({ ...state(), order: [Infinity] }, { method: "coop" }),
        ],
        words: [...TENSOR_WORDS, "step", "checkpoint-version", "history/losses", "stream/batch-order", "optimizer/"],
      }),
    async read(path) {
      const { state, metadata } = decodeCheckpoint(await readBytes(path, "the checkpoint"), path);
      encodeCheckpoint(state, metadata);
    },
    mostBytes: NUMBERS,
  },
  {
    name: "stored features of the sample",
    ending: ".safetensors",
    corpus: () =>
      Promise.resolve({ files: [sampleFeatures()], words: [...TENSOR_WORDS, "source", "seeds", "classNames"] }),
    async read(path) {
      const features = readSampleFeatures(await readBytes(path, "the features"), path);
      const [seed] = features.source.seeds;
      const { train, val, test } = features.split(seed);
      features.view(train, { seed, view: 0 });
      for (const list of [train, val, test]) features.plain(list, seed);
    },
    mostBytes: NUMBERS,
  },
];
