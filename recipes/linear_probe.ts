/**
 * Linear probe: logistic regression on image features, without any text.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021; CoOp lpclip/linear_probe.py.
 * The sample takes seconds.
 *
 * `deno task linear-probe --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { linearProbe } from "../src/methods/linear_probe.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "linear-probe",
  title: "Linear probe (Radford et al., ICML 2021): logistic regression on image features, without any text.",
  url: import.meta.url,
  settings: featureSettings([], { text: false }),
  words: FEATURE_WORDS,
  examples: [
    "deno task linear-probe",
    "deno task linear-probe --train all --shots 4",
    "deno task linear-probe --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  // The published code shows it each image once, under the test transform.
  defaults: () => ({}),
  learn: (task) => linearProbe(task),
  // Weights and a bias for each class; of two classes one has them.
  learnedNumbers: ({ textFeatures_CE: { shape: [C, E] } }) => (C === 2 ? 1 : C) * (E + 1),
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
