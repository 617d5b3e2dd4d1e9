/**
 * CoOp: context tokens learned in place of "a photo of a".
 *
 * Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022 (https://arxiv.org/abs/2109.01134).
 * EuroSAT, ViT-B/16, 16 shots, mean of seeds 1-3 as published: 92.2 base / 54.7 new. The sample takes under a minute.
 *
 * `deno task coop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3`
 */
import { coop, openRun } from "../mod.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task coop:base",
  "deno task coop --eval new",
  "deno task coop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  "deno task coop --class-specific --class-token-position middle --train all",
];

await runRecipe(import.meta, { method: coop, examples }, async (settings, terminal) => {
  await using run = await openRun(coop, settings, terminal); // engine, CLIP, data, stored features
  if (terminal.dryRun) return await terminal.showPlan(run);
  for (const seed of run.seeds) {
    await using learned = await run.learn(seed); // trains, or goes on where it was
    for (const target of run.targets) await run.report(learned, target);
    await run.finish(learned); // page, card, done
  }
  terminal.showResults(run);
});
