/** The pipeline of `recipes/coop.ts`, for recipes that change nothing in it. */
import type { Method } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import { openRun } from "../../src/run/run.ts";
import type { Terminal } from "./recipe.ts";

/** Learns and evaluates each seed of a run of this method. */
export function pipeline<S>(method: Method<S>): (settings: Given, terminal: Terminal) => Promise<void> {
  return async (settings, terminal) => {
    await using run = await openRun(method as Method, settings, terminal);
    if (terminal.dryRun) return await terminal.showPlan(run);
    for (const seed of run.seeds) {
      await using learned = await run.learn(seed);
      for (const target of run.targets) await run.report(learned, target);
      await run.finish(learned);
    }
    terminal.showResults(run);
  };
}
