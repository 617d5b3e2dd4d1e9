/**
 * MaPLe: learned tokens inside both towers, the image tower's mapped from the text tower's.
 *
 * Khattak et al., MaPLe: Multi-modal Prompt Learning, CVPR 2023 (https://arxiv.org/abs/2210.03117).
 * EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: 94.07 base / 73.23 new. The sample takes about a minute.
 *
 * `deno task maple --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { maple } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task maple:base",
  "deno task maple --data EuroSAT.zip --train base --eval base,new",
  "deno task maple --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: maple, examples }, pipeline(maple));
