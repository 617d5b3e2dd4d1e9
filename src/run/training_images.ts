/** The images of a training: frozen features of each view where they are read, and what a prompted image tower starts from. */
import type { Sample } from "../data/split.ts";
import { rowsAt } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import { type PromptLearning, readsFrozenImages } from "../methods/method.ts";
import type { PromptSettings } from "../methods/prompt_settings.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import type { PromptSession } from "../prompt/session.ts";
import type { TrainingImages } from "../train/training.ts";
import { FEATURE_FOLDER } from "./image_data.ts";
import { requireRoom } from "./room.ts";
import { lowerBlocks, lowerBytes, lowerSentence } from "./lower_blocks.ts";
import type { SeedRun } from "./learned.ts";

/** Image features as a session takes them: of unit length, or as they are where the method has a head. */
export function seenBy({ method: { head } }: PromptSession, features: HostTensor): HostTensor {
  return head === undefined ? normalizeRows(features) : features;
}

/** The images that a prompt is trained on. */
export async function trainingImages(
  run: SeedRun,
  { samples, session, method }: { samples: readonly Sample[]; session: PromptSession; method: PromptLearning },
): Promise<TrainingImages> {
  const { inputs: { data }, config } = run;
  const seed = run.seed!;
  const { leastArea } = method;
  const { views: asked, epochs } = config.values as PromptSettings;
  const labels = Int32Array.from(samples, ({ label }) => label);
  const isPlain = asked === 0;
  const count = isPlain ? 1 : asked === "epochs" ? epochs : asked;
  const below = lowerBlocks(run, session);
  const lowerTotal = below === undefined ? 0 : lowerBytes(below, samples.length * count);
  const isStored = below !== undefined && lowerTotal <= below.most;
  if (isStored) {
    await requireRoom({
      folder: FEATURE_FOLDER,
      bytes: lowerTotal,
      what: `The output of the first ${below.count} blocks for training views`,
      advice: "compute it each time with --lower-store 0",
      inMemory: false,
    });
  }
  const views = !readsFrozenImages(method, config.values)
    ? undefined
    : isPlain
    ? { count, view: () => data.features(samples, { what: "training images", seed }) }
    : await data.views(samples, { seed, count, leastArea });
  const recipe = (view: number) => ({ seed, view: isPlain ? undefined : view, leastArea });
  const patchesAt = (indices: readonly number[], view: number) =>
    data.patches!(indices.map((index) => samples[index]), recipe(view));
  return {
    labels,
    views: views?.count ?? count,
    ...(views && { view: async (index: number) => seenBy(session, await views.view(index)) }),
    ...(session.encodeImages === undefined ? {} : { patches: startOf() }),
  };

  /** From patches, or from what the blocks below all learned tokens give: stored where it fits, computed where not. */
  function startOf(): TrainingImages["patches"] {
    const { lower } = session;
    if (lower === undefined || below === undefined) return patchesAt;
    run.progress.say(lowerSentence(below, { images: samples.length * count, what: "training views" }));
    if (!isStored) {
      return async (indices, view) => await lower.rows(await patchesAt(indices, view));
    }
    let held: { view: number; rows: Promise<HostTensor> } | undefined;
    return async (indices, view) => {
      if (held?.view !== view) held = { view, rows: data.lowerRows!(samples, { ...recipe(view), below }) };
      const { image: { size, patch, width } } = run.inputs.model.config;
      const { data: numbers } = rowsAt(await held.rows, indices);
      return { shape: [indices.length, 1 + (size / patch) ** 2, width], data: numbers };
    };
  }
}
