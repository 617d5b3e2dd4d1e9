/**
 * GDA: Gaussian discriminant analysis beside zero-shot CLIP, in closed form.
 *
 * Wang et al., A Hard-to-Beat Baseline for Training-Free CLIP-based Adaptation, ICLR 2024 (https://arxiv.org/abs/2402.04087).
 * EuroSAT, ViT-B/16, 16 shots, α chosen on the whole validation set, as published: 93.3 base / 79.2 new. The sample takes seconds.
 *
 * `deno task gda --model ViT-B/16 --data data/eurosat --seeds 1,2,3` chooses α on four validation images a class;
 * with `--tune-on full` on all of them, as published.
 */
import { gda } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task gda",
  "deno task gda --train all",
  "deno task gda --tune-on full --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: gda, examples }, pipeline(gda));
