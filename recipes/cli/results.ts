/** What a run prints: what came out, as it comes, and at the end where it lies and what it is worth. */
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
  /** Reports whose results are printed already; none when left out. */
  told?: readonly Report[];
}

/** Prints lines on standard output. */
export function printLines(lines: readonly string[]): void {
  // Some terminals do not know their width and say 0.
  const columns = Deno.stdout.isTerminal() ? Deno.consoleSize().columns || Infinity : Infinity;
  // Commands stay whole, so that they can be copied.
  const whole = lines.flatMap((line) => line.startsWith("  ") ? [line] : wrap(line, columns));
  for (const line of whole) console.log(visible(line));
}

/** What a report says, and H where it is the second half of its seed; `before` are the reports before it. */
export function linesOfReport(report: Report, before: readonly Report[]): string[] {
  const { run: { method, seed } } = report;
  const who = seed === null ? method : `${method}, seed ${seed}`;
  const hAfter = (reports: readonly Report[]) => {
    const of = (subset: string) =>
      reports.find(({ run }) =>
        run.seed === seed && run.evaluatedOn === subset && run.trainedOnData === undefined && !run.validation
      )?.results.metrics;
    return hOf(of("base"), of("new"));
  };
  const h = hAfter(before) === undefined ? hAfter([...before, report]) : undefined;
  return [
    `${who}, ${resultLine(report)}`,
    ...h === undefined ? [] : [`${who}, H (harmonic mean of base and new): ${h.toFixed(2)} %`],
  ];
}

/** The last lines of a run: what is not told yet of its results, and what else there is to know. */
export function resultLines(
  reports: readonly Report[],
  { model, config, words, args, folders, told = [] }: ResultOptions,
): string[] {
  const lines = reports.flatMap((report, i) => told.includes(report) ? [] : linesOfReport(report, reports.slice(0, i)));
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
