/** Opens the data set of a run: images, the sample's stored features, or another set to evaluate on. */
import { DATASET_NAMES, describeDataset } from "../data/catalogue.ts";
import { sameName } from "../data/same_name.ts";
import { UserError } from "../errors.ts";
import { infoOf } from "../files.ts";
import type { DataOptions, RunData } from "./data.ts";
import { openImageData } from "./image_data.ts";
import type { RunValues } from "./settings.ts";
import { openSampleImages, openStoredData, openStoredFeatures } from "./stored_data.ts";

/** The settings that choose data. */
export type DataSettings = Pick<Partial<RunValues>, "data" | "dataset" | "split" | "model">;

/** `--data sample`: the images that ship with the kit. */
export const SAMPLE_IMAGES = "sample";

/**
 * Opens the data set that settings name: images, or without `--data` the sample's stored features.
 *
 * @throws {UserError} when it is missing, damaged, or does not fit the model
 */
export async function openData(settings: DataSettings, options: DataOptions): Promise<RunData> {
  const { data, dataset, split } = settings;
  if (data === undefined || data === SAMPLE_IMAGES) {
    const isOther = options.description !== undefined || dataset !== undefined && !sameName(dataset, "EuroSAT");
    const alone = isOther ? "--dataset" : split !== undefined ? "--split" : undefined;
    if (alone !== undefined) {
      throw new UserError(
        `${alone} is for images of yours, and the sample is EuroSAT with its own split: give --data, too.`,
      );
    }
  }
  if (data === SAMPLE_IMAGES || (data === undefined && options.sample && options.needsImages)) {
    return timed(await openSampleImages(options));
  }
  if (data !== undefined) {
    return timed(await openImageData({ data, dataset: options.description ?? dataset, split }, options));
  }
  if (!options.sample) {
    throw new UserError(
      `The stored features belong to the sample model, not to ${
        settings.model ?? "other activations"
      }: give the images with --data DIR_OR_ZIP ` +
        "(deno task download eurosat fetches EuroSAT).",
    );
  }
  return openStoredData(await openStoredFeatures(), options.progress);
}

/**
 * Another data set to evaluate on: what was downloaded into `data/`, what lies at a path, or what the sample
 * has of it.
 *
 * @throws {UserError} when it is not there; names the command that downloads it
 */
export async function openOtherData(nameOrPath: string, options: Omit<DataOptions, "description">): Promise<RunData> {
  if (/[\\/.]/.test(nameOrPath)) return timed(await openImageData({ data: nameOrPath }, options));
  const { name } = await describeDataset(nameOrPath);
  const folder = DATASET_NAMES.find((one) => sameName(one, nameOrPath) || sameName(one, name))!;
  const data = `data/${folder}`;
  if ((await infoOf(data, "the data"))?.isDirectory) {
    return timed(await openImageData({ data, dataset: folder }, options));
  }
  const stored = options.sample ? await openStoredFeatures() : undefined;
  if (stored !== undefined && sameName(stored.features.source.dataset, name)) {
    if (options.needsImages) return timed(await openSampleImages(options));
    return openStoredData(stored, options.progress);
  }
  throw new UserError(
    `There is no ${data} to evaluate on: run "deno task download ${folder}", or name its folder or archive ` +
      "(--eval PATH:all).",
  );
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
