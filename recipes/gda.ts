/**
 * GDA: Gaussian discriminant analysis beside zero-shot CLIP, in closed form.
 *
 * Wang et al., A Hard-to-Beat Baseline for Training-Free CLIP-based Adaptation, ICLR 2024 (https://arxiv.org/abs/2402.04087).
 * EuroSAT, ViT-B/16, 16 shots, α chosen on the whole validation set, as published: 93.3 base / 79.2 new. The sample takes seconds.
 *
 * `deno task gda --model ViT-B/16 --data data/eurosat --seeds 1,2,3` chooses α on four validation images a class;
 * with `--tune-on full` on all of them, as published.
 */
import { LEAST_AREA_OF_FEATURE_METHODS } from "../src/data/views.ts";
import { gda } from "../src/methods/gda.ts";
import { type FeatureRecipe, runFeatureRecipe } from "./cli/feature_recipe.ts";
import { FEATURE_WORDS, featureSettings } from "./cli/feature_config.ts";
import { runRecipe } from "./cli/recipe.ts";

/** What the recipe says of itself, its published numbers, and how it learns. */
export const recipe: FeatureRecipe = {
  method: "gda",
  title: "GDA (Wang et al., ICLR 2024): Gaussian classes beside zero-shot CLIP, without training; evaluates, reports.",
  url: import.meta.url,
  settings: featureSettings(["views"]),
  words: FEATURE_WORDS,
  examples: [
    "deno task gda",
    "deno task gda --train all",
    "deno task gda --tune-on full --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  defaults: () => ({ views: 10 }),
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  // Trained on half of the classes, it must also tell apart the others; trained on all, it is the paper's few-shot classifier.
  learn: (task, { trainedOn }) => gda(task, { variant: trainedOn === "all" ? "few-shot" : "base-to-new" }),
  // W and b, both by formula.
  learnedNumbers: ({ textFeatures_CE: { shape: [C, E] } }) => C * (E + 1),
};

if (import.meta.main) await runRecipe(recipe, (args) => runFeatureRecipe(recipe, args));
