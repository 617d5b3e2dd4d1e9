/** The data set of a run: few-shot draws, and image features from the store or computed now. */
import { DATASET_NAMES, describeDataset } from "../data/catalogue.ts";
import type { DatasetDescription } from "../data/description.ts";
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import type { ImageSource } from "../data/source.ts";
import type { Sample } from "../data/split.ts";
import type { ClipModel } from "../clip/model.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { ReportedCircumstances } from "../eval/report.ts";
import { fileError } from "../files.ts";
import { openImageData } from "./image_data.ts";
import type { Progress } from "./progress.ts";
import type { RunValues } from "./settings.ts";
import { openStoredData, openStoredFeatures } from "./stored_data.ts";

/** What a report says of a data set, but for the counts of one evaluation. */
export type AboutData = Pick<
  ReportedCircumstances["data"],
  "name" | "source" | "splitOrigin" | "splitSha256" | "images"
>;

/** A data set, as far as runs go; from {@linkcode openData}. */
export interface RunData {
  /** For reports. */
  readonly about: AboutData;
  /** Its zero-shot template. */
  readonly template: string;
  /** The templates of the ensemble. */
  readonly ensemble: readonly string[];
  /** The images; undefined where only their features are stored. */
  readonly images?: ImageSource;
  /** Few-shot and test images of the chosen classes. */
  draw(options: { shots: number; seed: number; classes: ClassSubset }): FewShot;
  /** All validation images of the chosen classes. Throws UserError where they are not there. */
  wholeVal(classes: ClassSubset): Sample[];
  /** One sha256 of the bytes of these images, in this order. */
  sha256(samples: readonly Sample[]): Promise<string>;
  /** Features [n, E] under the test transform, as the image tower gives them. */
  features(samples: readonly Sample[], options: { what: string; seed: number }): Promise<HostTensor>;
  /** Features under training views. */
  views(samples: readonly Sample[], options: ViewsOptions): Promise<TrainingViews>;
  /** Seconds spent on features so far. */
  featureSeconds(): number;
  close(): Promise<void>;
}

/** Which training views. */
export interface ViewsOptions {
  seed: number;
  /** How many of each image. */
  count: number;
  /** The least share of an image that a view keeps; that of prompt learning when left out. */
  leastArea?: number;
}

/** Training views of some images. */
export interface TrainingViews {
  /** How many there are: as asked for, or what the sample holds when it holds fewer. */
  readonly count: number;
  /** Features [n, E] of all images in one view, as the image tower gives them. */
  view(index: number): Promise<HostTensor>;
}

/** What data is opened with. */
export interface DataOptions {
  /** What computes features; left out where none will be asked for. */
  model?: ClipModel;
  /** Whether the weights are the sample's. */
  sample: boolean;
  /** The description of the data set, where the user has one of their own. */
  description?: DatasetDescription;
  progress: Progress;
}

/** The settings that choose data. */
export type DataSettings = Pick<Partial<RunValues>, "data" | "dataset" | "split" | "model">;

/** Where computed features are kept. */
export const FEATURE_FOLDER = ".cache/features";
/** Where the hashes of images are kept. */
export const HASH_FOLDER = ".cache/hashes";

/**
 * Opens the data set that settings name: images, or without `--data` the sample's stored features.
 *
 * @throws {UserError} when it is missing, damaged, or does not fit the model
 */
export async function openData(settings: DataSettings, options: DataOptions): Promise<RunData> {
  const { data, dataset, split } = settings;
  if (data !== undefined) {
    return timed(await openImageData({ data, dataset: options.description ?? dataset, split }, options));
  }
  if (!options.sample) {
    throw new UserError(
      `The stored features belong to the sample model, not to ${settings.model}: give the images with --data DIR_OR_ZIP ` +
        "(deno task download eurosat fetches EuroSAT).",
    );
  }
  return openStoredData(await openStoredFeatures(), options.progress);
}

/**
 * Another data set to evaluate on: what was downloaded into `data/`, what lies at a path, or the sample's stored features.
 *
 * @param nameOrPath as in `--eval caltech101:all`, without the part after the colon
 * @throws {UserError} when it is not there; names the command that downloads it
 */
export async function openOtherData(nameOrPath: string, options: Omit<DataOptions, "description">): Promise<RunData> {
  if (/[\\/.]/.test(nameOrPath)) return timed(await openImageData({ data: nameOrPath }, options));
  const { name } = await describeDataset(nameOrPath);
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const folder = DATASET_NAMES.find((one) => [plain(nameOrPath), plain(name)].includes(plain(one)))!;
  const data = `data/${folder}`;
  if (await isFolder(data)) return timed(await openImageData({ data, dataset: folder }, options));
  const stored = options.sample ? await openStoredFeatures() : undefined;
  if (stored !== undefined && plain(stored.features.source.dataset) === plain(name)) {
    return openStoredData(stored, options.progress);
  }
  throw new UserError(
    `There is no ${data} to evaluate on: run "deno task download ${folder}", or name its folder or archive ` +
      "(--eval PATH:all).",
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw fileError(error, path, "read", "the data");
  }
}

/** Counts the seconds that features take. */
function timed(data: Omit<RunData, "featureSeconds">): RunData {
  let seconds = 0;
  const measure = async <T>(work: Promise<T>): Promise<T> => {
    const began = performance.now();
    try {
      return await work;
    } finally {
      seconds += (performance.now() - began) / 1000;
    }
  };
  return {
    ...data,
    features: (samples, options) => measure(data.features(samples, options)),
    views: (samples, options) => measure(data.views(samples, options)),
    featureSeconds: () => seconds,
  };
}
