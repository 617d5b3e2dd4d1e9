/**
 * ProGrad: no step against what zero-shot CLIP knows.
 *
 * Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023 (https://arxiv.org/abs/2205.14865).
 * ViT-B/16, 16 shots, mean of 11 data sets as KgCoOp's readme prints it: 82.5 base / 70.8 new; ProGrad's own script has
 * RN50, 4 shots and 100 epochs. The sample takes under a minute.
 *
 * `deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { prograd } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task prograd",
  "deno task prograd --over cocoop",
  "deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: prograd, examples }, pipeline(prograd));
