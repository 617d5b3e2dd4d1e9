/**
 * The stored features of the sample: EuroSAT under the sample model, so that a fresh clone trains and evaluates without
 * images. `recipes/sample.ts` makes the file; half precision, not normalised.
 *
 * `N` test images, `K` few-shot training images of all classes, `V` views, `E` embedding.
 *
 * | tensor | shape | what |
 * |---|---|---|
 * | `test/features` | [N, E] | test transform |
 * | `seed1/train/views` | [V, K, E] | training crops |
 * | `seed1/train/features` | [K, E] | test transform |
 * | `seed1/val/features` | [·, E] | test transform |
 * | `test/labels`, `seed1/train/labels`, … | [·] | class numbers |
 * | `test/paths`, `seed1/train/paths`, … | [bytes] | image paths, one a line |
 */
import { readSafetensors, type SafetensorEntry, toFloat32, writeSafetensors } from "../clip/weights/safetensors.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { pathProblem } from "./paths.ts";
import type { Sample, Split } from "./split.ts";

/** What a report names as the source of these features. */
export const STORED_SOURCE = "stored features in data/sample";

/** What the stored features were made from. */
interface SampleSource {
  /** The data set's name, as in run folders. */
  dataset: string;
  /** Names of all classes by label. */
  classNames: string[];
  /** The data set's own zero-shot template. */
  template: string;
  modelSha256: string;
  splitSha256: string;
  /** Images of the data set. */
  images: number;
  /** A class. */
  shots: number;
  /** Seeds whose few-shot images are there. */
  seeds: number[];
  /** Training views of each image. */
  views: number;
}

/** Features of one list of images, a row each. */
interface StoredList {
  samples: Sample[];
  /** Under the test transform, [·, E]. */
  features: HostTensor;
}

/** Features of one seed's few-shot images. */
export interface StoredSeed {
  train: StoredList & { /** [V, K, E] */ views: HostTensor };
  val: StoredList;
}

/** The stored features, decoded on demand; from {@linkcode readSampleFeatures}. */
export interface SampleFeatures {
  /** What they were made from. */
  readonly source: SampleSource;
  /** The few-shot images of a seed and all test images, labels over all classes. */
  split(seed: number): Split;
  /** Features [n, E] of these images under the test transform. */
  plain(samples: readonly Sample[], seed: number): HostTensor;
  /** Features [n, E] of these training images in one view. */
  view(samples: readonly Sample[], options: { seed: number; view: number }): HostTensor;
}

const SOURCE_KEY = "source";

/**
 * Puts features of the test images and of each seed's few-shot images into the bytes of the sample file, rounded to half
 * precision. Labels are over all classes, and below 256.
 */
export function writeSampleFeatures(
  source: SampleSource,
  lists: { test: StoredList; seeds: ReadonlyMap<number, StoredSeed> },
): Uint8Array {
  const half = ({ shape, data }: HostTensor) => ({ dtype: "F16" as const, shape, data });
  const bytes = (data: Uint8Array) => ({ dtype: "U8" as const, shape: [data.length], data });
  const listed = (name: string, { samples, features }: StoredList) => [
    [`${name}/features`, half(features)] as const,
    [`${name}/labels`, bytes(Uint8Array.from(samples, ({ label }) => label))] as const,
    [`${name}/paths`, bytes(new TextEncoder().encode(samples.map(({ path }) => path).join("\n")))] as const,
  ];
  const few = [...lists.seeds].flatMap(([seed, { train, val }]) => [
    ...listed(`seed${seed}/train`, train),
    [`seed${seed}/train/views`, half(train.views)] as const,
    ...listed(`seed${seed}/val`, val),
  ]);
  return writeSafetensors([...listed("test", lists.test), ...few], { [SOURCE_KEY]: JSON.stringify(source) });
}

/**
 * Reads the sample file, `data/sample/features.safetensors`; `where` names it in messages.
 *
 * @throws {UserError} when it is not whole, or asked for a seed that it does not hold
 */
export function readSampleFeatures(bytes: Uint8Array, where: string): SampleFeatures {
  const { entries, metadata } = readSafetensors(bytes, where);
  const entry = (name: string): SafetensorEntry => {
    const found = entries.get(name);
    if (found === undefined) {
      throw new UserError(`${where} has no "${name}": restore it, or run deno task sample --data data/eurosat.`);
    }
    return found;
  };
  const broken = (why: string) =>
    new UserError(`${where} is not usable (${why}): restore it, or run deno task sample --data data/eurosat.`);
  const source = parseSource(metadata[SOURCE_KEY], broken);

  const lists = new Map<string, Sample[]>();
  const samplesOf = (name: string): Sample[] => {
    const known = lists.get(name);
    if (known) return known;
    const labels = entry(`${name}/labels`).bytes;
    const paths = new TextDecoder().decode(entry(`${name}/paths`).bytes).split("\n");
    if (labels.length !== paths.length) throw broken(`"${name}" has ${paths.length} paths and ${labels.length} labels`);
    const samples = paths.map((path, i) => ({ path, label: labels[i], className: source.classNames[labels[i]] }));
    const wrong = samples.find(({ path, className }) => className === undefined || pathProblem(path) !== undefined);
    if (wrong) throw broken(`the image ${JSON.stringify(wrong.path)} of "${name}" has a wrong path or label`);
    lists.set(name, samples);
    return samples;
  };
  /** Features of a list: half or single precision, one row an image. */
  const featuresOf = (name: string, { list, axes }: { list: string; axes: number }): SafetensorEntry => {
    const found = entry(name);
    const rows = found.shape[axes - 2];
    if (!["F16", "F32"].includes(found.dtype) || found.shape.length !== axes || rows !== samplesOf(list).length) {
      throw broken(`"${name}" is ${found.dtype} of shape [${found.shape.join(", ")}]`);
    }
    return found;
  };
  const rowsOf = (name: string) => new Map(samplesOf(name).map((sample, row) => [sample.path, row]));
  const seedName = (seed: number) => {
    if (source.seeds.includes(seed)) return `seed${seed}`;
    throw new UserError(
      `The sample holds features for seeds ${source.seeds.join(", ")} and not ${seed}: ` +
        "take one of these, or give the images with --data EuroSAT.zip.",
    );
  };

  return {
    source,
    split: (seed) => ({
      train: samplesOf(`${seedName(seed)}/train`),
      val: samplesOf(`${seedName(seed)}/val`),
      test: samplesOf("test"),
    }),
    plain(samples, seed) {
      const tables = ["test", ...["train", "val"].map((list) => `${seedName(seed)}/${list}`)].map((name) => ({
        rows: rowsOf(name),
        features: featuresOf(`${name}/features`, { list: name, axes: 2 }),
      }));
      const table = tables.find(({ rows }) => samples.every((sample) => rows.has(sample.path)));
      if (table === undefined) throw new Error("These images are not one of the sample's lists");
      return takeRows(table.features, samples.map((sample) => table.rows.get(sample.path)!));
    },
    view(samples, { seed, view }) {
      const name = `${seedName(seed)}/train`;
      const { dtype, shape: [V, K, E], bytes } = featuresOf(`${name}/views`, { list: name, axes: 3 });
      if (!(view < V)) throw new Error(`The sample holds ${V} views and not view ${view}`);
      const rows = rowsOf(name);
      const stride = bytes.length / V;
      const one = { dtype, shape: [K, E], bytes: bytes.subarray(view * stride, (view + 1) * stride) };
      return takeRows(one, samples.map((sample) => rows.get(sample.path)!));
    },
  };
}

/** What the features were made from, held to its kinds. */
function parseSource(text: string | undefined, broken: (why: string) => UserError): SampleSource {
  if (text === undefined) throw broken("it does not say what it is");
  let source: Partial<Record<keyof SampleSource, unknown>> | null;
  try {
    source = JSON.parse(text);
  } catch {
    throw broken(`its "${SOURCE_KEY}" is not JSON`);
  }
  const texts = ["dataset", "template", "modelSha256", "splitSha256"] as const;
  const counts = ["images", "shots", "views"] as const;
  const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
  const listOf = (value: unknown, right: (item: unknown) => boolean) =>
    Array.isArray(value) && value.length > 0 && value.every(right);
  const right = typeof source === "object" && source !== null &&
    texts.every((key) => typeof source[key] === "string") && counts.every((key) => isCount(source[key])) &&
    listOf(source.classNames, (name) => typeof name === "string") && listOf(source.seeds, isCount);
  if (!right) throw broken(`its "${SOURCE_KEY}" lacks something`);
  return source as SampleSource;
}

function takeRows(entry: SafetensorEntry, rows: readonly number[]): HostTensor {
  const E = entry.shape[1];
  const all = toFloat32(entry);
  const data = new Float32Array(rows.length * E);
  rows.forEach((row, i) => data.set(all.subarray(row * E, (row + 1) * E), i * E));
  return { shape: [rows.length, E], data };
}
