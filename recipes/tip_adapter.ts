/**
 * Tip-Adapter: a cache of few-shot features beside zero-shot CLIP, without training.
 *
 * Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022
 * (https://arxiv.org/abs/2207.09519). The sample takes seconds.
 *
 * `deno task tip-adapter --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { LEAST_AREA_OF_FEATURE_METHODS } from "../src/data/views.ts";
import { tipAdapter } from "../src/methods/tip_adapter.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "tip-adapter",
  title: "Tip-Adapter (Zhang et al., ECCV 2022): a cache of few-shot features beside zero-shot CLIP, without training.",
  url: import.meta.url,
  settings: featureSettings(["views"]),
  words: FEATURE_WORDS,
  examples: [
    "deno task tip-adapter",
    "deno task tip-adapter --train all",
    "deno task tip-adapter --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  // The keys of the cache are means of ten augmented views.
  defaults: () => ({ views: 10 }),
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  learn: (task) => tipAdapter(task),
  learnedNumbers: () => 0,
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
