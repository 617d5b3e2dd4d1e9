/**
 * Linear probe: logistic regression on image features, without any text.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021; CoOp lpclip/linear_probe.py.
 * The sample takes seconds.
 *
 * `deno task linear-probe --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { linearProbe } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task linear-probe",
  "deno task linear-probe --train all --shots 4",
  "deno task linear-probe --train all --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: linearProbe, examples }, pipeline(linearProbe));
