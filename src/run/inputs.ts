/**
 * On what a recipe runs: a model on an engine, a data set, and image features of it, from the store or computed now.
 *
 * Without `--data`, the features that ship with the kit are taken: EuroSAT under the sample model.
 */
import { fileURLToPath } from "node:url";
import { type ClipModel, loadModel } from "../clip/model.ts";
import { loadTokenizer } from "../clip/tokenizer.ts";
import { loadWeights } from "../clip/weights/load.ts";
import { DATASET_NAMES, describeDataset, ensembleTemplates, knownDatasets } from "../data/catalogue.ts";
import { openDataset } from "../data/dataset.ts";
import type { DatasetDescription } from "../data/description.ts";
import { type Features, getFeatures } from "../data/feature_cache.ts";
import { chooseClasses, type ClassSubset, type FewShot, fewShot } from "../data/few_shot.ts";
import { findModel } from "../data/models.ts";
import {
  readSampleFeatures,
  SAMPLE_MODEL_SHA256,
  type SampleFeatures,
  STORED_SOURCE,
} from "../data/sample_features.ts";
import type { ImageSource } from "../data/source.ts";
import type { Sample } from "../data/split.ts";
import type { ViewRecipe } from "../data/views.ts";
import { openEngine } from "../engine/choose.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { ReportedCircumstances } from "../eval/report.ts";
import { fileError, readBytes } from "../files.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import type { CommonConfig } from "../../recipes/cli/config.ts";
import type { Progress } from "../../recipes/cli/progress.ts";

/** Where computed features are kept. */
const FEATURE_FOLDER = ".cache/features";

/** The template that the sample model was made for; it knows few other words (its model card). */
const SAMPLE_TEMPLATE = "a photo of a {}.";

/** The settings of a recipe, with the data set as `openDataset` takes it. */
export type InputsConfig = Omit<CommonConfig, "dataset"> & { dataset?: string | DatasetDescription };

/** Everything that a recipe works on. */
export interface Inputs {
  readonly model: ClipModel;
  /** For the report. */
  readonly on: {
    model: ReportedCircumstances["model"];
    engine: ReportedCircumstances["engine"];
    data: Pick<ReportedCircumstances["data"], "name" | "source" | "splitOrigin" | "splitSha256" | "images">;
  };
  /** The data set's zero-shot template, and those of the ensemble. */
  readonly template: string;
  readonly ensemble: readonly string[];
  /** The images, when they are there. */
  readonly images?: ImageSource;
  /** Few-shot and test images of the chosen classes. */
  fewShot(options: { shots: number; seed: number; classes: ClassSubset }): FewShot;
  /** All validation images of the chosen classes, which some published code tunes on; a sentence why not, when they are not there. */
  wholeVal(classes: ClassSubset): Sample[];
  /** Features [n, E] of images under the test transform, L2-normalised; `raw` as the image tower gives them. */
  plain(samples: readonly Sample[], options: { what: string; seed: number; raw?: boolean }): Promise<HostTensor>;
  /** Features under training views; see {@linkcode TrainingViews}. */
  views(
    samples: readonly Sample[],
    options: { seed: number; count: number; leastArea?: number; raw?: boolean },
  ): Promise<TrainingViews>;
  /**
   * Opens another data set under the same model; {@linkcode Inputs.close} closes it.
   *
   * @param nameOrPath one of `data/`, by its name, or the path of its images
   * @throws {UserError} when it is not there; names the command that downloads it
   */
  other(nameOrPath: string): Promise<OtherData>;
  /** Seconds spent on features so far. */
  featureSeconds(): number;
  close(): Promise<void>;
}

/** A data set, as far as evaluation goes. */
export type OtherData = Pick<Inputs, "fewShot" | "plain" | "images"> & { about: Inputs["on"]["data"] };

/** Training views of some images. */
export interface TrainingViews {
  /** How many there are: as asked for, or what the sample holds when it holds fewer. */
  readonly count: number;
  /** Features [n, E] of all images in one view, L2-normalised unless asked for raw. */
  view(index: number): Promise<HostTensor>;
}

type DataPart = Omit<Inputs, "model" | "on" | "featureSeconds" | "other" | "close"> & {
  about: Inputs["on"]["data"];
  close(): Promise<void>;
};

/** The address of a file of the sample. */
function sampleFile(name: string): string {
  const url = new URL(`../../data/sample/${name}`, import.meta.url);
  if (url.protocol === "file:") return fileURLToPath(url);
  throw new UserError(
    "The sample model and its features come with a clone of the kit, and this recipe runs from a URL: " +
      "give --model FILE and --data DIR_OR_ZIP.",
  );
}

/**
 * Opens what the settings name. The caller closes it.
 *
 * @throws {UserError} when anything named is missing, damaged, or does not fit the rest
 */
export async function openInputs(config: InputsConfig, progress: Progress): Promise<Inputs> {
  const found = config.model === undefined
    ? { path: sampleFile("model.safetensors"), name: "sample" }
    : await findModel(config.model);
  const [weights, tokenizer] = await Promise.all([loadWeights(found.path), loadTokenizer()]);
  const sample = weights.sha256 === SAMPLE_MODEL_SHA256;
  if (config.data === undefined && !sample) {
    throw new UserError(
      `The stored features belong to the sample model, not to ${found.path}: give the images with --data DIR_OR_ZIP ` +
        "(deno task download eurosat fetches EuroSAT).",
    );
  }
  const engine = await openEngine(config.engine, {
    threads: config.threads,
    device: config.device,
    log: (line) => progress.say(line),
  });
  const model = loadModel(weights, { engine, tokenizer });
  let seconds = 0;
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    try {
      return await work();
    } finally {
      seconds += (performance.now() - began) / 1000;
    }
  };
  try {
    const data = config.data === undefined
      ? storedData(await openSample(), progress)
      : await imageData({ ...config, data: config.data }, { model, sample, progress });
    const others: DataPart[] = [];
    return {
      ...data,
      model,
      async other(nameOrPath) {
        const found = await openOther(nameOrPath, { config, model, sample, progress });
        others.push(found);
        return { ...found, plain: (samples, options) => timed(() => found.plain(samples, options)) };
      },
      on: {
        model: { name: sample ? "sample" : found.name, sha256: weights.sha256, config: weights.config, sample },
        engine: { name: engine.name, device: engine.device, threads: engine.threads },
        data: data.about,
      },
      plain: (samples, options) => timed(() => data.plain(samples, options)),
      views: (samples, options) => timed(() => data.views(samples, options)),
      featureSeconds: () => seconds,
      async close() {
        for (const one of [data, ...others]) await one.close();
        await model.dispose();
        await engine.dispose();
      },
    };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** Another data set: what was downloaded into `data/`, what lies at a path, or the sample's stored features. */
async function openOther(
  nameOrPath: string,
  options: { config: InputsConfig; model: ClipModel; sample: boolean; progress: Progress },
): Promise<DataPart> {
  const { config, sample, progress } = options;
  if (/[\\/.]/.test(nameOrPath)) {
    return await imageData({ ...config, data: nameOrPath, dataset: undefined, split: undefined }, options);
  }
  const { name } = describeDataset(nameOrPath);
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const folder = DATASET_NAMES.find((one) => [plain(nameOrPath), plain(name)].includes(plain(one)))!;
  const data = `data/${folder}`;
  if (await isFolder(data)) return await imageData({ ...config, data, dataset: folder, split: undefined }, options);
  const stored = sample ? await openSample() : undefined;
  if (stored !== undefined && plain(stored.source.dataset) === plain(name)) return storedData(stored, progress);
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

function unit(features: HostTensor, { raw }: { raw?: boolean }): HostTensor {
  return raw ? features : normalizeRows(features);
}

async function openSample(): Promise<SampleFeatures> {
  const path = sampleFile("features.safetensors");
  return readSampleFeatures(await readBytes(path, "the sample's stored features"), path);
}

function storedData(stored: SampleFeatures, progress: Progress): DataPart {
  const { source } = stored;
  progress.say(
    `Data: ${source.dataset}, ${
      source.images.toLocaleString("en-US")
    } images; features of the sample model are stored, ` +
      "so no image is read.",
  );
  let told = 0;
  const drawn = (seed: number, shots: number) => {
    const split = stored.split(seed);
    if (shots === source.shots) return split;
    if (shots > source.shots) {
      throw new UserError(
        `The sample holds ${source.shots} training images a class and not ${shots}: take fewer with --shots, or give the ` +
          "images with --data EuroSAT.zip.",
      );
    }
    if (told !== shots) {
      progress.say(
        `The sample holds the published ${source.shots}-shot draw; ${shots} ${
          shots === 1 ? "shot is its first image" : "shots are its first images"
        } of each class, not the published ${shots}-shot draw (that needs --data EuroSAT.zip).`,
      );
    }
    told = shots;
    const first = (samples: Sample[], count: number) =>
      [
        ...Map.groupBy(samples, ({ label }) => label).values(),
      ].flatMap((items) => items.slice(0, count));
    return { ...split, train: first(split.train, shots), val: first(split.val, shots) };
  };
  return {
    about: {
      name: source.dataset,
      source: STORED_SOURCE,
      splitOrigin: `stored with the sample's features, drawn with ${source.shots} shots`,
      splitSha256: source.splitSha256,
      images: source.images,
    },
    template: SAMPLE_TEMPLATE,
    ensemble: ensembleTemplates(
      knownDatasets().find(({ name }) => name.toLowerCase() === source.dataset.toLowerCase())!,
    ),
    fewShot: ({ shots, seed, classes }) => chooseClasses(drawn(seed, shots), classes),
    wholeVal() {
      throw new UserError(
        "The sample holds only the few-shot validation images: give all images with --data EuroSAT.zip, or leave --tune-on out.",
      );
    },
    plain: (samples, { seed, raw }) => Promise.resolve(unit(stored.plain(samples, seed), { raw })),
    views(samples, { seed, count, leastArea, raw }) {
      if (leastArea !== undefined) {
        progress.say(
          "The sample's training views are crops of at least 8 % of an image; this method was published with at least 50 %.",
        );
      }
      if (count > source.views) {
        progress.say(
          `The sample holds ${source.views} training views of an image; later epochs take them again from the first.`,
        );
      }
      return Promise.resolve({
        count: Math.min(count, source.views),
        view: (index) => Promise.resolve(unit(stored.view(samples, { seed, view: index }), { raw })),
      });
    },
    close: () => Promise.resolve(),
  };
}

async function imageData(
  config: InputsConfig & { data: string },
  options: { model: ClipModel; sample: boolean; progress: Progress },
): Promise<DataPart> {
  const { model, progress } = options;
  const dataset = await openDataset(config);
  const { split, images } = dataset;
  progress.say(
    `Data: ${dataset.name}, ${
      images.count.toLocaleString("en-US")
    } images in ${images.describe}; split ${dataset.splitOrigin}.`,
  );

  async function features(samples: readonly Sample[], views: readonly ViewRecipe[], what: string): Promise<Features> {
    const total = samples.length * views.length;
    const found = await getFeatures({
      folder: FEATURE_FOLDER,
      modelId: `${model.sha256} ${model.engine.name}`,
      imageSize: model.config.image.size,
      patch: model.config.image.patch,
      samples,
      images,
      views,
      encode: (patches) => model.encodeImages(patches),
      onProgress: ({ done, fromCache }) =>
        progress.update({
          what: `image features, ${what}`,
          done,
          total,
          unit: "images",
          detail: fromCache > 0 ? `${fromCache} from the cache` : undefined,
          milestone: done === total || Math.floor(done / total * 10) > Math.floor((done - 32) / total * 10),
        }),
    });
    if (found.damaged > 0) progress.say(`${found.damaged} damaged files of the feature cache were made anew.`);
    progress.finish(
      found.computed === 0
        ? `Image features, ${what}: all ${total} from the cache in ${FEATURE_FOLDER}, the image tower did not run.`
        : `Image features, ${what}: ${found.computed} computed, ${found.fromCache} from the cache in ${FEATURE_FOLDER}.`,
    );
    return found;
  }

  const oneView = ({ features_VNE }: Features, index: number, options: { raw?: boolean }): HostTensor => {
    const [, N, E] = features_VNE.shape;
    return unit({ shape: [N, E], data: features_VNE.data.subarray(index * N * E, (index + 1) * N * E) }, options);
  };

  return {
    about: {
      name: dataset.name,
      source: images.describe,
      splitOrigin: dataset.splitOrigin,
      splitSha256: dataset.splitSha256,
      images: images.count,
    },
    // The sample model knows the words of one template only.
    template: options.sample ? SAMPLE_TEMPLATE : dataset.template,
    ensemble: dataset.ensemble,
    images,
    fewShot: (choice) => fewShot(split, choice),
    wholeVal: (classes) => chooseClasses(split, classes).val,
    plain: async (samples, { what, raw }) => oneView(await features(samples, [{ kind: "test" }], what), 0, { raw }),
    async views(samples, { seed, count, leastArea, raw }) {
      const recipes = Array.from(
        { length: count },
        (_, view): ViewRecipe => ({ kind: "train", view, seed, leastArea }),
      );
      const all = await features(samples, recipes, `${count} training views`);
      return { count, view: (index) => Promise.resolve(oneView(all, index, { raw })) };
    },
    close: () => images.close(),
  };
}
