/**
 * Tip-Adapter-F: Tip-Adapter with keys that are tuned. The epoch is chosen on validation images, never on test images.
 *
 * Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022
 * (https://arxiv.org/abs/2207.09519). Epochs are those published for EuroSAT; for other data sets 20 are. The sample takes seconds.
 *
 * `deno task tip-adapter-f --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { tipAdapterF } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task tip-adapter-f",
  "deno task tip-adapter-f --train all --epochs 20",
  "deno task tip-adapter-f --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: tipAdapterF, examples }, pipeline(tipAdapterF));
