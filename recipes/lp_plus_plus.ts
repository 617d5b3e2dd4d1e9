/**
 * LP++: a linear probe that blends each class's visual weights with its text feature; step sizes come from the data.
 *
 * Huang et al., LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, CVPR 2024 (https://arxiv.org/abs/2404.02285).
 * The sample takes seconds.
 *
 * `deno task lp++ --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { LEAST_AREA_OF_FEATURE_METHODS } from "../src/data/views.ts";
import { lpPlusPlus } from "../src/methods/lp_plus_plus.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "lp++",
  title: "LP++ (Huang et al., CVPR 2024): a linear probe blended with the class names' features; evaluates, reports.",
  url: import.meta.url,
  settings: featureSettings(["views", "epochs"]),
  words: FEATURE_WORDS,
  examples: [
    "deno task lp++",
    "deno task lp++ --train all --shots 4",
    "deno task lp++ --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  // It learns from one augmented view of each image.
  defaults: () => ({ views: 1, epochs: 300 }),
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  learn: (task, { hyper: { epochs } }) => lpPlusPlus(task, { epochs }),
  // Visual weights, a bias and a blend for each class.
  learnedNumbers: ({ textFeatures_CE: { shape: [C, E] } }) => C * (E + 2),
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
