/**
 * LP++: a linear probe that blends each class's visual weights with its text feature; step sizes come from the data.
 *
 * Huang et al., LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, CVPR 2024 (https://arxiv.org/abs/2404.02285).
 * The sample takes seconds.
 *
 * `deno task lp++ --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { lpPlusPlus } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task lp++",
  "deno task lp++ --train all --shots 4",
  "deno task lp++ --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: lpPlusPlus, examples }, pipeline(lpPlusPlus));
