/**
 * Which method is better, and can it be believed: runs what is missing, reuses what is there, and ends with the table of the
 * papers.
 *
 * `deno task compare --methods zeroshot,coop,cocoop --seeds 1,2,3 --shots 16 --eval base,new`
 */
import { compareReports, type Comparison, comparisonText, type DatasetDescription, UserError } from "../mod.ts";
import { fitsALine } from "../src/errors.ts";
import { COMPARISON_VERSION } from "../src/eval/comparison.ts";
import { collectionText } from "../src/eval/comparison_table.ts";
import { comparisonPage } from "../src/eval/page/comparison_page.ts";
import { writePage } from "../src/eval/page/write_page.ts";
import { tableTexts } from "../src/eval/result_files.ts";
import { KIT_METHODS } from "../src/methods/kit.ts";
import { collectRuns } from "../src/run/collect.ts";
import { type ComparisonPlan, findRuns, planComparison, type PlannedRun } from "../src/run/comparison_runs.ts";
import { SAMPLE_IMAGES } from "../src/run/open_data.ts";
import { pathPart } from "../src/run/path.ts";
import { duration, type Progress } from "../src/run/progress.ts";
import { jobOf } from "./cli/compare_jobs.ts";
import {
  type CompareSettings,
  compareSettings,
  methodsHelp,
  readCompareSettings,
  withWholePaths,
} from "./cli/compare_settings.ts";
import { printComparison, printExactly, screen, writeComparison } from "./cli/comparison_output.ts";
import { namedDataset } from "./cli/dataset_file.ts";
import { commandList, requireSuccess, runJobs, shellLine } from "./cli/jobs.ts";
import { withoutFlags } from "./cli/next_step.ts";
import { openProgress } from "./cli/progress.ts";
import { KEPT, runProgram } from "./cli/recipe.ts";
import { needsOf, slurmScript } from "./cli/slurm.ts";
import { isStarter, lacksMethodFile, startWithPermissions } from "./cli/start.ts";

/** Training images a class that the sample's stored features hold. */
const SAMPLE_SHOTS = 16;

if (import.meta.main) {
  const { args, files } = withWholePaths(Deno.args);
  // Like run.ts: the task may start Deno, and a method's file lies anywhere.
  if (await lacksMethodFile(files) && await isStarter()) {
    Deno.exit(await startWithPermissions(import.meta.url, args, { task: "compare" }));
  }
  await runProgram({
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
  }, compare);
}

/** Compares methods, with the flags of a command line. */
export async function compare(args: string[]): Promise<void> {
  const settings = await readCompareSettings(args);
  const { on, terminal, folders } = settings;
  if (folders.length > 0) return await collect(settings, commandLine(args));
  const progress = openProgress({ quiet: terminal.quiet ?? false });
  const dataset = await namedDataset(on.dataset);
  const description = typeof dataset === "string" ? undefined : dataset;
  const plan = await planComparison({ ...settings, description }, { progress: quietly(progress) });
  let found = await findRuns(plan, on);

  if (terminal.dryRun) return tellPlan(plan, { missing: found.missing, settings });
  if (settings.emit && settings.fresh) {
    // Such a line, started again after a kill, would throw its own work away.
    throw new UserError("--fresh cannot be emitted: remove the run folders instead, then every line can be repeated.");
  }
  if (settings.emit) return await emit(found.missing, { settings, args, description, progress });
  if (!settings.collect && (found.missing.length > 0 || settings.fresh)) {
    await runMissing(settings.fresh ? plan.runs : found.missing, { plan, settings, progress });
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
  for (const { compared: { method }, seed, title } of found.missing) {
    comparison.warnings.push({
      kind: "missing",
      method: method.name,
      seed,
      text: `${title} is missing: the numbers are without it.`,
    });
  }
  if (on.data === SAMPLE_IMAGES) {
    comparison.warnings.push({
      kind: "part",
      method: null,
      seed: null,
      text: "The test images are the sample's, a part of the published ones: --data EuroSAT.zip takes all.",
    });
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
    if (comparison.on.model.sample) {
      if ((on.data ?? SAMPLE_IMAGES) === SAMPLE_IMAGES && settings.shots.some((shots) => shots < SAMPLE_SHOTS)) {
        console.log(
          `Fewer than ${SAMPLE_SHOTS} shots are the first images of the sample's ${SAMPLE_SHOTS}-shot draw; the published ` +
            "draws need the images (--data EuroSAT.zip).",
        );
      }
      console.log("This was the small sample model: its numbers say nothing about OpenAI's CLIP.");
    }
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

/** Only counts: what data there is, each run says itself. */
function quietly(progress: Progress): Progress {
  return { ...progress, say() {} };
}

function runCount({ runs }: ComparisonPlan): string {
  return runs.length === 1 ? "1 run" : `${runs.length} runs`;
}

async function runMissing(
  missing: readonly PlannedRun[],
  { plan, settings, progress }: { plan: ComparisonPlan; settings: CompareSettings; progress: Progress },
): Promise<void> {
  const there = plan.runs.length - missing.length;
  progress.say(`${runCount(plan)}: ${there} there, ${missing.length} to run.`);
  const fresh = settings.fresh ? ["--fresh"] : [];
  const jobs = missing.map((run) => jobOf(run, settings)).map((job) => ({ ...job, words: [...job.words, ...fresh] }));
  const ends = await runJobs(jobs, {
    parallel: settings.jobs,
    onChange({ running, ended, last }) {
      if (last) {
        const how = last.code === 0 ? `done in ${duration(last.seconds)}` : last.message || `exit code ${last.code}`;
        progress.finish(`${last.job.title}: ${how}`);
      }
      if (running.length === 0) return;
      const detail = running.map(({ title }) => title).join("; ");
      progress.update({ what: "running", done: ended.length, total: jobs.length, unit: "runs", detail });
    },
  });
  requireSuccess(ends);
}

function tellPlan(
  plan: ComparisonPlan,
  { missing, settings }: { missing: readonly PlannedRun[]; settings: CompareSettings },
): void {
  console.log(
    `${runCount(plan)}, ${missing.length} missing, ${settings.jobs} at a time; evaluated on ${
      settings.subsets.join(", ")
    }.`,
  );
  for (const run of plan.runs) {
    console.log(`${missing.includes(run) ? "missing" : "there  "}  ${run.title}`);
    if (missing.includes(run)) console.log(`         ${shellLine(["deno", ...jobOf(run, settings).words])}`);
  }
}

async function emit(
  missing: readonly PlannedRun[],
  at: { settings: CompareSettings; args: string[]; description?: DatasetDescription; progress: Progress },
): Promise<void> {
  const { settings, args, description, progress } = at;
  if (missing.length === 0) {
    progress.say("All runs are there: nothing to emit. Leave --emit out to compare them.");
    return;
  }
  const broken = args.find((arg) => !fitsALine(arg));
  if (broken !== undefined) {
    throw new UserError(`A script has a run a line, and ${JSON.stringify(broken)} has a control character: rename it.`);
  }
  const kept = args.filter((arg, i) => !arg.startsWith("--emit") && args[i - 1] !== "--emit");
  const collect = commandLine([...kept, "--collect"]);
  // On a cluster a task has the threads that it asks Slurm for.
  const own = settings.emit === "slurm"
    ? { ...settings, jobs: 1, on: { ...settings.on, threads: undefined } }
    : settings;
  const jobs = missing.map((run) => jobOf(run, own));
  const lines = settings.emit === "slurm"
    ? slurmScript(jobs, {
      folder: Deno.cwd(),
      out: settings.on.out,
      collect,
      cores: settings.on.threads ?? 4,
      needs: await needsOf(missing, { settings, description, progress }),
    })
    : commandList(jobs);
  // Slurm does not make the folder of its logs, and a task without one fails without a word.
  if (settings.emit === "slurm") await Deno.mkdir(`${settings.on.out}/slurm`, { recursive: true });
  printExactly(lines);
  progress.say(`${missing.length} runs. When they have ended: ${collect}`);
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
