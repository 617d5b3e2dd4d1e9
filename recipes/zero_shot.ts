/**
 * Zero-shot CLIP: hand-written prompts, nothing learned. The base line of every comparison.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021; CoOp trainers/zsclip.py.
 * EuroSAT, ViT-B/16, as published: 56.5 base / 64.1 new. The sample takes a few seconds.
 *
 * `deno task zeroshot --model ViT-B/16 --data data/eurosat --eval base,new`
 */
import { openRun, zeroShot } from "../mod.ts";
import { runRecipe } from "./cli/recipe.ts";

const examples = [
  "deno task zeroshot",
  "deno task zeroshot --templates ensemble --eval all",
  'deno task zeroshot --templates "a satellite photo of {}." --model ViT-B/16 --data data/eurosat',
];

await runRecipe(import.meta, { method: zeroShot, examples }, async (settings, terminal) => {
  await using run = await openRun(zeroShot, settings, terminal); // engine, CLIP, data, stored features
  if (terminal.dryRun) return await terminal.showPlan(run);
  for (const seed of run.seeds) {
    await using learned = await run.learn(seed); // nothing to learn: texts are encoded for each set of classes
    for (const target of run.targets) await run.report(learned, target);
    await run.finish(learned); // page, done
  }
  terminal.showResults(run);
});
