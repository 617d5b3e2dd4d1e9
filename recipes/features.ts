/**
 * Rebuilds the sample's stored features: EuroSAT's images under the sample model, so that a fresh clone trains and
 * evaluates without images.
 *
 * `deno task features --data data/eurosat` (27,000 images; about 56,000 passes of the small image tower)
 */
import { fileURLToPath } from "node:url";
import { loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { loadWeights } from "../src/clip/weights/load.ts";
import { openDataset } from "../src/data/dataset.ts";
import { getFeatures } from "../src/data/feature_cache.ts";
import { fewShot } from "../src/data/few_shot.ts";
import {
  SAMPLE_MODEL_SHA256,
  type SampleSource,
  type StoredSeed,
  writeSampleFeatures,
} from "../src/data/sample_features.ts";
import type { Sample } from "../src/data/split.ts";
import type { ViewRecipe } from "../src/data/views.ts";
import { openEngine } from "../src/engine/choose.ts";
import type { HostTensor } from "../src/engine/ops.ts";
import { UserError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/files.ts";
import { PRESETS } from "../src/train/presets.ts";
import { common, readSettings } from "./cli/config.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { openProgress } from "./cli/progress.ts";
import { type RecipeInfo, runRecipe } from "./cli/recipe.ts";

const SHOTS = 16;
const SEEDS = [1, 2, 3];
/** What preset seed-notebook draws: a fresh crop for each epoch. */
const VIEWS = PRESETS["seed-notebook"].methods.cocoop(SHOTS).epochs;

const recipe: RecipeInfo = {
  method: "features",
  title: `Rebuilds the sample's stored features (EuroSAT, ${SHOTS} shots, seeds ${
    SEEDS.join(", ")
  }, ${VIEWS} training views).`,
  url: import.meta.url,
  settings: ["data", "dataset", "split", "engine", "threads", "quiet", "debug", "help"],
  examples: ["deno task features --data data/eurosat"],
};

if (import.meta.main) await runRecipe(recipe, main);

async function main(args: string[]): Promise<void> {
  const config = common(await readSettings(args, recipe.settings));
  if (config.data === undefined) {
    throw new UserError("The sample's features come from EuroSAT's images: give them with --data EuroSAT.zip.");
  }
  const progress = openProgress({ quiet: config.quiet });
  const folder = fileURLToPath(new URL("../data/sample", import.meta.url));
  const weights = await loadWeights(`${folder}/model.safetensors`);
  if (weights.sha256 !== SAMPLE_MODEL_SHA256) {
    throw new UserError(`${folder}/model.safetensors is not the sample model: restore it from the repository.`);
  }
  const dataset = await openDataset({
    data: config.data,
    dataset: await namedDataset(config.dataset),
    split: config.split,
  });
  const engine = await openEngine(config.engine, { threads: config.threads, log: (line) => progress.say(line) });
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });

  async function features(samples: readonly Sample[], views: readonly ViewRecipe[], what: string): Promise<HostTensor> {
    const { features_VNE } = await getFeatures({
      folder: ".cache/features",
      modelId: `${weights.sha256} ${engine.name}`,
      imageSize: model.config.image.size,
      patch: model.config.image.patch,
      samples,
      images: dataset.images,
      views,
      encode: (patches) => model.encodeImages(patches),
      onProgress: ({ done, total }) =>
        progress.update({ what, done, total, unit: "images", milestone: done === total }),
    });
    return features_VNE;
  }
  const list = async (samples: Sample[], what: string) => {
    const { shape: [, N, E], data } = await features(samples, [{ kind: "test" }], what);
    return { samples, features: { shape: [N, E], data } };
  };

  const seeds = new Map<number, StoredSeed>();
  for (const seed of SEEDS) {
    const sample = fewShot(dataset.split, { shots: SHOTS, seed, classes: "all" });
    const recipes = Array.from({ length: VIEWS }, (_, view): ViewRecipe => ({ kind: "train", view, seed }));
    seeds.set(seed, {
      train: {
        ...await list(sample.train, `training images of seed ${seed}`),
        views: await features(sample.train, recipes, `training views of seed ${seed}`),
      },
      val: await list(sample.val, `validation images of seed ${seed}`),
    });
  }
  const all = fewShot(dataset.split, { shots: SHOTS, seed: SEEDS[0], classes: "all" });
  const source: SampleSource = {
    dataset: dataset.name,
    classNames: all.classNames,
    template: dataset.template,
    modelSha256: weights.sha256,
    splitSha256: dataset.splitSha256,
    images: dataset.images.count,
    shots: SHOTS,
    seeds: SEEDS,
    views: VIEWS,
  };
  const bytes = writeSampleFeatures(source, { test: await list(all.test, "test images"), seeds });
  await writeFileAtomic(`${folder}/features.safetensors`, bytes);
  progress.finish(`Written: data/sample/features.safetensors, ${(bytes.length / 2 ** 20).toFixed(1)} MiB.`);
  await dataset.images.close();
  await model.dispose();
  await engine.dispose();
}
