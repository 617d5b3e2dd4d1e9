/**
 * The stored features that runs need, as work for several processes. They are cut where the store's files end, and what
 * runs need is known without reading an image, so that all processes cut alike and together leave what one would.
 */
import { chunksOf, type FeatureChunk, viewsIn } from "../data/feature_cache.ts";
import { trainingRecipes, type ViewRecipe } from "../data/views.ts";
import { drawsImages, learnsPrompts, promptsImages, readsFrozenImages } from "../methods/method.ts";
import type { AskedRun } from "./comparison_runs.ts";
import type { LowerBlocks, NeededChunk, RunData } from "./data.ts";
import { evaluatedImages } from "./evaluated_images.ts";
import { learningImages } from "./identity.ts";
import { lowerBytes } from "./lower_blocks.ts";
import { VALIDATION } from "./settings.ts";

/** A part of work: the third of sixteen. */
export interface Part {
  /** From 1. */
  part: number;
  of: number;
}

const TEST: ViewRecipe = { kind: "test" };

/**
 * What runs ask the frozen image tower for, or its blocks below all learned tokens, each file of the store once.
 * `belowOf` gives these blocks of a method, where it has any.
 */
export function featuresOf(
  runs: readonly AskedRun[],
  { data, belowOf }: { data: RunData; belowOf: (run: AskedRun) => LowerBlocks | undefined },
): NeededChunk[] {
  const all = new Map<string, { chunk: NeededChunk; views: Map<string, ViewRecipe> }>();
  for (const { below, ...list } of runs.flatMap((run) => askedBy(run, { data, below: belowOf(run) }))) {
    for (const { samples, views } of chunksOf(list)) {
      const key = [below?.count, ...samples.map(({ path }) => path)].join("\n");
      const known = all.get(key) ?? { chunk: { samples, views, below }, views: new Map() };
      for (const view of views) known.views.set(JSON.stringify(view), view);
      all.set(key, known);
    }
  }
  return [...all.values()].map(({ chunk, views }) => ({ ...chunk, views: [...views.values()] }));
}

/** The lists of images of a run, as it asks for their features. */
function askedBy(run: AskedRun, { data, below }: { data: RunData; below?: LowerBlocks }): NeededChunk[] {
  const { config, seed } = run;
  const { method, values } = config;
  const tests = config.eval.map((subset) => {
    const evaluated = subset === VALIDATION
      ? { subset: config.train ?? "base", validation: true as const }
      : { subset };
    return { samples: evaluatedImages(config, { ...evaluated, data, seed }).samples, views: [TEST] };
  });
  if (!drawsImages(method)) return tests;

  const { train, val } = learningImages(config, data, seed!);
  const count = (values.views === "epochs" ? values.epochs : values.views) as number | undefined ?? 0;
  const plain = { samples: train, views: [TEST] };
  const views = { samples: train, views: trainingRecipes({ seed: seed!, count, leastArea: method.leastArea }) };
  const drawn = count === 0 ? plain : views;
  if (learnsPrompts(method) && promptsImages(method, values)) {
    // What is evaluated has features of its own.
    const frozen = readsFrozenImages(method, values) ? [drawn] : [];
    if (below === undefined) return frozen;
    const isStored = (list: FeatureChunk) => lowerBytes(below, viewsIn([list])) <= below.most;
    return [...frozen, ...[drawn, plain, ...tests].filter(isStored).map((list) => ({ ...list, below }))];
  }
  const chosenOn = learnsPrompts(method) ? [] : [{ samples: val, views: [TEST] }];
  return [plain, views, ...chosenOn, ...tests];
}

/** One of several parts with as many views of images in each, as near as whole files come to that. */
export function partOf(chunks: readonly NeededChunk[], { part, of }: Part): NeededChunk[] {
  const total = viewsIn(chunks);
  let before = 0;
  return chunks.map((chunk) => ({
    ...chunk,
    views: chunk.views.filter(() => {
      const isOwn = Math.floor(before * of / total) === part - 1;
      before += chunk.samples.length;
      return isOwn;
    }),
  })).filter(({ views }) => views.length > 0);
}
