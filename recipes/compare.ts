/**
 * Which method is better, and can it be believed: runs what is missing, reuses what is there, and ends with the table of the
 * papers.
 *
 * `deno task compare --methods zeroshot,coop,cocoop --seeds 1,2,3 --shots 16 --eval base,new`
 */
import { compareReports } from "../src/eval/compare.ts";
import { comparisonText } from "../src/eval/comparison_table.ts";
import type { Comparison } from "../src/eval/comparison.ts";
import { comparisonPage } from "../src/eval/page/comparison_page.ts";
import { writePage } from "../src/eval/page/write_page.ts";
import { formatJson } from "../src/eval/report_file.ts";
import { UserError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/files.ts";
import { COMPARE_SETTINGS, type CompareSettings, ownFlagsHelp, readCompareFlags } from "./cli/compare_flags.ts";
import { findRuns, type Plan, planRuns } from "./cli/compare_plan.ts";
import { commandList, requireSuccess, runJobs, shellLine, slurmScript } from "./cli/jobs.ts";
import { duration, openProgress, type Progress } from "./cli/progress.ts";
import { type RecipeInfo, runRecipe } from "./cli/recipe.ts";
import { pathPart } from "../src/run/path.ts";

/** Training images a class that the sample's stored features hold. */
const SAMPLE_SHOTS = 16;

const recipe: RecipeInfo = {
  method: "compare",
  title:
    `Compares methods over seeds: base, new and H with their spread, differences with their noise.\n\n${ownFlagsHelp()}\n\n` +
    "The flags below are those of the recipes; they are handed on.",
  url: import.meta.url,
  settings: COMPARE_SETTINGS,
  examples: [
    "deno task compare --seeds 1,2,3",
    "deno task compare --methods all --seeds 1,2,3",
    "deno task compare --methods zeroshot,coop --shots 1,2,4,8,16 --eval all --jobs 2",
    "deno task compare --emit slurm > compare.slurm",
  ],
};

if (import.meta.main) await runRecipe(recipe, main);

async function main(args: string[]): Promise<void> {
  const settings = readCompareFlags(args);
  const { given } = settings;
  const progress = openProgress({ quiet: given.quiet ?? false });
  const plan = planRuns(settings, { recipes: recipesFolder(), threads: threadsOfEach(settings.jobs) });
  let found = await findRuns(plan, settings);

  if (given.dryRun) return tellPlan(plan, { missing: found.missing, settings });
  if (settings.emit && given.fresh) {
    // Such a line, started again after a kill, would throw its own work away.
    throw new UserError("--fresh cannot be emitted: remove the run folders instead, then every line can be repeated.");
  }
  if (settings.emit) return emit(found.missing, { settings, args, progress });
  if (!settings.collect && (found.missing.length > 0 || given.fresh)) {
    await runMissing(given.fresh ? plan.runs : found.missing, { plan, jobs: settings.jobs, progress });
    found = await findRuns(plan, settings);
  }
  if (found.reports.length === 0) {
    throw new UserError(
      `There is no report in ${given.out ?? "runs"} to collect: leave --collect out to run what is missing.`,
    );
  }

  const comparison = compareReports(found.reports, {
    methods: settings.methods,
    command: commandLine(args),
    without: plan.without,
  });
  for (const { method, seed, title } of found.missing) {
    comparison.warnings.push({
      kind: "missing",
      method,
      seed,
      text: `${title} is missing: the numbers are without it.`,
    });
  }
  const folder = comparisonFolder(comparison, settings);
  await writeFileAtomic(`${folder}/compare.json`, `${formatJson(comparison, "")}\n`);
  const page = await writePage(folder, await comparisonPage(comparison));

  if (given.json) console.log(formatJson(comparison, ""));
  else {
    for (const line of comparisonText(comparison, terminal())) console.log(line);
    console.log(`\nThe whole comparison: ${page}`);
    if (comparison.on.model.sample) {
      if (given.data === undefined && settings.shots.some((shots) => shots < SAMPLE_SHOTS)) {
        console.log(
          `Fewer than ${SAMPLE_SHOTS} shots are the first images of the sample's ${SAMPLE_SHOTS}-shot draw; the published ` +
            "draws need the images (--data EuroSAT.zip).",
        );
      }
      console.log("This was the small sample model: its numbers say nothing about OpenAI's CLIP.");
    }
  }
}

function runCount({ runs }: Plan): string {
  return runs.length === 1 ? "1 run" : `${runs.length} runs`;
}

async function runMissing(
  runs: Plan["runs"],
  { plan, jobs, progress }: { plan: Plan; jobs: number; progress: Progress },
): Promise<void> {
  const there = plan.runs.length - runs.length;
  progress.say(`${runCount(plan)}: ${there} there, ${runs.length} to run.`);
  const ends = await runJobs(runs, {
    parallel: jobs,
    onChange({ running, ended, last }) {
      if (last) {
        const how = last.code === 0 ? `done in ${duration(last.seconds)}` : last.message || `exit code ${last.code}`;
        progress.finish(`${last.job.title}: ${how}`);
      }
      if (running.length === 0) return;
      const detail = running.map(({ title }) => title).join("; ");
      progress.update({ what: "running", done: ended.length, total: runs.length, unit: "runs", detail });
    },
  });
  requireSuccess(ends);
}

function tellPlan(plan: Plan, { missing, settings }: { missing: Plan["runs"]; settings: CompareSettings }): void {
  console.log(
    `${runCount(plan)}, ${missing.length} missing, ${settings.jobs} at a time; evaluated on ${
      plan.subsets.join(", ")
    }.`,
  );
  for (const run of plan.runs) {
    console.log(`${missing.includes(run) ? "missing" : "there  "}  ${run.title}`);
    if (missing.includes(run)) console.log(`         ${shellLine(["deno", ...run.words])}`);
  }
}

function emit(
  missing: Plan["runs"],
  { settings, args, progress }: { settings: CompareSettings; args: string[]; progress: Progress },
): void {
  if (missing.length === 0) {
    progress.say("All runs are there: nothing to emit. Leave --emit out to compare them.");
    return;
  }
  const kept = args.filter((arg, i) => !arg.startsWith("--emit") && args[i - 1] !== "--emit");
  const collect = commandLine([...kept, "--collect"]);
  // What is redirected to a file must be that file's content and nothing else.
  const text = settings.emit === "slurm"
    ? slurmScript(missing, { folder: Deno.cwd(), collect, cores: settings.given.threads ?? 4 })
    : commandList(missing);
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  progress.say(`${missing.length} runs. When they have ended: ${collect}`);
}

/** `runs/eurosat/compare/sample/zeroshot-coop-cocoop-shots16-seeds1-2-3`. */
function comparisonFolder({ on, seeds }: Comparison, { methods, all, shots, given }: CompareSettings): string {
  const name = [
    all ? "all" : methods.join("-"),
    `shots${shots.join("-")}`,
    seeds.length > 0 && `seeds${seeds.join("-")}`,
    given.preset,
    given.eval?.join("-"),
  ].filter((part) => part).join("-");
  return [
    given.out ?? "runs",
    pathPart(on.dataset.toLowerCase()),
    "compare",
    pathPart(on.model.name),
    pathPart(name).slice(0, 120),
  ]
    .join("/");
}

/** Several runs at a time share the cores; one alone takes what its engine takes. */
function threadsOfEach(jobs: number): number | undefined {
  return jobs === 1 ? undefined : Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs));
}

function recipesFolder(): string {
  const folder = new URL(".", import.meta.url);
  if (folder.protocol !== "file:") return folder.href.replace(/\/$/, "");
  const path = decodeURIComponent(folder.pathname).replace(/\/$/, "");
  const here = `${Deno.cwd()}/`;
  return path.startsWith(here) ? path.slice(here.length) : path;
}

function commandLine(args: readonly string[]): string {
  return shellLine(["deno", "task", "compare", ...args]);
}

function terminal(): { columns: number; colour: boolean } {
  if (!Deno.stdout.isTerminal()) return { columns: 100, colour: false };
  return { columns: Deno.consoleSize().columns || 80, colour: !Deno.noColor };
}
