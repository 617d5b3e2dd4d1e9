/**
 * Tip-Adapter-F: Tip-Adapter with keys that are tuned. The epoch is chosen on validation images, never on test images.
 *
 * Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022
 * (https://arxiv.org/abs/2207.09519). Epochs are those published for EuroSAT; for other data sets 20 are. The sample takes seconds.
 *
 * `deno task tip-adapter-f --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { LEAST_AREA_OF_FEATURE_METHODS } from "../src/data/views.ts";
import { tipAdapterF } from "../src/methods/tip_adapter.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "tip-adapter-f",
  title: "Tip-Adapter-F (Zhang et al., ECCV 2022): a cache of few-shot features with tuned keys beside zero-shot CLIP.",
  url: import.meta.url,
  settings: featureSettings(["views", "epochs", "batchSize", "lr"]),
  words: FEATURE_WORDS,
  examples: [
    "deno task tip-adapter-f",
    "deno task tip-adapter-f --train all --epochs 20",
    "deno task tip-adapter-f --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  defaults: () => ({ views: 10, epochs: 100, batchSize: 256, lr: 0.001 }),
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  learn: (task, { hyper: { epochs, batchSize, lr } }) => tipAdapterF(task, { epochs, batchSize, lr }),
  // The keys, one for each image.
  learnedNumbers: ({ train: { features_NE } }) => features_NE.data.length,
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
