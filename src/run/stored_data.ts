/** What of EuroSAT ships with the kit: features under the sample model, and the images for methods that need images. */
import { fileURLToPath } from "node:url";
import { ensembleTemplates, knownDatasets } from "../data/catalogue.ts";
import type { DatasetDescription } from "../data/description.ts";
import { chooseClasses } from "../data/few_shot.ts";
import { sameName } from "../data/same_name.ts";
import { readSampleFeatures, type SampleFeatures, STORED_SOURCE } from "../data/sample_features.ts";
import { openImages } from "../data/source.ts";
import type { Sample, Split } from "../data/split.ts";
import { UserError } from "../errors.ts";
import { infoOf, readBytes, sha256Hex, writeFileAtomic } from "../files.ts";
import { type DataOptions, type RunData, SAMPLE_TEMPLATE } from "./data.ts";
import { imageData } from "./image_data.ts";
import type { Progress } from "./progress.ts";

/** Where the sample's files are kept when the kit runs from a URL and has none beside it. */
const FETCHED = ".cache/sample";

/**
 * The path of a file of the sample: beside the kit's code, or fetched once from where that comes from.
 *
 * @throws {UserError} when it cannot be fetched
 */
export async function sampleFile(name: string): Promise<string> {
  const url = new URL(`../../data/sample/${name}`, import.meta.url);
  if (url.protocol === "file:") return fileURLToPath(url);
  const path = `${FETCHED}/${name}`;
  if ((await infoOf(path, "the sample"))?.isFile) return path;
  const response = await fetch(url).catch((error) => {
    throw error instanceof TypeError ? new UserError(`${url} does not answer: check the connection.`) : error;
  });
  if (!response.ok) throw new UserError(`${url} answers ${response.status}: give --model FILE and --data DIR_OR_ZIP.`);
  await writeFileAtomic(path, await response.bytes());
  return path;
}

/** The sample's features, and the hash of their file. */
export interface StoredFeatures {
  features: SampleFeatures;
  sha256: string;
}

/** Reads the sample's features. */
export async function openStoredFeatures(): Promise<StoredFeatures> {
  const path = await sampleFile("features.safetensors");
  const bytes = await readBytes(path, "the sample's stored features");
  return { features: readSampleFeatures(bytes, path), sha256: await sha256Hex(bytes) };
}

/** Stored features as a data set. */
export function openStoredData({ features: stored, sha256 }: StoredFeatures, progress: Progress): RunData {
  const { source } = stored;
  progress.say(
    `Data: ${source.dataset}, ${
      source.images.toLocaleString("en-US")
    } images; features of the sample model are stored, so no image is read.`,
  );
  const drawn = drawing(stored, progress);
  return {
    about: {
      name: source.dataset,
      source: STORED_SOURCE,
      splitOrigin: `stored with the sample's features, drawn with ${source.shots} shots`,
      splitSha256: source.splitSha256,
      images: source.images,
    },
    template: SAMPLE_TEMPLATE,
    ensemble: ensembleTemplates(describedAs(source.dataset)),
    warnings: [],
    draw: ({ shots, seed, classes }) => chooseClasses(drawn(seed, shots), classes),
    wholeVal() {
      throw new UserError(NO_WHOLE_VAL);
    },
    // Not of images, which are not there: of the features, and of which of them.
    sha256: (samples) => sha256Hex(new TextEncoder().encode([sha256, ...samples.map(({ path }) => path)].join("\n"))),
    features(samples, { seed, encoder }) {
      if (encoder !== undefined) throw new Error("Stored features cannot be encoded anew");
      return Promise.resolve(stored.plain(samples, seed));
    },
    views(samples, { seed, count, leastArea }) {
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
        view: (index) => Promise.resolve(stored.view(samples, { seed, view: index })),
      });
    },
    featureSeconds: () => 0,
    close: () => Promise.resolve(),
  };
}

/**
 * The images that ship with the kit, for methods that need images: the few-shot images of the stored seeds, and 100 test
 * images a class.
 */
export async function openSampleImages(options: DataOptions): Promise<Omit<RunData, "featureSeconds">> {
  const { features } = await openStoredFeatures();
  const { source } = features;
  const images = await openImages(await sampleFile("images.zip"));
  const drawn = drawing(features, options.progress);
  return await imageData({
    about: {
      name: source.dataset,
      source: SAMPLE_IMAGES_SOURCE,
      splitOrigin:
        `of the sample: drawn with ${source.shots} shots, and 100 test images a class, which are a part of the ` +
        "published test images",
      splitSha256: source.splitSha256,
      images: images.count,
    },
    template: options.sample ? SAMPLE_TEMPLATE : describedAs(source.dataset).template,
    ensemble: ensembleTemplates(describedAs(source.dataset)),
    warnings: [],
    images,
    draw({ shots, seed, classes }) {
      const split = drawn(seed, shots);
      return chooseClasses({ ...split, test: split.test.filter(({ path }) => images.has(path)) }, classes);
    },
    wholeVal() {
      throw new UserError(NO_WHOLE_VAL);
    },
  }, options);
}

/** The few-shot images of a seed and all test images; fewer shots than the sample holds are told of once. */
function drawing(
  { source, split: stored }: SampleFeatures,
  progress: Progress,
): (seed: number, shots: number) => Split {
  let told = 0;
  return (seed, shots) => {
    const split = stored(seed);
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
    return { ...split, train: first(split.train, shots), val: first(split.val, shots) };
  };
}

/** The first images of each class. */
function first(samples: Sample[], count: number): Sample[] {
  return [...Map.groupBy(samples, ({ label }) => label).values()].flatMap((items) => items.slice(0, count));
}

function describedAs(dataset: string): DatasetDescription {
  return knownDatasets().find(({ name }) => sameName(name, dataset))!;
}

const NO_WHOLE_VAL =
  "The sample holds only the few-shot validation images: give all images with --data EuroSAT.zip, or leave --tune-on out.";

/** What a report names as the source of the sample's images. */
const SAMPLE_IMAGES_SOURCE = "images in data/sample (a part of the test images)";
