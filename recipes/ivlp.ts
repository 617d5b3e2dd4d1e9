/**
 * IVLP: independent learned tokens inside both towers.
 *
 * The baseline of Khattak et al., MaPLe, CVPR 2023, and PromptSRC, ICCV 2023 (https://arxiv.org/abs/2307.06948).
 * The sample takes about three minutes on two cores.
 *
 * `deno task ivlp --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { ivlp } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task ivlp --data EuroSAT.zip --train base --eval base,new",
  "deno task ivlp --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: ivlp, examples }, pipeline(ivlp));
