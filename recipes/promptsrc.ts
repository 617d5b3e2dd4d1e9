/**
 * PromptSRC: tokens inside both towers that stay near frozen CLIP, averaged over epochs.
 *
 * Khattak et al., Self-regulating Prompts, ICCV 2023 (https://arxiv.org/abs/2307.06948).
 * EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: 92.90 base / 73.90 new. The sample takes about three
 * minutes on two cores.
 *
 * `deno task promptsrc --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { promptsrc } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task promptsrc --data EuroSAT.zip --train base --eval base,new",
  "deno task promptsrc --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: promptsrc, examples }, pipeline(promptsrc));
