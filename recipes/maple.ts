/**
 * HEAD
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
