/** Computes the stored features that runs need, or a part of them; and what that would cost. */
import { viewsIn } from "../data/feature_cache.ts";
import { learnsPrompts, promptsImages } from "../methods/method.ts";
import type { PromptSession } from "../prompt/session.ts";
import { askedRuns, type ComparedMethod, type ComparisonRequest } from "./comparison_runs.ts";
import type { LowerBlocks, NeededChunk } from "./data.ts";
import { featuresOf, type Part, partOf } from "./feature_parts.ts";
import { learningImages } from "./identity.ts";
import { type Inputs, openInputs } from "./inputs.ts";
import { lowerBlocks } from "./lower_blocks.ts";
import { featureCost, mebibytes } from "./plan.ts";
import { duration, type Progress } from "./progress.ts";
import { sessionOf } from "./prompt_learner.ts";

/** What a part of the features costs, less what is there. */
export interface FeatureCost {
  /** Views of images that the runs need in all. */
  needed: number;
  /** Those of the part. */
  images: number;
  /** Files of the part: no further can it be cut. */
  files: number;
  /** Views that are not stored. */
  missing: number;
  /** To compute those here, as measured on one batch. */
  seconds: number;
  bytes: number;
}

/** A part of the features; from {@linkcode openFeatures}. */
export interface FeatureWork {
  cost(): Promise<FeatureCost>;
  /** Computes what is missing or damaged. */
  compute(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens model and data; nothing is computed yet.
 *
 * @throws {UserError} when anything named is missing or damaged, or no method can have a result that was asked for
 */
export async function openFeatures(
  request: ComparisonRequest,
  { progress, part }: { progress: Progress; part: Part },
): Promise<FeatureWork> {
  const { runs } = askedRuns(request);
  const { description, on } = request;
  const inputs = await openInputs({ engine: "auto", ...on }, { progress, description });
  const sessions: PromptSession[] = [];
  const close = async () => {
    for (const session of sessions) await session.dispose();
    await inputs.close();
  };
  try {
    const { model, data } = inputs;
    const blocks = new Map<ComparedMethod, LowerBlocks | undefined>();
    const known: LowerBlocks[] = [];
    for (const run of data.store === undefined ? [] : runs) {
      const { compared, config, seed } = run;
      const { method } = config;
      // Seeds and shots of a method start from the same blocks.
      if (!learnsPrompts(method) || !promptsImages(method, config.values) || blocks.has(compared)) continue;
      const { classNames } = learningImages(config, data, seed!);
      const session = await sessionOf({ config, inputs, seed }, method, { classNames, trains: false });
      const below = lowerBlocks({ config, inputs }, session);
      // The frozen blocks of one setting of a sweep do for all.
      const same = known.find(({ count, most }) => count === below?.count && most === below.most);
      if (below === undefined || same !== undefined) await session.dispose();
      else {
        sessions.push(session);
        known.push(below);
      }
      blocks.set(compared, same ?? below);
    }
    const all = data.store === undefined
      ? []
      : featuresOf(runs, { data, belowOf: ({ compared }) => blocks.get(compared) });
    return { ...workOf(all, { model, data, progress, part }), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function workOf(
  all: readonly NeededChunk[],
  { model, data: { store }, progress, part }: Pick<Inputs, "model" | "data"> & { progress: Progress; part: Part },
): Pick<FeatureWork, "cost" | "compute"> {
  const own = partOf(all, part);
  return {
    async cost() {
      const cost: FeatureCost = {
        needed: viewsIn(all),
        images: viewsIn(own),
        files: own.reduce((sum, { views }) => sum + views.length, 0),
        missing: 0,
        seconds: 0,
        bytes: 0,
      };
      for (const [below, chunks] of Map.groupBy(own, ({ below }) => below)) {
        const images = await store!.missing(chunks);
        const { seconds, bytes } = await featureCost(model, { images, below });
        cost.missing += images;
        cost.seconds += seconds;
        cost.bytes += bytes;
      }
      return cost;
    },
    async compute() {
      if (store === undefined) {
        progress.finish("The features of these images are stored with the sample: there is nothing to compute.");
      } else if (all.length === 0) {
        progress.finish("The runs read no features of the frozen image tower: there is nothing to compute.");
      } else if (own.length === 0) {
        progress.finish(`Part ${nameOf(part)} is empty: there are fewer files of features than parts.`);
      } else await store.fill(own, { what: `part ${nameOf(part)}` });
    },
  };
}

/** What a part costs, in a sentence or two. */
export function costSentence({ needed, images, files, missing, seconds, bytes }: FeatureCost, part: Part): string {
  const whole = (value: number) => value.toLocaleString("en-US");
  if (needed === 0) return "The runs need no features to be computed. Nothing was run.";
  const there = missing === 0 ? "all there" : `${whole(images - missing)} of them there`;
  const rest = missing === 0 ? "" : `; about ${duration(seconds)} and ${mebibytes(bytes)} for the rest`;
  return `The runs need features of ${whole(needed)} views of images. Part ${nameOf(part)}: ${whole(images)} in ${
    whole(files)
  } files, ${there}${rest}. Nothing was run.`;
}

function nameOf({ part, of }: Part): string {
  return `${part}/${of}`;
}
