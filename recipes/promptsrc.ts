/**
 * HEAD
 */
import { promptsrc } from "../mod.ts";
import { pipeline } from "./cli/pipeline.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task promptsrc --data EuroSAT.zip --train base --eval base,new",
  "deno task promptsrc --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
];

await runRecipe(import.meta, { method: promptsrc, examples }, pipeline(promptsrc));
