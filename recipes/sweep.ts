/**
 * Which settings of a method are best: tries them over seeds, chooses on validation images, and evaluates what is chosen, and
 * nothing else, on test images.
 *
 * `deno task sweep --method coop --vary lr=0.001,0.002,0.004 --vary context-tokens=4,16 --seeds 1,2,3`
 */
import { compareReports } from "../mod.ts";
import { sweepPage } from "../src/eval/page/sweep_page.ts";
import { writePage } from "../src/eval/page/write_page.ts";
import { type Sweep, sweepOf, type SweptAxis, wordsOf } from "../src/eval/sweep.ts";
import { sweepTables, sweepText } from "../src/eval/sweep_table.ts";
import { flagName } from "../src/methods/setting.ts";
import type { Point } from "../src/run/axes.ts";
import {
  type ComparedMethod,
  type ComparisonPlan,
  type Evaluated,
  findRuns,
  type FoundRuns,
  planComparison,
} from "../src/run/comparison_runs.ts";
import { SAMPLE_IMAGES } from "../src/run/open_data.ts";
import { pathPart } from "../src/run/path.ts";
import { settingsOf, VALIDATION } from "../src/run/settings.ts";
import { flagWords, withWholePaths } from "./cli/compare_settings.ts";
import { PART_OF_TESTS, printComparison, sampleLines, screen, writeComparison } from "./cli/comparison_output.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { helpText } from "./cli/help.ts";
import { shellLine } from "./cli/jobs.ts";
import { emit, missingWarnings, quietly, runCount, runMissing, tellPlan, type Work } from "./cli/planned_runs.ts";
import { openProgress } from "./cli/progress.ts";
import { KEPT, type Program, runProgram } from "./cli/recipe.ts";
import { startAgainForPaths } from "./cli/start.ts";
import {
  readSweepSettings,
  sweepHelp,
  sweepHelpSettings,
  type SweepSettings,
  wholeSweep,
  withMethod,
} from "./cli/sweep_settings.ts";

const program: Program = {
  url: import.meta.url,
  title: `Varies settings of a method and chooses among them on validation images.\n\n${sweepHelp()}`,
  settings: undefined,
  kept: KEPT,
  examples: [
    "deno task sweep --method coop --vary lr=0.001,0.002,0.004 --vary context-tokens=4,16 --seeds 1,2,3",
    "deno task sweep --method coop --vary lr=0.0001..0.01 --vary context-tokens=1..16 --random 20 --jobs 2",
    "deno task sweep --method ./anchored.ts --vary pull=0.01,0.1,1 --seeds 1,2",
    "deno task sweep --config sweep.yaml --emit slurm > sweep.slurm",
  ],
};

if (import.meta.main) {
  const { args } = withWholePaths(withMethod(Deno.args), "--method");
  // Like run.ts: the task may start Deno, and a method's file or data lie anywhere.
  await startAgainForPaths(import.meta.url, args, "sweep");
  const isHelp = args.includes("--help") || args.includes("-h");
  await runProgram(program, isHelp ? tellHelp : sweep);
}

/** The help with the settings of the method that is named. */
async function tellHelp(args: readonly string[]): Promise<void> {
  console.log(helpText({ ...program, settings: await sweepHelpSettings(args) }));
}

/** Varies settings, with the flags of a command line. */
export async function sweep(args: string[]): Promise<void> {
  const settings = await readSweepSettings(args);
  const { on, terminal, points, axes, search, seeds } = settings;
  const progress = openProgress({ quiet: terminal.quiet ?? false });
  const dataset = await namedDataset(on.dataset);
  const description = typeof dataset === "string" ? undefined : dataset;
  const requestOf = (methods: readonly ComparedMethod[], subsets: readonly Evaluated[]) => (
    { ...settings, methods, subsets, shots: [settings.shots], description }
  );
  const planOf = (...of: Parameters<typeof requestOf>) =>
    planComparison(requestOf(...of), { progress: quietly(progress) });
  const plan = await planOf(points.map(({ compared }) => compared), [VALIDATION]);
  const found = await findRuns(plan, on);
  const asked = search.kind === "random" && points.length < search.points ? ` (there are no ${search.points})` : "";
  const count = `${points.length} ${points.length === 1 ? "setting" : "settings"}${asked} × ${seeds.length} ${
    seeds.length === 1 ? "seed" : "seeds"
  } = ${runCount(plan.runs)}`;
  const work = { ...plan, missing: found.missing, settings, progress, count };
  if (terminal.dryRun) {
    return tellPlan(work, `validation images; then what is chosen on ${settings.subsets.join(", ")}`);
  }
  const emitted = { args, flags: settings.flags, request: { ...wholeSweep(settings), description }, next: commandLine };
  if (settings.emit && (found.missing.length > 0 || settings.fresh)) return await emit(work, emitted);
  const tried = await complete(plan, { found, work, ...settings });

  const swept = sweepOf({
    command: commandLine(args),
    search,
    axes: axes.map(({ name, ...axis }): SweptAxis => ({ name: flagName(name), ...axis })),
    seeds,
    settings: points.map(({ point, compared }) => ({
      values: flagged(point),
      reports: plan.runs.filter((run) => run.compared === compared).flatMap((run) => tried.ofRuns.get(run)!),
    })),
  });
  if (swept.chosen !== null) {
    const { point, compared } = points[swept.chosen.setting];
    const test = await planOf([compared], settings.subsets);
    const found = await findRuns(test, on);
    // Trained again, it would not be what was chosen.
    const { fresh: _, ...typed } = settings.typed;
    const once = { ...settings, typed, fresh: false };
    const count = `${wordsOf(flagged(point))} on test images, ${runCount(test.runs)}`;
    const work = { ...test, missing: found.missing, settings: once, progress, count };
    if (settings.emit && found.missing.length > 0) return await emit(work, emitted);
    const { reports, missing } = await complete(test, { found, work, ...settings });
    if (reports.length > 0) {
      swept.chosen.test = compareReports(reports, { command: swept.command, without: test.without });
      swept.chosen.test.warnings.push(...missingWarnings(missing));
    }
  }
  if (settings.emit) return progress.say("All runs are there: nothing to emit. Leave --emit out to report them.");
  if (on.data === SAMPLE_IMAGES) swept.warnings.push(PART_OF_TESTS);
  await tell(swept, { settings });
}

/** Runs what is missing, unless it is only collected; what is there then, and what is not, is told. */
async function complete(
  plan: ComparisonPlan,
  { found, work, collect }: { found: FoundRuns; work: Work; collect: boolean },
): Promise<FoundRuns> {
  const { settings, missing, progress } = work;
  let there = found;
  if (!collect && (missing.length > 0 || settings.fresh)) {
    await runMissing(work);
    there = await findRuns(plan, settings.on);
  }
  for (const sentence of there.conflicts) progress.say(sentence);
  return there;
}

/** Writes and prints the report. */
async function tell(swept: Sweep, { settings }: { settings: SweepSettings }): Promise<void> {
  const { points } = settings;
  const path = sweepFolder(swept, settings);
  const output = { json: swept, tables: sweepTables(swept), lines: sweepText(swept, screen()) };
  await writeComparison(path, output, "sweep");
  const page = await writePage(path, await sweepPage(swept));
  if (!printComparison(output, { ...settings, json: settings.terminal.json })) return;
  console.log(`\nThe whole sweep: ${page}\nTables for papers and programs: ${path}/sweep.{csv,md,tex}`);
  for (const line of sampleLines(swept.on, { ...settings, shots: [settings.shots] })) console.log(line);
  if (swept.chosen === null) return;
  console.log(
    `Next, what was chosen against zero-shot CLIP:\n  ${comparisonWith(points[swept.chosen.setting], settings)}`,
  );
}

/** The comparison with the values that were chosen. */
function comparisonWith(
  { point, compared: { method, file } }: SweepSettings["points"][number],
  at: SweepSettings,
): string {
  const { typed: { fresh: _, ...typed }, shots, seeds } = at;
  const words = Object.entries({ ...typed, shots: String(shots), seeds: seeds.join(), ...point });
  return shellLine([
    ...["deno", "task", "compare", "--methods", `zeroshot,${file?.path ?? method.name}`],
    ...words.flatMap(([name, value]) => flagWords(name, settingsOf(method)[name], value)),
  ]);
}

function flagged(point: Point): Record<string, string> {
  return Object.fromEntries(Object.entries(point).map(([name, value]) => [flagName(name), value]));
}

/** `runs/eurosat/sweep/sample/coop-lr-context-tokens-shots16-seeds1-2-3`. */
function sweepFolder(
  { on: { dataset, model }, method, axes }: Sweep,
  { shots, seeds, search, on, typed }: SweepSettings,
) {
  const name = [
    method.method,
    ...axes.map(({ name }) => name),
    search.kind === "random" && `random${search.seed}`,
    `shots${shots}`,
    `seeds${seeds.join("-")}`,
    typed.preset,
    on.eval?.join("-"),
  ].filter((part) => part).join("-");
  return [on.out, pathPart(dataset.toLowerCase()), "sweep", pathPart(model.name), pathPart(name)].join("/");
}

function commandLine(args: readonly string[]): string {
  return shellLine(["deno", "task", "sweep", ...args]);
}
