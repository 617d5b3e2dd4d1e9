/**
 * CoOp: context tokens learned in place of "a photo of a".
 *
 * Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022 (https://arxiv.org/abs/2109.01134).
 * EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: 92.2 base / 54.7 new. The sample takes under a minute.
 *
 * `deno task coop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { namedStream } from "../src/data/random.ts";
import { coop } from "../src/methods/coop.ts";
import { type PromptRecipe, runPromptRecipe } from "./cli/prompt_recipe.ts";
import { runRecipe } from "./cli/recipe.ts";
import { settingNames } from "./cli/settings.ts";

/** What the recipe says of itself, and how its method is made. */
export const recipe: PromptRecipe = {
  method: "coop",
  title: "CoOp (Zhou et al., IJCV 2022): context tokens learned in place of words; trains, evaluates, reports.",
  url: import.meta.url,
  settings: settingNames({ without: ["templates", "tuneOn", "lambda", "over"] }),
  examples: [
    "deno task coop:base",
    "deno task coop --eval new",
    "deno task coop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    "deno task coop --class-specific --class-token-position middle --train all",
  ],
  makeMethod: ({ model, hyper, classNames, seed }) =>
    coop({
      model,
      initWords: hyper.initWords,
      contextTokens: hyper.contextTokens,
      classTokenPosition: hyper.classTokenPosition,
      classSpecific: hyper.classSpecific,
      classes: classNames.length,
      random: namedStream(seed, "context-init"),
    }),
};

if (import.meta.main) await runRecipe(recipe, (args) => runPromptRecipe(recipe, args));
