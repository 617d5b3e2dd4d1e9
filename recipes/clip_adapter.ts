/**
 * CLIP-Adapter: a small network on the image feature, blended with it.
 *
 * Gao et al., CLIP-Adapter: Better Vision-Language Models with Feature Adapters, IJCV 2024 (https://arxiv.org/abs/2110.04544).
 * The sample takes seconds.
 *
 * `deno task clip-adapter --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { clipAdapter } from "../src/methods/clip_adapter.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "clip-adapter",
  title:
    "CLIP-Adapter (Gao et al., IJCV 2024): a small network on image features, blended with them; evaluates, reports.",
  url: import.meta.url,
  settings: featureSettings(["views", "epochs", "batchSize", "lr"]),
  words: FEATURE_WORDS,
  examples: [
    "deno task clip-adapter",
    "deno task clip-adapter --train all --shots 4",
    "deno task clip-adapter --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  // Trained as CoOp is: epochs by shots, batches of 32.
  defaults: (shots) => ({ views: 10, epochs: shots >= 8 ? 200 : shots >= 2 ? 100 : 50, batchSize: 32, lr: 0.002 }),
  learn: (task, { hyper: { epochs, batchSize, lr } }) => clipAdapter(task, { epochs, batchSize, lr }),
  // Two maps without bias, to a quarter of the embedding and back.
  learnedNumbers: ({ textFeatures_CE: { shape: [, E] } }) => 2 * E * Math.floor(E / 4),
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
