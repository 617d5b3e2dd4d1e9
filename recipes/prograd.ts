/**
 * ProGrad: no step against what zero-shot CLIP knows.
 *
 * Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023 (https://arxiv.org/abs/2205.14865).
 * ViT-B/16, 16 shots, mean of 11 data sets as published: 82.5 base / 70.8 new. The sample takes under a minute.
 *
 * `deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { prograd } from "../src/methods/prograd.ts";
import { zeroShotFeatures } from "../src/methods/zero_shot.ts";
import { learnedContexts } from "./cli/contexts.ts";
import { type PromptRecipe, runPromptRecipe } from "./cli/prompt_recipe.ts";
import { runRecipe } from "./cli/recipe.ts";
import { settingNames } from "./cli/settings.ts";

/** What the recipe says of itself, and how its method is made. */
export const recipe: PromptRecipe = {
  method: "prograd",
  title:
    "ProGrad (Zhu et al., ICCV 2023): CoOp without the part of a gradient that goes against zero-shot CLIP; trains, evaluates, reports.",
  url: import.meta.url,
  settings: settingNames({ without: ["templates", "tuneOn"] }),
  examples: [
    "deno task prograd",
    "deno task prograd --over cocoop",
    "deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  ],
  async makeMethod(options) {
    const { model, classNames, template, hyper } = options;
    const handFeatures_CE = await zeroShotFeatures(model, { classNames, templates: [template] });
    return prograd(learnedContexts(options), { handFeatures_CE, weight: hyper.lambda });
  },
};

if (import.meta.main) await runRecipe(recipe, (args) => runPromptRecipe(recipe, args));
