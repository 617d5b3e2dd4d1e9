/**
 * CLIP-Adapter: a small network on the image feature, blended with it.
 *
 * Gao et al., CLIP-Adapter: Better Vision-Language Models with Feature Adapters, IJCV 2024 (https://arxiv.org/abs/2110.04544).
 * The sample takes seconds.
 *
 * `deno task clip-adapter --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { clipAdapter } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task clip-adapter",
  "deno task clip-adapter --train all --shots 4",
  "deno task clip-adapter --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: clipAdapter, examples }, pipeline(clipAdapter));
