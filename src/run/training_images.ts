/** The images of a training: frozen features of each view, and what the image tower starts from where it is prompted. */
import type { Sample } from "../data/split.ts";
import { rowsAt } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { PromptSettings } from "../methods/prompt_settings.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import type { PromptSession } from "../prompt/session.ts";
import type { TrainingImages } from "../train/loop.ts";
import { lowerBlocks, lowerBytes, lowerSentence } from "./lower_blocks.ts";
import type { SeedRun } from "./learned.ts";

/** Image features as a session takes them: of unit length, or as they are where the method has a head. */
export function seenBy({ method: { head } }: PromptSession, features: HostTensor): HostTensor {
  return head === undefined ? normalizeRows(features) : features;
}

/** The images that a prompt is trained on. */
export async function trainingImages(
  run: SeedRun,
  { samples, session, leastArea }: { samples: readonly Sample[]; session: PromptSession; leastArea?: number },
): Promise<TrainingImages> {
  const { inputs: { data }, config } = run;
  const seed = run.seed!;
  const { views: asked, epochs } = config.values as PromptSettings;
  const labels = Int32Array.from(samples, ({ label }) => label);
  const isPlain = asked === 0;
  const views = isPlain
    ? { count: 1, view: () => data.features(samples, { what: "training images", seed }) }
    : await data.views(samples, { seed, count: asked === "epochs" ? epochs : asked, leastArea });
  const recipe = (view: number) => ({ seed, view: isPlain ? undefined : view, leastArea });
  const patchesAt = (indices: readonly number[], view: number) =>
    data.patches!(indices.map((index) => samples[index]), recipe(view));
  return {
    labels,
    views: views.count,
    view: async (index) => seenBy(session, await views.view(index)),
    ...(session.encodeImages === undefined ? {} : { patches: startOf() }),
  };

  /** From patches, or from what the blocks below all learned tokens give: stored where it fits, computed where not. */
  function startOf(): TrainingImages["patches"] {
    const { lower } = session;
    const below = lowerBlocks(run, session);
    if (lower === undefined || below === undefined) return patchesAt;
    const total = samples.length * views.count;
    run.progress.say(lowerSentence(below, { images: total, what: "training views" }));
    if (lowerBytes(below, total) > below.most) {
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
