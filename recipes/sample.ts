/**
 * Makes the sample's files again from EuroSAT's images: their features under the sample model, so that a fresh clone
 * trains and evaluates without images, and the images that methods inside the image tower need.
 *
 * `deno task sample --data data/eurosat` (27,000 images; about 56,000 passes of the small image tower)
 */
import { fileURLToPath } from "node:url";
import { SAMPLE_MODEL_SHA256 } from "../src/clip/weights/known.ts";
import { describeDataset } from "../src/data/catalogue.ts";
import { readSampleFeatures, type StoredSeed, writeSampleFeatures } from "../src/data/sample_features.ts";
import { type ArchivedFile, sampleImagePaths, storedZip } from "../src/data/sample_images.ts";
import type { Sample } from "../src/data/split.ts";
import type { HostTensor } from "../src/engine/ops.ts";
import { UserError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/files.ts";
import { promptSettings } from "../src/methods/prompt_settings.ts";
import { defaultOf } from "../src/methods/setting.ts";
import type { RunData } from "../src/run/data.ts";
import { openInputs } from "../src/run/inputs.ts";
import type { Progress } from "../src/run/progress.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { readFlags } from "./cli/flags.ts";
import { openProgress } from "./cli/progress.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const SHOTS = 16;
const SEEDS = [1, 2, 3];
/** What the kit's first run draws: a fresh crop for each epoch. */
const VIEWS = defaultOf(promptSettings.epochs, SHOTS)!;

const { data, dataset, split, engine, threads } = RUN_SETTINGS;
const { quiet, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = { data: { ...data, defaultWords: undefined }, dataset, split, engine, threads, quiet, debug, help };

const program: Program = {
  title: `Rebuilds the sample's stored features and images (EuroSAT, ${SHOTS} shots, seeds ${
    SEEDS.join(", ")
  }, ${VIEWS} training views).`,
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task sample --data data/eurosat"],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { given } = readFlags(args, SETTINGS);
  if (given.data === undefined) {
    throw new UserError("The sample's features come from EuroSAT's images: give them with --data EuroSAT.zip.");
  }
  const progress = openProgress({ quiet: given.quiet ?? false });
  const named = await namedDataset(given.dataset);
  const description = typeof named === "string" ? undefined : named;
  const folder = fileURLToPath(new URL("../data/sample", import.meta.url));
  const inputs = await openInputs({ ...given, engine: given.engine ?? "auto" }, { progress, description });
  if (inputs.on.model.sha256 !== SAMPLE_MODEL_SHA256) {
    throw new UserError(`${folder}/model.safetensors is not the sample model: restore it from the repository.`);
  }
  const { data } = inputs;
  const seeds = new Map<number, StoredSeed>();
  for (const seed of SEEDS) {
    const sample = data.draw({ shots: SHOTS, seed, classes: "all" });
    seeds.set(seed, {
      train: {
        ...await list(data, { samples: sample.train, what: `training images of seed ${seed}`, seed }),
        views: await allViews(data, { samples: sample.train, seed }),
      },
      val: await list(data, { samples: sample.val, what: `validation images of seed ${seed}`, seed }),
    });
  }
  const all = data.draw({ shots: SHOTS, seed: SEEDS[0], classes: "all" });
  const { about } = data;
  const bytes = writeSampleFeatures({
    dataset: about.name,
    classNames: all.classNames,
    template: (description ?? await describeDataset(about.name)).template,
    modelSha256: inputs.on.model.sha256,
    splitSha256: about.splitSha256,
    images: about.images,
    shots: SHOTS,
    seeds: SEEDS,
    views: VIEWS,
  }, { test: await list(data, { samples: all.test, what: "test images", seed: SEEDS[0] }), seeds });
  await write(folder, { name: "features.safetensors", bytes, progress });
  const stored = readSampleFeatures(bytes, "features.safetensors");
  const files: ArchivedFile[] = [];
  for (const path of sampleImagePaths(stored)) files.push({ path, bytes: await data.images!.read(path) });
  await write(folder, { name: "images.zip", bytes: storedZip(files), progress });
  await inputs.close();
}

async function write(
  folder: string,
  { name, bytes, progress }: { name: string; bytes: Uint8Array; progress: Progress },
): Promise<void> {
  await writeFileAtomic(`${folder}/${name}`, bytes);
  progress.finish(`Written: data/sample/${name}, ${(bytes.length / 2 ** 20).toFixed(1)} MiB.`);
}

async function list(
  data: RunData,
  { samples, what, seed }: { samples: Sample[]; what: string; seed: number },
): Promise<{ samples: Sample[]; features: HostTensor }> {
  return { samples, features: await data.features(samples, { what, seed }) };
}

/** All training views in one tensor [V, N, E]. */
async function allViews(data: RunData, { samples, seed }: { samples: Sample[]; seed: number }): Promise<HostTensor> {
  const views = await data.views(samples, { seed, count: VIEWS });
  const first = await views.view(0);
  const all = new Float32Array(VIEWS * first.data.length);
  for (let v = 0; v < VIEWS; v++) all.set((await views.view(v)).data, v * first.data.length);
  return { shape: [VIEWS, ...first.shape], data: all };
}
