/**
 * Image features, computed once: a store addressed by content. A chunk of features is named by the sha256 of all that
 * it depends on: the model, the preprocessing, the bytes of its images, and the view. So a file that exists is the
 * right one, a run that was killed continues where it was, and concurrent runs can share a folder.
 *
 * `V` views, `N` images, `B` images encoded at once, `E` embedding.
 */
import { join } from "node:path";
import { rowRange } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { namesIn, removeStalePartials, sha256Hex, writeFileAtomic } from "../files.ts";
import { readChunk, writeChunk } from "./feature_chunk.ts";
import { byteGate } from "./byte_gate.ts";
import { withRgb } from "./image.ts";
import { fewAtOnce, prefetch } from "./prefetch.ts";
import type { RgbImage } from "./resize.ts";
import type { ImageSource } from "./image_source.ts";
import { LEAST_AREA, normalizeToPatches, viewOf, type ViewRecipe } from "./views.ts";

/** The store, and what computes features that are not in it. */
export interface StoreOptions {
  folder: string;
  /** What made the features: the sha256 of the weights, and whatever else changes their bits. */
  modelId: string;
  /** Edge of the model's images, in pixels. */
  imageSize: number;
  /** Edge of its patches, in pixels. */
  patch: number;
  images: Pick<ImageSource, "read" | "size">;
  /**
   * The sha256 of each image's bytes, by path: with them, images whose features are stored are not read. When left out,
   * all images are read and hashed.
   */
  hashes?: { hashesOf(paths: readonly string[]): Promise<string[]> };
  /** What is encoded in place of patches, [n, …] of some images that are stored together, in one view. */
  inputs?: (samples: readonly { path: string }[], view: ViewRecipe) => Promise<HostTensor>;
  /** Encodes patches [B, grid², 3·patch²] to features [B, E], not normalised; `encodeImages` of a `ClipModel`. */
  encode: (patches_BNK: HostTensor) => Promise<HostTensor>;
  /** Images encoded at once; 32 when not given. */
  batch?: number;
  /** Called after each chunk that was found and each batch that was computed, with the features so far. */
  onProgress?: (progress: { done: number; total: number; fromCache: number }) => void;
}

/** What features to get. */
export interface FeatureOptions extends StoreOptions {
  samples: readonly { path: string }[];
  /** One or more views of each image. */
  views: readonly ViewRecipe[];
}

/** Images whose features are stored together, a file a view, whoever asks for them; from {@linkcode chunksOf}. */
export interface FeatureChunk {
  samples: readonly { path: string }[];
  views: readonly ViewRecipe[];
}

/** Where features came from. */
export interface FeatureCounts {
  fromCache: number;
  computed: number;
  /** Files of the store that were damaged and have been replaced. */
  damaged: number;
}

/** Features and where they came from, from {@linkcode getFeatures}. */
export interface Features extends FeatureCounts {
  /** [V, N, E], not normalised, in the order of the views and samples. */
  features_VNE: HostTensor;
}

/** Raise it when preprocessing changes in any pixel: features from before are then no longer found. */
const PREPROCESSING = "pillow-bicubic, clip-normalisation, 1";
/** Images in a file: what a kill can cost, and the least that a part of the work can be. */
const CHUNK = 128;
/** Decoded images up to this many pixels are kept while their views are made. */
const KEEP_PIXELS = 1 << 20;

/** A file of the store: the images of a chunk in one view. */
interface Job {
  key: string;
  chunk: FeatureChunk;
  view: ViewRecipe;
}

/** A part of a job, ready for the encoder. */
interface Batch {
  job: Job;
  /** Number of the first image within the job. */
  begin: number;
  patches_BNK: HostTensor;
}

/** Images as they are stored: no chunk depends on the others, so each comes out the same wherever it is computed. */
export function chunksOf({ samples, views }: FeatureChunk): FeatureChunk[] {
  const count = Math.ceil(samples.length / CHUNK);
  return Array.from({ length: count }, (_, i) => ({ samples: samples.slice(i * CHUNK, (i + 1) * CHUNK), views }));
}

/**
 * Gets features of images from the store, or computes and stores them. The next images are decoded while the encoder
 * works.
 *
 * @throws {UserError} When an image is missing or does not decode, its features are not finite numbers, or the store
 * cannot be written.
 */
export async function getFeatures(options: FeatureOptions): Promise<Features> {
  const { samples, views } = options;
  const chunks = chunksOf(options);
  const [V, N] = [views.length, samples.length];
  let E = 0;
  let data = new Float32Array(0);
  const counts = await fillStore(options, {
    chunks,
    onFeatures({ chunk, view }, features) {
      const width = features.length / chunk.samples.length;
      if (data.length === 0) {
        E = width;
        data = new Float32Array(V * N * E);
      }
      if (width !== E) throw new Error(`Features of ${width} numbers beside features of ${E}`);
      data.set(features, (views.indexOf(view) * N + chunks.indexOf(chunk) * CHUNK) * E);
    },
  });
  return { features_VNE: { shape: [V, N, E], data }, ...counts };
}

/**
 * Sees to it that features are in the store; gives them to `onFeatures`, file by file.
 *
 * @throws {UserError} As {@linkcode getFeatures} does.
 */
export async function fillStore(
  options: StoreOptions,
  { chunks, onFeatures }: {
    chunks: readonly FeatureChunk[];
    onFeatures?: (file: Pick<Job, "chunk" | "view">, features: Float32Array) => void;
  },
): Promise<FeatureCounts> {
  const { encode, onProgress } = options;
  const counts = { fromCache: 0, computed: 0, damaged: 0 };
  const total = viewsIn(chunks);
  const report = () => onProgress?.({ done: counts.fromCache + counts.computed, total, fromCache: counts.fromCache });

  await removeStalePartials(storeFolder(options));
  const onChunk = ({ cached, damaged }: StoredViews) => {
    counts.damaged += damaged;
    for (const { job, features } of cached) {
      onFeatures?.(job, features);
      counts.fromCache += job.chunk.samples.length;
      report();
    }
  };
  let features = new Float32Array(0);
  for await (const { job, begin, patches_BNK } of prefetch(missingBatches(options, { chunks, onChunk }))) {
    const { samples } = job.chunk;
    const features_BE = await encode(patches_BNK);
    checkFinite(features_BE, samples.slice(begin));
    const [B, E] = features_BE.shape;
    if (begin === 0) features = new Float32Array(samples.length * E);
    features.set(features_BE.data, begin * E);
    if (begin + B === samples.length) {
      const file = await writeChunk(job.key, { shape: [samples.length, E], data: features });
      await writeFileAtomic(chunkPath(options, job.key), file);
      onFeatures?.(job, features);
    }
    counts.computed += B;
    report();
  }
  return counts;
}

/** How many views of images have no file in the store; what is in the files is not looked at. */
export async function countMissing(
  options: StoreOptions & Required<Pick<StoreOptions, "hashes">>,
  chunks: readonly FeatureChunk[],
): Promise<number> {
  const there = await namesIn(storeFolder(options));
  let missing = 0;
  for (const { chunk, hashes } of await withHashes(options, chunks)) {
    for (const view of chunk.views) {
      const key = await chunkKey(options, { view, hashes: hashes!, paths: pathsOf(chunk) });
      if (!there.has(fileName(key))) missing += chunk.samples.length;
    }
  }
  return missing;
}

/** Views of images, all counted. */
export function viewsIn(chunks: readonly FeatureChunk[]): number {
  return chunks.reduce((sum, { samples, views }) => sum + samples.length * views.length, 0);
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
  options: StoreOptions,
  { chunks, onChunk }: { chunks: readonly FeatureChunk[]; onChunk: (stored: StoredViews) => void },
): AsyncGenerator<Batch> {
  const { images } = options;
  for (const { chunk, hashes: known } of await withHashes(options, chunks)) {
    const paths = pathsOf(chunk);
    let stored = known && await storedViews(options, { chunk, hashes: known });
    let files: (Uint8Array | undefined)[] = [];
    let read: string[] = [];
    if (stored === undefined || stored.missing.length > 0) {
      ({ files, hashes: read } = await readFiles(paths, images));
      // An image may have changed since its hash was taken: features are stored by the bytes that they are made of.
      if (stored === undefined || read.some((hash, i) => hash !== known?.[i])) {
        stored = await storedViews(options, { chunk, hashes: read });
      }
    }
    onChunk(stored);
    if (stored.missing.length > 0) {
      yield* prepareBatches(options, stored.missing, decoder(paths, { files, hashes: read, images }));
    }
  }
}

/** Chunks with the hashes of their images, where hashes are kept. */
async function withHashes(
  { hashes }: StoreOptions,
  chunks: readonly FeatureChunk[],
): Promise<{ chunk: FeatureChunk; hashes?: string[] }[]> {
  const all = await hashes?.hashesOf(chunks.flatMap(pathsOf));
  let at = 0;
  return chunks.map((chunk) => ({ chunk, hashes: all?.slice(at, at += chunk.samples.length) }));
}

function pathsOf({ samples }: FeatureChunk): string[] {
  return samples.map(({ path }) => path);
}

async function storedViews(
  options: StoreOptions,
  { chunk, hashes }: { chunk: FeatureChunk; hashes: readonly string[] },
): Promise<StoredViews> {
  const stored: StoredViews = { cached: [], missing: [], damaged: 0 };
  for (const view of chunk.views) {
    const key = await chunkKey(options, { view, hashes, paths: pathsOf(chunk) });
    const job: Job = { key, chunk, view };
    const { features, damaged } = await readChunk(chunkPath(options, key), { key, rows: chunk.samples.length });
    if (features) stored.cached.push({ job, features });
    else stored.missing.push(job);
    if (damaged) stored.damaged++;
  }
  return stored;
}

async function* prepareBatches(
  options: StoreOptions,
  jobs: readonly Job[],
  decode: Decoder,
): AsyncGenerator<Batch> {
  const { imageSize: size, patch, batch = 32 } = options;
  const length = 3 * size * size;
  for (const job of jobs) {
    const { chunk: { samples }, view: recipe } = job;
    const inputs = await options.inputs?.(samples, recipe);
    for (let begin = 0; begin < samples.length; begin += batch) {
      const B = Math.min(batch, samples.length - begin);
      if (inputs !== undefined) {
        yield { job, begin, patches_BNK: rowRange(inputs, begin, begin + B) };
        continue;
      }
      const data = new Float32Array(B * length);
      await fewAtOnce(samples.slice(begin, begin + B), async ({ path }, i) => {
        const view = await decode(begin + i, (image) => viewOf(image, { size, recipe, path }));
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
  { modelId, imageSize }: StoreOptions,
  { view, hashes, paths }: { view: ViewRecipe; hashes: readonly string[]; paths: readonly string[] },
): Promise<string> {
  // Random crops depend on the path too.
  const recipe = view.kind === "test" ? ["test"] : ["train", view.seed, view.view, paths, view.leastArea ?? LEAST_AREA];
  const parts = [PREPROCESSING, modelId, imageSize, recipe, hashes];
  return sha256Hex(new TextEncoder().encode(JSON.stringify(parts)));
}

function chunkPath(options: StoreOptions, key: string): string {
  return join(storeFolder(options), fileName(key));
}

function fileName(key: string): string {
  return `${key}.safetensors`;
}

/** The features of one model. */
function storeFolder({ folder, modelId }: StoreOptions): string {
  return join(folder, modelId.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 12) || "model");
}

function checkFinite({ shape: [, E], data }: HostTensor, samples: FeatureChunk["samples"]): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new UserError(
    `The features of the image ${samples[Math.floor(at / E)].path} are not finite numbers (${data[at]}): check the ` +
      "weights, or try another engine with --engine.",
  );
}
