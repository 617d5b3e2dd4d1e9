/**
 * Which method is better, and can it be believed: runs what is missing, reuses what is there, and ends with the table of the
 * papers.
 *
 * `deno task compare --methods zeroshot,coop,cocoop --seeds 1,2,3 --shots 16 --eval base,new`
 */
import { compareReports, type Comparison, comparisonText, UserError } from "../mod.ts";
import { COMPARISON_VERSION } from "../src/eval/comparison.ts";
import { collectionText } from "../src/eval/comparison_table.ts";
import { comparisonPage } from "../src/eval/page/comparison_page.ts";
import { writePage } from "../src/eval/page/write_page.ts";
import { tableTexts } from "../src/eval/result_files.ts";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { collectRuns } from "../src/run/collect.ts";
import { findRuns, planComparison } from "../src/run/comparison_runs.ts";
import { SAMPLE_IMAGES } from "../src/run/open_data.ts";
import { pathPart } from "../src/run/path.ts";
import {
  type CompareSettings,
  compareSettings,
  methodsHelp,
  readCompareSettings,
  withWholePaths,
} from "./cli/compare_settings.ts";
import { PART_OF_TESTS, printComparison, sampleLines, screen, writeComparison } from "./cli/comparison_output.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import type { Settings } from "./cli/flags.ts";
import { helpText } from "./cli/help.ts";
import { shellLine } from "./cli/jobs.ts";
import { loadMethod } from "./cli/method_file.ts";
import { withoutFlags } from "./cli/next_step.ts";
import { emit, missingWarnings, quietly, runCount, runMissing, tellPlan } from "./cli/planned_runs.ts";
import { openProgress } from "./cli/progress.ts";
import { KEPT, type Program, runProgram } from "./cli/recipe.ts";
import { startAgainForPaths } from "./cli/start.ts";

const program: Program & { settings: Settings } = {
  url: import.meta.url,
  title:
    `Compares methods over seeds: base, new and H with their spread, differences with their 95 % intervals.\n\n${methodsHelp()}`,
  settings: compareSettings(KIT_METHODS),
  kept: KEPT,
  examples: [
    "deno task compare --seeds 1,2,3",
    "deno task compare --methods all --seeds 1,2,3",
    "deno task compare --methods coop,./anchored.ts --seeds 1,2",
    "deno task compare --methods zeroshot,coop --shots 1,2,4,8,16 --eval all --jobs 2",
    "deno task compare --emit slurm > compare.slurm",
    "deno task compare --collect runs --table tex",
  ],
};

if (import.meta.main) {
  const { args, files } = withWholePaths(Deno.args);
  // Like run.ts: the task may start Deno, and a method's file or data lie anywhere.
  await startAgainForPaths(import.meta.url, args, "compare");
  const isHelp = files.length > 0 && (args.includes("--help") || args.includes("-h"));
  if (isHelp) await runProgram({ ...program, settings: undefined }, () => tellHelp(files));
  else await runProgram(program, compare);
}

/** The help with the settings of methods in files. */
async function tellHelp(files: readonly string[]): Promise<void> {
  const methods = (await Promise.all(files.map(loadMethod))).map(({ method }) => method);
  console.log(helpText({ ...program, settings: compareSettings([...KIT_METHODS, ...methods]) }));
}

/** Compares methods, with the flags of a command line. */
export async function compare(args: string[]): Promise<void> {
  const settings = await readCompareSettings(args);
  const { on, terminal, folders } = settings;
  if (folders.length > 0) return await collect(settings, commandLine(args));
  const progress = openProgress({ quiet: terminal.quiet ?? false });
  const dataset = await namedDataset(on.dataset);
  const description = typeof dataset === "string" ? undefined : dataset;
  const request = { ...settings, description };
  const plan = await planComparison(request, { progress: quietly(progress) });
  let found = await findRuns(plan, on);

  const work = { ...plan, missing: found.missing, settings, progress, count: runCount(plan.runs) };
  if (terminal.dryRun) return tellPlan(work, settings.subsets.join(", "));
  if (settings.emit && found.missing.length === 0 && !settings.fresh) {
    return progress.say("All runs are there: nothing to emit. Leave --emit out to compare them.");
  }
  if (settings.emit) {
    const flags = compareSettings([...KIT_METHODS, ...settings.methods.map(({ method }) => method)]);
    return await emit(work, { args, flags, request, next: (words) => commandLine([...words, "--collect"]) });
  }
  if (!settings.collect && (found.missing.length > 0 || settings.fresh)) {
    await runMissing(work);
    found = await findRuns(plan, on);
  }
  for (const sentence of found.conflicts) progress.say(sentence);
  if (found.reports.length === 0) {
    throw new UserError(`There is no report in ${on.out} to collect: leave --collect out to run what is missing.`);
  }

  const comparison = compareReports(found.reports, {
    methods: settings.methods.map(({ method }) => method.name),
    command: commandLine(args),
    without: plan.without,
  });
  comparison.warnings.push(...missingWarnings(found.missing));
  if (on.data === SAMPLE_IMAGES) {
    comparison.warnings.push(PART_OF_TESTS);
  }
  const path = comparisonFolder(comparison, settings);
  const missing = found.missing.map(({ title }) => `${title} is missing.`);
  const output = {
    json: comparison,
    tables: tableTexts([[comparison]], missing),
    lines: comparisonText(comparison, screen()),
  };
  await writeComparison(path, output);
  const page = await writePage(path, await comparisonPage(comparison));
  if (printComparison(output, { ...settings, json: terminal.json })) {
    console.log(`\nThe whole comparison: ${page}\nTables for papers and programs: ${path}/compare.{csv,md,tex}`);
    for (const line of sampleLines(comparison.on, settings)) console.log(line);
    const again = withoutFlags(args, compareSettings(KIT_METHODS), ["seeds", "json", "table", "collect", "fresh"]);
    const [what, words] = comparison.seeds.length === 1
      ? ["other seeds, as one says little", [...again, "--seeds", "1,2,3"]]
      : ["one table of all data sets that were run", ["--collect", on.out]];
    console.log(`Next, ${what}:\n  ${commandLine(words)}`);
  }
}

/** Makes the papers' table, data sets and methods, of what is in run folders. */
async function collect({ folders, wanted, on, terminal, table }: CompareSettings, command: string): Promise<void> {
  const { groups, missing } = await collectRuns(folders, { ...wanted, command });
  const output = {
    json: { comparisonVersion: COMPARISON_VERSION, command, comparisons: groups.flat(), missing },
    tables: tableTexts(groups, missing.map((what) => `Missing: ${what}.`)),
    lines: [
      ...groups.flatMap((group) => [...collectionText(group, screen()), ""]),
      ...missing.map((what) => `missing: ${what}`),
    ],
  };
  const path = [on.out, "compare", pathPart(folders.join("-"))].join("/");
  await writeComparison(path, output);
  if (printComparison(output, { table, json: terminal.json })) {
    console.log(`The tables for papers and programs: ${path}/compare.{csv,md,tex}`);
  }
}

/** `runs/eurosat/compare/sample/zeroshot-coop-cocoop-shots16-seeds1-2-3`. */
function comparisonFolder(
  { on: { dataset, model }, seeds }: Comparison,
  { methods, all, shots, on, typed }: CompareSettings,
): string {
  const name = [
    all ? "all" : methods.map(({ method }) => method.name).join("-"),
    `shots${shots.join("-")}`,
    seeds.length > 0 && `seeds${seeds.join("-")}`,
    typed.preset,
    on.eval?.join("-"),
  ].filter((part) => part).join("-");
  return [on.out, pathPart(dataset.toLowerCase()), "compare", pathPart(model.name), pathPart(name)].join("/");
}

function commandLine(args: readonly string[]): string {
  return shellLine(["deno", "task", "compare", ...args]);
}
