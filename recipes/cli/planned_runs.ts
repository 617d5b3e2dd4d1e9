/** Planned runs, of a comparison or a sweep: told, run here, or emitted for elsewhere. */
import { UserError } from "../../mod.ts";
import { fitsALine } from "../../src/errors.ts";
import type { Warning } from "../../src/eval/collapse.ts";
import type { ComparisonRequest, PlannedRun } from "../../src/run/comparison_runs.ts";
import { TAKES_DAYS } from "../../src/run/plan.ts";
import { duration, type Progress } from "../../src/run/progress.ts";
import { featureJobWords, jobOf } from "./compare_jobs.ts";
import type { StartSettings } from "./compare_settings.ts";
import { printExactly } from "./comparison_output.ts";
import type { Settings } from "./flags.ts";
import { commandList, requireSuccess, runJobs, shellLine } from "./jobs.ts";
import { withoutFlags } from "./next_step.ts";
import { featureTasksOf, needsOf, slurmScript } from "./slurm.ts";

/** Runs, and which of them are not there. */
export interface Work {
  runs: readonly PlannedRun[];
  missing: readonly PlannedRun[];
  settings: StartSettings;
  progress: Progress;
  /** How many runs there are, in words that begin a line: `4 runs`. */
  count: string;
}

/** `1 run`, `4 runs`. */
export function runCount(runs: readonly PlannedRun[]): string {
  return runs.length === 1 ? "1 run" : `${runs.length} runs`;
}

/** What is said of results that are without some runs. */
export function missingWarnings(missing: readonly PlannedRun[]): Warning[] {
  return missing.map(({ compared: { method }, seed, title }) => ({
    kind: "missing",
    method: method.name,
    seed,
    text: `${title} is missing: the numbers are without it.`,
  }));
}

/** Only counts: what data there is, each run says itself. */
export function quietly(progress: Progress): Progress {
  return { ...progress, say() {} };
}

/**
 * Runs what is missing, or with `--fresh` everything.
 *
 * @throws {UserError} when a run failed; the others were run all the same
 */
export async function runMissing({ runs, missing, settings, progress, count }: Work): Promise<void> {
  const todo = settings.fresh ? runs : missing;
  progress.say(`${count}: ${runs.length - todo.length} there, ${todo.length} to run.`);
  const jobs = todo.map((run) => jobOf(run, settings));
  const ends = await runJobs(jobs, {
    parallel: settings.jobs,
    onLine(job, line) {
      if (line.startsWith(TAKES_DAYS)) progress.say(`${job.title}: ${line}`);
    },
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

/** Prints which runs are there, and the command of each that is not. */
export function tellPlan({ runs, missing, settings, count }: Omit<Work, "progress">, images: string): void {
  console.log(`${count}, ${missing.length} missing, ${settings.jobs} at a time; evaluated on ${images}.`);
  for (const run of runs) {
    console.log(`${missing.includes(run) ? "missing" : "there  "}  ${run.title}`);
    if (missing.includes(run)) console.log(`         ${shellLine(["deno", ...jobOf(run, settings).words])}`);
  }
}

/** What was typed, as far as it is emitted. */
export interface Emitted {
  /** The words, and all flags that can be among them. */
  args: readonly string[];
  flags: Settings;
  /** What the runs are of, those that come later among them: Slurm computes its image features first. */
  request: ComparisonRequest;
  /** The command for when all have ended, of the words that are no emitting. */
  next: (words: string[]) => string;
}

/**
 * Prints what is missing as commands, or as array jobs with the image features before the runs.
 *
 * @throws {UserError} when a line could not be repeated, or could not be one
 */
export async function emit(
  { missing, settings, progress }: Omit<Work, "count">,
  { args, flags, request, next }: Emitted,
): Promise<void> {
  if (settings.fresh) {
    // Such a line, started again after a kill, would throw its own work away.
    throw new UserError("--fresh cannot be emitted: remove the run folders instead, then every line can be repeated.");
  }
  const broken = args.find((arg) => !fitsALine(arg));
  if (broken !== undefined) {
    throw new UserError(`A script has a run a line, and ${JSON.stringify(broken)} has a control character: rename it.`);
  }
  // On a cluster a task has the threads that it asks Slurm for.
  const own = settings.emit === "slurm"
    ? { ...settings, jobs: 1, on: { ...settings.on, threads: undefined } }
    : settings;
  const jobs = missing.map((run) => jobOf(run, own));
  const collect = next(withoutFlags(args, flags, ["emit", "featureTasks"]));
  const slurm = async () => {
    const tasks = await featureTasksOf(request, { asked: settings.featureTasks, progress });
    const script = slurmScript(jobs, {
      folder: Deno.cwd(),
      out: settings.on.out,
      collect,
      cores: settings.on.threads ?? 4,
      needs: await needsOf(missing, { settings, description: request.description, progress, features: tasks }),
      features: tasks && { ...tasks, words: featureJobWords(args, flags) },
    });
    // Slurm does not make the folder of its logs, and a task without one fails without a word.
    await Deno.mkdir(`${settings.on.out}/slurm`, { recursive: true });
    return script;
  };
  printExactly(settings.emit === "slurm" ? await slurm() : commandList(jobs));
  progress.say(`${missing.length} runs. When they have ended: ${collect}`);
}
