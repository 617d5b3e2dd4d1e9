/**
 * TCP: a learned context that gives way to tokens of each class inside the text tower.
 *
 * Yao et al., TCP: Textual-based Class-aware Prompt Tuning for Visual-Language Model, CVPR 2024
 * (https://arxiv.org/abs/2311.18231). EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: H 82.3.
 * The sample takes a few seconds.
 *
 * `deno task tcp --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { tcp } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task tcp",
  "deno task tcp --preset tcp-few-shot --shots 4",
  "deno task tcp --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: tcp, examples }, pipeline(tcp));
