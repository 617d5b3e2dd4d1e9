/**
 * ProMetaR: tokens inside both towers whose regularisation is meta-learned.
 *
 * Park et al., Prompt Learning via Meta-Regularization, CVPR 2024 (https://arxiv.org/abs/2404.00851).
 * EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: H 85.30. The sample takes about five minutes on two cores.
 *
 * `deno task prometar --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { prometar } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task prometar --meta first",
  "deno task prometar --data EuroSAT.zip --train base --eval base,new",
  "deno task prometar --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: prometar, examples }, pipeline(prometar));
