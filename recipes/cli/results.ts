/** The last lines of a run: what came out, where it lies, and what it is worth. */
import { wrap } from "../../src/eval/comparison_table.ts";
import { harmonicMean } from "../../src/eval/metrics.ts";
import type { Report } from "../../src/eval/report.ts";
import { resultLine } from "../../src/run/evaluate.ts";

/** What the last lines must know besides the reports. */
export interface ResultOptions {
  /** The model that they are of. */
  model: { name: string; sample: boolean };
  /** The command on real weights, but for model, data, seeds and classes. */
  command: string;
}

/** Prints the results of a run on standard output. */
export function printResults(reports: readonly Report[], options: ResultOptions): void {
  // Some terminals do not know their width and say 0.
  const columns = Deno.stdout.isTerminal() ? Deno.consoleSize().columns || Infinity : Infinity;
  // Commands stay whole, so that they can be copied.
  const lines = resultLines(reports, options).flatMap((line) => line.startsWith("  ") ? [line] : wrap(line, columns));
  for (const line of lines) console.log(line);
}

/** The lines of {@linkcode printResults}. */
export function resultLines(reports: readonly Report[], { model, command }: ResultOptions): string[] {
  const lines: string[] = [];
  const bySeed = Map.groupBy(reports, ({ run }) => run.seed);
  for (const [seed, ofSeed] of bySeed) {
    const who = seed === null ? ofSeed[0].run.method : `${ofSeed[0].run.method}, seed ${seed}`;
    for (const report of ofSeed) lines.push(`${who}, ${resultLine(report)}`);
    const of = (subset: string) =>
      ofSeed.find(({ run }) => run.evaluatedOn === subset && run.trainedOnData === undefined)?.results.metrics.accuracy;
    const [base, fresh] = [of("base"), of("new")];
    if (base !== undefined && fresh !== undefined) {
      lines.push(`${who}, H (harmonic mean of base and new): ${harmonicMean(base, fresh).toFixed(2)} %`);
    }
  }
  if (bySeed.size === 1 && reports[0].run.seed !== null && reports.some(({ run }) => run.evaluatedOn === "new")) {
    lines.push("One seed says little about new classes: --seeds 1,2,3 shows the spread.");
  }
  if (model.sample) {
    lines.push(
      "",
      "This was the small sample model: its numbers show the papers' pattern and say nothing about OpenAI's CLIP. For ViT-B/16:",
      "  deno task download eurosat ViT-B/16",
      `  ${command} --model ViT-B/16 --data data/eurosat${
        reports[0].run.seed === null ? "" : " --train base --seeds 1,2,3"
      } --eval base,new`,
    );
  }
  return lines;
}
