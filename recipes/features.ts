/**
 * Computes the image features that runs of a comparison or a sweep need, so that the runs find them: all of them, or a part,
 * which several processes do at once, on one machine or on many with one folder. A part that is missing or damaged is computed
 * by the run that needs it.
 *
 * `deno task features --methods coop,cocoop --data data/imagenet --model ViT-B/16 --part 3/16`
 */
// So that a method's file, which imports it too, needs no permission for that.
import "../mod.ts";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { costSentence, openFeatures } from "../src/run/feature_work.ts";
import { compareSettings, methodsHelp, withWholePaths } from "./cli/compare_settings.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { featureHelpFlags, readFeatureSettings } from "./cli/feature_settings.ts";
import { openProgress } from "./cli/progress.ts";
import { runProgram } from "./cli/recipe.ts";
import { startAgainForPaths } from "./cli/start.ts";
import { withMethod } from "./cli/sweep_settings.ts";

if (import.meta.main) {
  const { args } = withWholePaths(withWholePaths(withMethod(Deno.args), "--method").args);
  // Like compare.ts: a method's file or data lie anywhere.
  await startAgainForPaths(import.meta.url, args, "features");
  await runProgram({
    url: import.meta.url,
    title:
      "Computes the image features that the runs of a comparison or a sweep need, or a part of them, and stores them\n" +
      `in .cache/features.\n\n${methodsHelp()}`,
    settings: featureHelpFlags(compareSettings(KIT_METHODS)),
    kept: "What is stored stays, and the same command goes on from there.",
    examples: [
      "deno task features --data data/eurosat --seeds 1,2,3",
      "deno task features --methods coop,cocoop --data data/imagenet --model ViT-B/16 --seeds 1,2,3 --part 3/16",
      "deno task features --method coop --vary lr=0.001,0.002 --data data/eurosat --seeds 1,2,3",
    ],
  }, main);
}

async function main(args: string[]): Promise<void> {
  const { request, part, terminal } = await readFeatureSettings(args);
  const progress = openProgress({ quiet: terminal.quiet ?? false });
  const dataset = await namedDataset(request.on.dataset);
  const description = typeof dataset === "string" ? undefined : dataset;
  await using work = await openFeatures({ ...request, description }, { progress, part });
  if (terminal.dryRun) return console.log(costSentence(await work.cost(), part));
  await work.compute();
}
