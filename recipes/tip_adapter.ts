/**
 * Tip-Adapter: a cache of few-shot features beside zero-shot CLIP, without training.
 *
 * Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022
 * (https://arxiv.org/abs/2207.09519). The sample takes seconds.
 *
 * `deno task tip-adapter --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { tipAdapter } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task tip-adapter",
  "deno task tip-adapter --train all",
  "deno task tip-adapter --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: tipAdapter, examples }, pipeline(tipAdapter));
