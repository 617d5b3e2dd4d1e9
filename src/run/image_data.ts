/** Images as a data set: features come from the store in `.cache/features`, or are computed now. */
import { activationOf, unusual } from "../clip/config.ts";
import { patchesOf } from "../data/batches.ts";
import { openDataset } from "../data/dataset.ts";
import type { DatasetDescription } from "../data/description.ts";
import {
  countMissing,
  type FeatureCounts,
  type Features,
  fillStore,
  getFeatures,
  type StoreOptions,
  viewsIn,
} from "../data/feature_cache.ts";
import { chooseClasses, fewShot } from "../data/few_shot.ts";
import { readImageHead } from "../data/image.ts";
import { openImageHashes } from "../data/image_hashes.ts";
import type { ImageSource } from "../data/image_source.ts";
import type { Sample } from "../data/split.ts";
import { trainingRecipes, type ViewRecipe } from "../data/views.ts";
import type { HostTensor } from "../engine/ops.ts";
import {
  type DataOptions,
  type Encoder,
  type LowerBlocks,
  type NeededChunk,
  type PatchesOptions,
  type RunData,
  SAMPLE_TEMPLATE,
} from "./data.ts";
import { requireRoom } from "./room.ts";
import { lowerBytes, lowerSentence } from "./lower_blocks.ts";

/** Where computed features are kept. */
export const FEATURE_FOLDER = ".cache/features";
/** Where the hashes of images are kept. */
const HASH_FOLDER = ".cache/hashes";

/** Images that are encoded at once: progress moves by as many. */
const BATCH = 32;

/** Opens images and their split. */
export async function openImageData(
  settings: { data: string; dataset?: string | DatasetDescription; split?: string },
  options: DataOptions,
): Promise<Omit<RunData, "featureSeconds">> {
  const { name, template, ensemble, split, splitOrigin, splitSha256, warnings, images } = await openDataset(settings);
  return await imageData({
    about: { name, source: images.describe, splitOrigin, splitSha256, images: images.count },
    // The sample model knows the words of one template only.
    template: options.sample ? SAMPLE_TEMPLATE : template,
    ensemble,
    warnings,
    images,
    draw: (choice) => fewShot(split, choice),
    wholeVal: (classes) => chooseClasses(split, classes).val,
  }, options);
}

/** A data set whose images are there, with its way of drawing. */
export type DrawnImages =
  & Pick<RunData, "about" | "template" | "ensemble" | "warnings" | "draw" | "wholeVal">
  & { images: ImageSource };

/** Adds features and patches to images. */
export async function imageData(
  drawn: DrawnImages,
  { model, progress }: DataOptions,
): Promise<Omit<RunData, "featureSeconds">> {
  const { about, images } = drawn;
  const hashes = await openImageHashes({
    folder: HASH_FOLDER,
    images,
    check: readImageHead,
    onProgress: ({ done, total }) => progress.update({ what: "reading images", done, total, unit: "images" }),
  });
  progress.say(
    `Data: ${about.name}, ${
      about.images.toLocaleString("en-US")
    } images in ${images.describe}; split ${about.splitOrigin}.`,
  );
  for (const text of drawn.warnings) progress.say(`warning: ${text}`);
  const bound = () => {
    if (model === undefined) throw new Error("These images were opened without a model");
    return model;
  };

  /** The store of features that are encoded in one way. */
  function storeOf(
    { encodedBy, ...others }: Pick<StoreOptions, "encode"> & Partial<StoreOptions> & { encodedBy?: string },
  ): StoreOptions & Required<Pick<StoreOptions, "hashes">> {
    const { sha256, engine, config } = bound();
    const { image } = config;
    const activation = activationOf(config);
    // Of most models what it was before there were others.
    const rules = [activation === "quickgelu" ? "" : activation, unusual(config)].filter((rule) => rule !== "");
    return {
      folder: FEATURE_FOLDER,
      modelId: [sha256, ...rules, engine.name, ...encodedBy === undefined ? [] : [encodedBy]].join(" "),
      imageSize: image.size,
      patch: image.patch,
      images,
      hashes,
      batch: BATCH,
      ...others,
    };
  }

  /** What the frozen tower gives, or its blocks below all learned tokens. */
  function frozenStore(below: LowerBlocks | undefined) {
    if (below === undefined) return storeOf({ encode: bound().encodeImages });
    return storeOf({ encode: below.encode, encodedBy: `first ${below.count} blocks` });
  }

  /** What the blocks below all learned tokens give of some images in one view. */
  async function lowerRows(
    samples: readonly { path: string }[],
    { recipe, below }: { recipe: ViewRecipe; below: LowerBlocks },
  ): Promise<HostTensor> {
    const { features_VNE } = await getFeatures({ ...frozenStore(below), samples, views: [recipe] });
    return { shape: features_VNE.shape.slice(1), data: features_VNE.data };
  }

  async function features(
    samples: readonly Sample[],
    views: readonly ViewRecipe[],
    { what, encoder }: { what: string; encoder?: Encoder },
  ): Promise<Features> {
    const total = samples.length * views.length;
    const below = encoder?.below;
    await requireRoom({
      folder: FEATURE_FOLDER,
      bytes: total * bound().config.embedding * 4,
      what: `The features of ${what} (${samples.length.toLocaleString("en-US")} images)`,
      advice: views.length > 1 ? "take fewer --views" : "take fewer images",
      inMemory: true,
    });
    const fromBelow = below !== undefined && lowerBytes(below, total) <= below.most;
    let told = below === undefined;
    const tell = () => {
      if (!told) progress.say(lowerSentence(below!, { images: total, what }));
      told = true;
    };
    const store = storeOf({
      encodedBy: encoder?.id,
      encode: fromBelow ? below.onwards : encoder?.encode ?? bound().encodeImages,
      ...(fromBelow && {
        inputs: (samples, recipe) => {
          tell();
          return lowerRows(samples, { recipe, below });
        },
      }),
      onProgress(count) {
        if (count.done > count.fromCache) tell();
        update(what, count);
      },
    });
    const found = await getFeatures({ ...store, samples, views });
    tellCounts(what, found);
    return found;
  }

  function update(what: string, { done, total, fromCache }: { done: number; total: number; fromCache: number }): void {
    progress.update({
      what: `image features, ${what}`,
      done,
      total,
      unit: "images",
      detail: fromCache > 0 ? `${fromCache} from the cache` : undefined,
      milestone: done === total || Math.floor(done / total * 10) > Math.floor((done - BATCH) / total * 10),
    });
  }

  function tellCounts(what: string, { computed, fromCache, damaged }: FeatureCounts): void {
    if (damaged > 0) progress.say(`${damaged} damaged files of the feature cache were computed again.`);
    progress.finish(
      computed === 0
        ? `Image features, ${what}: all ${fromCache} from the cache in ${FEATURE_FOLDER}, the image tower did not run.`
        : `Image features, ${what}: ${computed} computed, ${fromCache} from the cache in ${FEATURE_FOLDER}.`,
    );
  }

  const oneView = ({ features_VNE: { shape: [, N, E], data } }: Features, index: number): HostTensor => ({
    shape: [N, E],
    data: data.subarray(index * N * E, (index + 1) * N * E),
  });

  return {
    ...drawn,
    hashesOf: (samples) => hashes.hashesOf(samples.map(({ path }) => path)),
    sha256: (samples) => hashes.imagesSha256(samples.map(({ path }) => path)),
    features: async (samples, options) => oneView(await features(samples, [{ kind: "test" }], options), 0),
    async views(samples, { seed, count, leastArea }) {
      const recipes = trainingRecipes({ seed, count, leastArea });
      const all = await features(samples, recipes, { what: `${count} training views` });
      return { count, view: (index) => Promise.resolve(oneView(all, index)) };
    },
    patches: (samples, options) => patchesOf(samples, { ...bound().config.image, images, recipe: recipeOf(options) }),
    lowerRows: (samples, { below, ...options }) => lowerRows(samples, { recipe: recipeOf(options), below }),
    store: {
      async missing(chunks) {
        let missing = 0;
        for (const [below, own] of byBlocks(chunks)) missing += await countMissing(frozenStore(below), own);
        return missing;
      },
      async fill(chunks, { what }) {
        const total = viewsIn(chunks);
        const bytesOf = ([below, own]: [LowerBlocks | undefined, NeededChunk[]]) =>
          viewsIn(own) * (below?.numbers ?? bound().config.embedding) * 4;
        await requireRoom({
          folder: FEATURE_FOLDER,
          bytes: byBlocks(chunks).entries().map(bytesOf).reduce((sum, bytes) => sum + bytes, 0),
          what: `The features of ${what}`,
          advice: "take fewer --views",
          inMemory: false,
        });
        const all = { fromCache: 0, computed: 0, damaged: 0 };
        for (const [below, own] of byBlocks(chunks)) {
          const { fromCache, computed } = all;
          const onProgress: StoreOptions["onProgress"] = (count) =>
            update(what, { done: fromCache + computed + count.done, total, fromCache: fromCache + count.fromCache });
          const counts = await fillStore({ ...frozenStore(below), onProgress }, { chunks: own });
          for (const name of ["fromCache", "computed", "damaged"] as const) all[name] += counts[name];
        }
        tellCounts(what, all);
        return all;
      },
    },
    close: () => images.close(),
  };
}

/** Chunks by what gives them, in the order of their first ones. */
function byBlocks(chunks: readonly NeededChunk[]): Map<LowerBlocks | undefined, NeededChunk[]> {
  return Map.groupBy(chunks, ({ below }) => below);
}

function recipeOf({ seed, view, leastArea }: PatchesOptions): ViewRecipe {
  return view === undefined ? { kind: "test" } : { kind: "train", view, seed, leastArea };
}
