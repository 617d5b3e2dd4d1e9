/** What is fuzzed: each reader of files, with whole files to damage. */
import { gzipSync } from "node:zlib";
import { archiveTensors, huggingFaceNamed, openaiNamed } from "../small_clip.ts";
import { makeReport } from "../report_cases.ts";
import { type SettingName, SETTINGS } from "../../recipes/cli/settings.ts";
import { settingsFromYaml } from "../../recipes/cli/config.ts";
import { randomClip } from "../../bench/random_clip.ts";
import { pickle, type Pickled, scriptModules, stateDictionary, writeTorchArchive } from "../../bench/torch_archive.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32, writeSafetensors } from "../../src/clip/weights/safetensors.ts";
import { openRandomAccess } from "../../src/clip/weights/tensor_file.ts";
import { modelTensors, readTorchArchive } from "../../src/clip/weights/torch_archive.ts";
import { parseDescription } from "../../src/data/description.ts";
import { decodeRgb } from "../../src/data/image.ts";
import { pathProblem } from "../../src/data/paths.ts";
import { readSampleFeatures, writeSampleFeatures } from "../../src/data/sample_features.ts";
import { openImages } from "../../src/data/source.ts";
import { readSplit } from "../../src/data/split.ts";
import { splitFromLists } from "../../src/data/split_lists.ts";
import { unpackTar } from "../../src/data/unpack.ts";
import { loadTar, loadZip } from "../../src/deps.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { compareReports } from "../../src/eval/compare.ts";
import { runPage } from "../../src/eval/page/run_page.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { formatReport } from "../../src/eval/report_file.ts";
import { readBytes } from "../../src/files.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import type { Corpus } from "./mutate.ts";

/** A kind of file and its reader. */
export interface Target {
  name: string;
  /** Ending of the file, with the dot. */
  ending: string;
  /** Whole files; the first is one that can be read. */
  corpus(folder: string): Promise<Corpus>;
  /** Puts damaged content into a whole wrapping. */
  wrap?(bytes: Uint8Array): Uint8Array;
  /** Reads the file as the kit does; ends well or throws a `UserError`. */
  read(path: string): Promise<void>;
  /** Whether the reader writes beside the file. */
  writes?: boolean;
  /** What may be taken in one piece for a file of this size. */
  mostBytes(fileBytes: number): number;
}

const text = (value: string) => new TextEncoder().encode(value);

/** Readers of numbers take at most eight bytes for each byte that there is. */
const NUMBERS = (fileBytes: number) => 8 * fileBytes + (1 << 20);
/** Images grow as far as deflate can, and 64 MiB are fine for any. */
const IMAGES = (fileBytes: number) => 1100 * fileBytes + (65 << 20);

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
const PATH_WORDS = [
  "../../secret.jpg",
  "/etc/passwd",
  "..\\secret.jpg",
  "C:/a.jpg",
  "a/../../b.jpg",
  "\0.jpg",
  "a.jpg",
];
const JSON_WORDS = [
  ...PATH_WORDS,
  "null",
  "true",
  "[]",
  "{}",
  '"',
  ",",
  ":",
  "-1",
  "1e999",
  '"__proto__"',
  "\u2028",
  "\x1b[31m",
];
const YAML_WORDS = [
  ...JSON_WORDS,
  "&a ",
  "*a",
  "!!js/function ",
  "<<: ",
  "---\n",
  "? ",
  "|\n",
  "- ",
  "\n",
  "  ",
  "%YAML 9\n",
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

async function readAllImages(path: string): Promise<void> {
  const source = await openImages(path);
  try {
    for (const name of source.paths) {
      const problem = pathProblem(name);
      if (problem) throw new Error(`lets the path ${JSON.stringify(name)} through, which ${problem}`);
      await source.read(name);
    }
  } finally {
    await source.close();
  }
}

async function zips(): Promise<Uint8Array[]> {
  const zip = await loadZip();
  const make = async (entries: [name: string, options: Record<string, unknown>][]) => {
    const writer = new zip.ZipWriter(new zip.Uint8ArrayWriter());
    for (const [name, options] of entries) {
      const data = new zip.Uint8ArrayReader(text(`bytes of ${name} `.repeat(20)));
      await writer.add(name, data, { useWebWorkers: false, ...options });
    }
    return await writer.close();
  };
  return [
    await make([["2750/River/River_1.jpg", {}], ["2750/Forest/Forest_1.jpg", { level: 0 }], ["notes.txt", {}]]),
    await make([["a.jpg", { zip64: true }], ["b.png", { level: 0 }]]),
    await make([["link.jpg", { unixMode: 0o120777, versionMadeBy: 0x314 }]]),
  ];
}

async function tars(): Promise<Uint8Array[]> {
  const { packTar } = await loadTar();
  const file = (name: string) => ({ header: { name, size: 40, type: "file" as const }, body: new Uint8Array(40) });
  const link = (type: "symlink" | "link") => ({
    header: { name: "link.jpg", size: 0, type, linkname: "../secret.jpg" },
  });
  const long = `${"deep/".repeat(40)}a.jpg`;
  return [
    await packTar([file("2750/River/River_1.jpg"), file("2750/Forest/Forest_1.jpg"), file("notes.txt")]),
    await packTar([file(long), file("b.png")]),
    await packTar([file("a.jpg"), link("symlink"), link("link")]),
  ];
}

const images = (names: string[]) =>
  Promise.all(names.map((name) => Deno.readFile(new URL(`../fixtures/images/${name}`, import.meta.url))));

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

/** Every reader of files that a user may be given by somebody else. */
export const TARGETS: readonly Target[] = [
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
      return Promise.resolve({ files, words: [...TENSOR_WORDS, "weight", "bias"], hot: { head: 4000, tail: 50 } });
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
      const script = (await Deno.stat(path)).size % 2 === 0;
      const archive = `${path}.pt`;
      writeTorchArchive(archive, { root: null, tensors, script, entries: { "data.pkl": await Deno.readFile(path) } });
      modelTensors(readTorchArchive(openRandomAccess(archive)), archive);
    },
    mostBytes: (fileBytes) => NUMBERS(fileBytes + 4096),
  },
  {
    name: "checkpoints",
    ending: ".safetensors",
    corpus: () =>
      Promise.resolve({
        files: [encodeCheckpoint(state(), { method: "coop", classes: '["a","b"]' })],
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
  {
    name: "split files",
    ending: ".json",
    corpus: () => {
      const part = (n: number) =>
        Array.from({ length: n }, (_, i) => [`River/River_${i}.jpg`, i % 2, ["Forest", "River"][i % 2]]);
      const split = { train: part(6), val: part(2), test: part(4) };
      return Promise.resolve({
        files: [text(JSON.stringify(split)), text(JSON.stringify(split, null, 1))],
        words: JSON_WORDS,
      });
    },
    async read(path) {
      const { split } = await readSplit(path);
      for (const sample of [split.train, split.val, split.test].flat()) {
        if (pathProblem(sample.path)) throw new Error(`lets the path ${JSON.stringify(sample.path)} through`);
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "configurations",
    ending: ".yaml",
    corpus: () =>
      Promise.resolve({
        files: [
          text("# a run\ntrain: base\neval: [base, new]\npreset: seed-notebook\nlr: 0.002\nepochs: 5\nseeds: [1, 2]\n"),
          text('init-words: "a photo of a"\nclass-token-position: end\nshots: 4\nengine: cpu\nout: runs\n'),
        ],
        words: [...YAML_WORDS, ...Object.keys(SETTINGS)],
      }),
    async read(path) {
      const names = Object.keys(SETTINGS) as SettingName[];
      settingsFromYaml(await Deno.readTextFile(path), { where: path, names });
    },
    mostBytes: NUMBERS,
  },
  {
    name: "data set descriptions",
    ending: ".yaml",
    corpus: async () => ({
      files: [
        ...await Promise.all(
          ["eurosat", "fgvc_aircraft", "imagenet", "stanford_cars"].map((name) =>
            Deno.readFile(new URL(`../../data/datasets/${name}.yaml`, import.meta.url))
          ),
        ),
        text("name: My birds\nimages: photos\nclass_names:\n  rename: { a: b }\n  drop: [x]\n"),
        text(`name: x\na: &a [1,2]\n${Array.from({ length: 20 }, (_, i) => `b${i}: [*a,*a,*a]`).join("\n")}\n`),
      ],
      words: YAML_WORDS,
    }),
    async read(path) {
      const description = parseDescription(await Deno.readTextFile(path), path);
      for (
        const inside of [description.images, ...Object.values(description.split)].filter((x) => typeof x === "string")
      ) {
        if (inside !== "" && pathProblem(inside)) throw new Error(`lets the path ${JSON.stringify(inside)} through`);
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "zip archives of images",
    ending: ".zip",
    corpus: async () => ({ files: await zips(), words: [...PATH_WORDS, "River", ".jpg"] }),
    read: readAllImages,
    mostBytes: IMAGES,
  },
  {
    name: "tar archives of images",
    ending: ".tar",
    corpus: async () => ({ files: await tars(), words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"] }),
    read: readAllImages,
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives of images",
    ending: ".tar.gz",
    corpus: async () => ({ files: (await tars()).map((tar) => gzipSync(tar)) }),
    read: readAllImages,
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives of damaged tars",
    ending: ".tar.gz",
    corpus: async () => ({ files: await tars(), words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"] }),
    wrap: (bytes) => gzipSync(bytes),
    read: readAllImages,
    mostBytes: IMAGES,
  },
  {
    name: "tar.gz archives that are unpacked",
    ending: ".tar.gz",
    corpus: async () => ({ files: await tars(), words: [...PATH_WORDS, "River", ".jpg", "ustar", "0000644"] }),
    wrap: (bytes) => gzipSync(bytes),
    read: async (path) => void await unpackTar(path, { prefix: "" }),
    writes: true,
    mostBytes: IMAGES,
  },
  {
    name: "splits as lists",
    ending: ".txt",
    corpus: () => Promise.resolve({ files: [text("1 a b\n2 c\n3/x c\n")], words: [...PATH_WORDS, "\n", " ", "c"] }),
    async read(path) {
      const rule = { kind: "lists" as const, lists: { train: "t", val: "v", test: "e" }, classes: "c", ending: ".jpg" };
      await Deno.writeTextFile(`${path}.c`, "a b\nc\n");
      const { train } = await splitFromLists(rule, (name) => Promise.resolve(name === "c" ? `${path}.c` : path));
      for (const sample of train) if (pathProblem(sample.path)) throw new Error(`lets ${sample.path} through`);
    },
    writes: true,
    mostBytes: NUMBERS,
  },
  {
    name: "JPEG images",
    ending: ".jpg",
    corpus: async () => ({
      files: await images(["grey.jpg", "sampling_420.jpg", "cmyk.jpg", "progressive.jpg", "exif_orientation.jpg"]),
      hot: { head: 700, tail: 50 },
    }),
    async read(path) {
      await decodeRgb(await Deno.readFile(path), path);
    },
    mostBytes: IMAGES,
  },
  {
    name: "PNG, WebP and TIFF images",
    ending: ".img",
    corpus: async () => ({
      files: await images([
        "rgb.png",
        "palette_4.png",
        "rgba_16.png",
        "lossy.webp",
        "lossless.webp",
        "lzw.tif",
        "raw.tif",
      ]),
      hot: { head: 200, tail: 200 },
    }),
    async read(path) {
      await decodeRgb(await Deno.readFile(path), path);
    },
    mostBytes: IMAGES,
  },
  {
    name: "reports",
    ending: ".json",
    corpus: async () => ({
      files: await Promise.all(
        [{}, { method: "zeroshot" }, { evaluatedOn: "new" as const }].map(async (options) =>
          text(formatReport(await makeReport({ ...options, images: 20 })))
        ),
      ),
      words: [...JSON_WORDS, "classNames", "labels", "predictions", "worst", "base", "reportVersion"],
    }),
    async read(path) {
      const report = await readReport(path);
      await runPage([report]);
      compareReports([report]);
    },
    mostBytes: (fileBytes) => NUMBERS(fileBytes) + (64 << 20),
  },
];
