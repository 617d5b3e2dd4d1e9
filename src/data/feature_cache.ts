/**
 * Image features, computed once: a store addressed by content. A chunk of features is named by the sha256 of all that
 * it depends on: the model, the preprocessing, the bytes of its images, and the view. So a file that exists is the
 * right one, a run that was killed continues where it was, and concurrent runs can share a folder.
 *
 * `V` views, `N` images, `B` images encoded at once, `E` embedding.
 */
import { dirname, join } from "node:path";
import { rowRange } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { removeStalePartials, sha256Hex, writeFileAtomic } from "../files.ts";
import { readChunk, writeChunk } from "./feature_chunk.ts";
import { byteGate } from "./byte_gate.ts";
import { withRgb } from "./image.ts";
import { fewAtOnce, prefetch } from "./prefetch.ts";
import type { RgbImage } from "./resize.ts";
import type { ImageSource } from "./image_source.ts";
import { LEAST_AREA, normalizeToPatches, viewOf, type ViewRecipe } from "./views.ts";

/** What features to get, and the folder of the store. */
export interface FeatureOptions {
  folder: string;
  /** What made the features: the sha256 of the weights, and whatever else changes their bits. */
  modelId: string;
  /** Edge of the model's images, in pixels. */
  imageSize: number;
  /** Edge of its patches, in pixels. */
  patch: number;
  samples: readonly { path: string }[];
  images: Pick<ImageSource, "read" | "size">;
  /**
   * The sha256 of each image's bytes, by path: with them, images whose features are stored are not read. When left out,
   * all images are read and hashed.
   */
  hashes?: { hashesOf(paths: readonly string[]): Promise<string[]> };
  /** One or more views of each image. */
  views: readonly ViewRecipe[];
  /** What is encoded in place of patches, [n, …] of some images that are stored together, in one view. */
  inputs?: (samples: readonly { path: string }[], view: ViewRecipe) => Promise<HostTensor>;
  /** Encodes patches [B, grid², 3·patch²] to features [B, E], not normalised; `encodeImages` of a `ClipModel`. */
  encode: (patches_BNK: HostTensor) => Promise<HostTensor>;
  /** Images encoded at once; 32 when not given. */
  batch?: number;
  /** Called after each chunk that was found and each batch that was computed, with the features so far. */
  onProgress?: (progress: { done: number; total: number; fromCache: number }) => void;
}

/** Features and where they came from, from {@linkcode getFeatures}. */
export interface Features {
  /** [V, N, E], not normalised, in the order of the views and samples. */
  features_VNE: HostTensor;
  fromCache: number;
  computed: number;
  /** Files of the store that were damaged and have been replaced. */
  damaged: number;
}

/** Raise it when preprocessing changes in any pixel: features from before are then no longer found. */
const PREPROCESSING = "pillow-bicubic, clip-normalisation, 1";
/** Images in a file: what a kill can cost. */
const CHUNK = 128;
/** Decoded images up to this many pixels are kept while their views are made. */
const KEEP_PIXELS = 1 << 20;

/** Images of a chunk in one view. */
interface Job {
  key: string;
  view: number;
  /** Number of the first image among all. */
  first: number;
  count: number;
}

/** A part of a job, ready for the encoder. */
interface Batch {
  job: Job;
  /** Number of the first image within the job. */
  begin: number;
  patches_BNK: HostTensor;
}

/**
 * Gets features of images from the store, or computes and stores them. The next images are decoded while the encoder
 * works.
 *
 * @throws {UserError} When an image is missing or does not decode, its features are not finite numbers, or the store
 * cannot be written.
 */
export async function getFeatures(options: FeatureOptions): Promise<Features> {
  const { samples, views, encode, onProgress } = options;
  const counts = { fromCache: 0, computed: 0, damaged: 0 };
  const total = views.length * samples.length;
  const table = featureTable(views.length, samples.length);
  const report = () => onProgress?.({ done: counts.fromCache + counts.computed, total, fromCache: counts.fromCache });

  await removeStalePartials(dirname(chunkPath(options, "")));
  const onChunk = ({ cached, damaged }: StoredViews) => {
    counts.damaged += damaged;
    for (const { job, features } of cached) {
      table.put(job.view, job.first, features, features.length / job.count);
      counts.fromCache += job.count;
      report();
    }
  };
  const batches = missingBatches(options, onChunk);
  for await (const { job, begin, patches_BNK } of prefetch(batches)) {
    const features_BE = await encode(patches_BNK);
    checkFinite(features_BE, samples.slice(job.first + begin));
    const [B, E] = features_BE.shape;
    table.put(job.view, job.first + begin, features_BE.data, E);
    if (begin + B === job.count) {
      const chunk = { shape: [job.count, E], data: table.rows(job.view, job.first, job.count) };
      await writeFileAtomic(chunkPath(options, job.key), await writeChunk(job.key, chunk));
    }
    counts.computed += B;
    report();
  }
  return { features_VNE: table.tensor(), ...counts };
}

/** Views of a chunk of which the features were found in the store, and those that are to be computed. */
interface StoredViews {
  cached: { job: Job; features: Float32Array }[];
  missing: Job[];
  /** Files that were there but damaged; their views are among the missing ones. */
  damaged: number;
}

/** Looks every chunk up in the store and reports it; yields what the encoder needs for views that are not there. */
async function* missingBatches(
  options: FeatureOptions,
  onChunk: (stored: StoredViews) => void,
): AsyncGenerator<Batch> {
  const { samples, images } = options;
  const hashes = await options.hashes?.hashesOf(samples.map(({ path }) => path));
  for (let first = 0; first < samples.length; first += CHUNK) {
    const paths = samples.slice(first, first + CHUNK).map(({ path }) => path);
    const known = hashes?.slice(first, first + CHUNK);
    let stored = known && await storedViews(options, { first, paths, hashes: known });
    let files: (Uint8Array | undefined)[] = [];
    let read: string[] = [];
    if (stored === undefined || stored.missing.length > 0) {
      ({ files, hashes: read } = await readFiles(paths, images));
      // An image may have changed since its hash was taken: features are stored by the bytes that they are made of.
      if (stored === undefined || read.some((hash, i) => hash !== known?.[i])) {
        stored = await storedViews(options, { first, paths, hashes: read });
      }
    }
    onChunk(stored);
    if (stored.missing.length > 0) {
      yield* prepareBatches(options, stored.missing, decoder(paths, { files, hashes: read, images }));
    }
  }
}

/** Looks up consecutive images, of which the features are stored together; `first` is the number of the first among all. */
async function storedViews(
  options: FeatureOptions,
  { first, paths, hashes }: { first: number; paths: readonly string[]; hashes: readonly string[] },
): Promise<StoredViews> {
  const stored: StoredViews = { cached: [], missing: [], damaged: 0 };
  for (const [view, recipe] of options.views.entries()) {
    const key = await chunkKey(options, { view: recipe, hashes, paths });
    const job: Job = { key, view, first, count: paths.length };
    const { features, damaged } = await readChunk(chunkPath(options, key), { key, rows: paths.length });
    if (features) stored.cached.push({ job, features });
    else stored.missing.push(job);
    if (damaged) stored.damaged++;
  }
  return stored;
}

async function* prepareBatches(
  options: FeatureOptions,
  jobs: readonly Job[],
  decode: Decoder,
): AsyncGenerator<Batch> {
  const { imageSize: size, patch, samples, views, batch = 32 } = options;
  const length = 3 * size * size;
  for (const job of jobs) {
    const inputs = await options.inputs?.(samples.slice(job.first, job.first + job.count), views[job.view]);
    for (let begin = 0; begin < job.count; begin += batch) {
      const B = Math.min(batch, job.count - begin);
      if (inputs !== undefined) {
        yield { job, begin, patches_BNK: rowRange(inputs, begin, begin + B) };
        continue;
      }
      const data = new Float32Array(B * length);
      const first = job.first + begin;
      await fewAtOnce(samples.slice(first, first + B), async ({ path }, i) => {
        const view = await decode(begin + i, (image) => viewOf(image, { size, recipe: views[job.view], path }));
        normalizeToPatches(view, { size, patch, target: data.subarray(i * length, (i + 1) * length) });
      });
      yield { job, begin, patches_BNK: { shape: [B, (size / patch) ** 2, 3 * patch * patch], data } };
    }
  }
}

/** Bytes of a chunk's files that are kept until their views are made; what is beyond is read again then. */
const KEEP_BYTES = 256 << 20;

/** The files of a chunk, as many as are kept, and the sha256 of each. */
async function readFiles(
  paths: readonly string[],
  images: FeatureOptions["images"],
): Promise<{ files: (Uint8Array | undefined)[]; hashes: string[] }> {
  const files: (Uint8Array | undefined)[] = [];
  const hashes: string[] = [];
  const reading = byteGate();
  let kept = 0;
  await fewAtOnce(paths, async (path, i) =>
    await reading(await images.size?.(path) ?? 0, async () => {
      const bytes = await images.read(path);
      hashes[i] = await sha256Hex(bytes);
      if (kept + bytes.length > KEEP_BYTES) return;
      kept += bytes.length;
      files[i] = bytes;
    }));
  return { files, hashes };
}

/** Does something with a decoded image, by its number in the chunk. */
type Decoder = (index: number, use: (image: RgbImage) => Uint8Array) => Promise<Uint8Array>;

/** Decodes the images of a chunk, small ones once for all their views. */
function decoder(
  paths: readonly string[],
  { files, hashes, images }: { files: (Uint8Array | undefined)[]; hashes: string[]; images: FeatureOptions["images"] },
): Decoder {
  const kept = new Map<number, RgbImage>();
  const reading = byteGate();
  const decode = (index: number, bytes: Uint8Array, use: Parameters<Decoder>[1]) =>
    withRgb({ bytes, name: paths[index] }, (image) => {
      if (image.width * image.height <= KEEP_PIXELS) kept.set(index, image);
      return use(image);
    });
  return async (index, use) => {
    const [known, file, path] = [kept.get(index), files[index], paths[index]];
    if (known) return use(known);
    if (file) return await decode(index, file, use);
    return await reading(await images.size?.(path) ?? 0, async () => {
      const bytes = await images.read(path);
      if (await sha256Hex(bytes) === hashes[index]) return await decode(index, bytes, use);
      throw new UserError(`The image ${path} has changed since it was first read: start again.`);
    });
  };
}

function chunkKey(
  { modelId, imageSize }: FeatureOptions,
  { view, hashes, paths }: { view: ViewRecipe; hashes: readonly string[]; paths: readonly string[] },
): Promise<string> {
  // Random crops depend on the path too.
  const recipe = view.kind === "test" ? ["test"] : ["train", view.seed, view.view, paths, view.leastArea ?? LEAST_AREA];
  const parts = [PREPROCESSING, modelId, imageSize, recipe, hashes];
  return sha256Hex(new TextEncoder().encode(JSON.stringify(parts)));
}

function chunkPath({ folder, modelId }: FeatureOptions, key: string): string {
  return join(folder, modelId.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 12) || "model", `${key}.safetensors`);
}

function checkFinite({ shape: [, E], data }: HostTensor, samples: FeatureOptions["samples"]): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new UserError(
    `The features of the image ${samples[Math.floor(at / E)].path} are not finite numbers (${data[at]}): check the ` +
      "weights, or try another engine with --engine.",
  );
}

/** Features [V, N, E] that are filled in piece by piece; E is known from the first piece. */
function featureTable(V: number, N: number) {
  let E = 0;
  let data = new Float32Array(0);
  const offset = (view: number, row: number) => (view * N + row) * E;
  return {
    put(view: number, row: number, features: Float32Array, width: number): void {
      if (data.length === 0) {
        E = width;
        data = new Float32Array(V * N * E);
      }
      if (width !== E) throw new Error(`Features of ${width} numbers beside features of ${E}`);
      data.set(features, offset(view, row));
    },
    rows: (view: number, row: number, count: number) => data.subarray(offset(view, row), offset(view, row + count)),
    tensor: (): HostTensor => ({ shape: [V, N, E], data }),
  };
}
