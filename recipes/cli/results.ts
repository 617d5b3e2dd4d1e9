/** The last lines of a run: what came out, where it lies, and what it is worth. */
import { sameName } from "../../src/data/same_name.ts";
import { visible } from "../../src/errors.ts";
import { wrap } from "../../src/text_table.ts";
import { hOf } from "../../src/eval/metrics.ts";
import { folderApart, PAGE_NAME } from "../../src/eval/page/write_page.ts";
import type { Report } from "../../src/eval/report.ts";
import { drawsImages } from "../../src/methods/method.ts";
import { type RunConfig, whyNotOn } from "../../src/run/config.ts";
import { resultLine } from "../../src/run/evaluate.ts";
import { DEFAULT_SHOTS, VALIDATION } from "../../src/run/settings.ts";
import { shellLine } from "./jobs.ts";
import { nextStep, recipeFlags, variantFlags, withoutFlags } from "./next_step.ts";

/** What the last lines must know besides the reports. */
export interface ResultOptions {
  /** The model that they are of. */
  model: { name: string; sample: boolean };
  /** What was run. */
  config: RunConfig;
  /** The words that start the recipe, without flags. */
  words: readonly string[];
  /** The flags that were typed. */
  args: readonly string[];
  /** The folders of its seeds. */
  folders: readonly string[];
}

/** Prints the results of a run on standard output. */
export function printResults(reports: readonly Report[], options: ResultOptions): void {
  // Some terminals do not know their width and say 0.
  const columns = Deno.stdout.isTerminal() ? Deno.consoleSize().columns || Infinity : Infinity;
  // Commands stay whole, so that they can be copied.
  const lines = resultLines(reports, options).flatMap((line) => line.startsWith("  ") ? [line] : wrap(line, columns));
  for (const line of lines) console.log(visible(line));
}

/** The lines of {@linkcode printResults}. */
export function resultLines(
  reports: readonly Report[],
  { model, config, words, args, folders }: ResultOptions,
): string[] {
  const lines: string[] = [];
  const bySeed = Map.groupBy(reports, ({ run }) => run.seed);
  for (const [seed, ofSeed] of bySeed) {
    const who = seed === null ? ofSeed[0].run.method : `${ofSeed[0].run.method}, seed ${seed}`;
    for (const report of ofSeed) lines.push(`${who}, ${resultLine(report)}`);
    const of = (subset: string) =>
      ofSeed.find(({ run }) => run.evaluatedOn === subset && run.trainedOnData === undefined && !run.validation)
        ?.results.metrics;
    const h = hOf(of("base"), of("new"));
    if (h !== undefined) lines.push(`${who}, H (harmonic mean of base and new): ${h.toFixed(2)} %`);
  }
  lines.push(...new Set(reports.flatMap(({ warnings = [] }) => warnings.map(({ text }) => `warning: ${text}`))));
  if (model.sample) {
    const isEurosat = sameName(reports[0].on.data.name, "EuroSAT");
    const real = isEurosat
      ? realFlags(config)
      : [...withoutFlags(args, recipeFlags(config), ["model"]), "--model", "ViT-B/16"];
    lines.push(
      "",
      `This was the small sample model: its numbers ${
        isEurosat ? "show the papers' pattern and " : ""
      }say nothing about OpenAI's CLIP. For ViT-B/16:`,
      `  deno task download ${isEurosat ? "eurosat " : ""}ViT-B/16`,
      `  ${shellLine([...words, ...real])}`,
    );
  }
  // What is not of the run's own test images has a page by itself, and there may be no other.
  const isApart = !reports.some(({ run }) => run.trainedOnData === undefined && !run.validation);
  const page = isApart && reports.length > 0 ? `${folderApart(reports[0])}/${PAGE_NAME}` : PAGE_NAME;
  if (folders.length > 0) lines.push("", `Report: ${inOne(folders)}/${page}`);
  const next = nextStep({ config, words, args });
  if (next !== undefined) lines.push(`Next, ${next.what}:`, `  ${next.command}`);
  return lines;
}

/** Folders of several seeds as a shell takes them: `…/shots16/{seed1,seed2}`. */
function inOne(folders: readonly string[]): string {
  const [first] = folders;
  const above = first.slice(0, first.lastIndexOf("/"));
  return folders.length === 1 ? first : `${above}/{${folders.map((path) => path.slice(above.length + 1)).join()}}`;
}

/** The flags of the same run on real weights: method, preset, shots and classes are those of the run. */
function realFlags(config: RunConfig): string[] {
  const { method, preset, shots, train = "base" } = config;
  const subsets = config.eval.filter((subset) => subset !== VALIDATION);
  const isUsual = preset === null || preset === Object.keys(method.presets)[0];
  const draws = drawsImages(method);
  const possible = subsets.filter((subset) => !draws || whyNotOn(method, { train, subset }) === undefined);
  // Of base classes alone little is learned: new ones come besides where the method can have them.
  const isWhole = draws ? train !== "base" : possible.length > 0 && possible.every((subset) => subset === "all");
  const halves = whyNotOn(method, { train: "base", subset: "new" }) === undefined ? ["base", "new"] : ["base"];
  const evaluated = !isWhole ? halves : possible.length > 0 ? possible : [train];
  return [
    ...variantFlags(config),
    ...(isUsual ? [] : ["--preset", preset]),
    ...(shots === null || shots === DEFAULT_SHOTS ? [] : ["--shots", String(shots)]),
    ...["--model", "ViT-B/16", "--data", "data/eurosat"],
    ...(draws ? ["--train", train, "--seeds", "1,2,3"] : []),
    ...["--eval", evaluated.join(",")],
  ];
}
