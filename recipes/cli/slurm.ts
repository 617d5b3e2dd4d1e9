/**
 * A comparison or a sweep as array jobs of Slurm, with time and memory by measured estimates: the image features that are
 * missing, a part a task, and after them the runs.
 */
import { type DatasetDescription, openRun, UserError } from "../../mod.ts";
import { fitsALine } from "../../src/errors.ts";
import type { ComparisonRequest, PlannedRun } from "../../src/run/comparison_runs.ts";
import { duration, type Progress } from "../../src/run/progress.ts";
import { openFeatures } from "../../src/run/feature_work.ts";
import type { StartSettings } from "./compare_settings.ts";
import { type Job, shellLine } from "./jobs.ts";

/** What the longest run takes, and the largest. */
export interface Needs {
  seconds: number;
  bytes: number;
}

/** Processors of the cluster are slower than those here, and images lie on a disk that others use too. */
const TIMES_SECONDS = 4;
const LEAST_SECONDS = 15 * 60;
/** The estimate holds no reading ahead of images, and no graphs of both protocols at a time. */
const TIMES_BYTES = 2;
const LEAST_GIB = 2;

/** What is measured, and who is told. */
interface Measured {
  settings: StartSettings;
  description?: DatasetDescription;
  progress: Progress;
}

/** The image features that are missing, as tasks. */
export interface FeatureTasks {
  tasks: number;
  /** Of a task. */
  needs: Needs;
}

/** The longest array that is made without being asked for. */
const MOST_TASKS = 128;

/** Into how many tasks the missing features go, and what one of them takes; undefined where there is nothing to compute. */
export async function featureTasksOf(
  request: ComparisonRequest,
  { asked, progress }: { asked?: number; progress: Progress },
): Promise<FeatureTasks | undefined> {
  if (asked === 0) return undefined;
  const { threads: _cluster, ...on } = request.on;
  await using work = await openFeatures({ ...request, on }, { progress, part: { part: 1, of: 1 } });
  const { missing, files, seconds } = await work.cost();
  if (missing === 0) return undefined;
  const hours = Math.min(MOST_TASKS, Math.ceil(seconds / 3600));
  const tasks = Math.max(1, Math.min(files, asked ?? hours));
  const bytes = Deno.memoryUsage().rss;
  progress.say(
    `Image features: ${missing.toLocaleString("en-US")} to compute, about ${duration(seconds)} here; in ${tasks} ${
      tasks === 1 ? "task" : "tasks"
    }.`,
  );
  return { tasks, needs: { seconds: seconds / tasks, bytes } };
}

/** Measures what one run of each method takes; seeds are alike. A run computes one missing part of the features at most. */
export async function needsOf(
  missing: readonly PlannedRun[],
  { settings: { on, train }, description, progress, features }: Measured & { features?: FeatureTasks },
): Promise<Needs> {
  const needs: Needs = { seconds: 0, bytes: 0 };
  const kinds = new Map(
    missing.map((run) => [JSON.stringify([run.compared.method.name, run.compared.varied, run.shots]), run]),
  );
  for (const { compared, subsets, shots, seed, title } of kinds.values()) {
    const { threads: _cluster, ...here } = on;
    const draw = shots === null ? {} : { train, shots, seeds: [seed!] };
    await using run = await openRun(compared.asked, { ...compared.given, ...here, ...draw, eval: subsets }, {
      description,
      methodSha256: compared.file?.sha256,
    });
    const { seconds: all, featureSeconds } = await run.plan();
    const seconds = features === undefined
      ? all
      : all - featureSeconds + Math.min(featureSeconds, features.needs.seconds);
    const bytes = Deno.memoryUsage().rss;
    progress.say(`${title}: about ${duration(seconds)} and ${gibibytes(bytes)} GiB of memory here.`);
    needs.seconds = Math.max(needs.seconds, seconds);
    needs.bytes = Math.max(needs.bytes, bytes);
  }
  return needs;
}

/** What the script is made of. */
export interface SlurmOptions {
  /** Where its commands run. */
  folder: string;
  /** Where run folders go; logs go into its `slurm`, which Slurm does not make. */
  out: string;
  /** The command that compares when all have ended. */
  collect: string;
  /** Processors of a task; the runs use as many threads. */
  cores: number;
  needs: Needs;
  /** What computes image features before the runs, its words without the part. */
  features?: FeatureTasks & { words: readonly string[] };
}

/**
 * The script: bash submits it, as the job of the features and the job of the runs. A task of either can be started again.
 *
 * @throws {UserError} when a path cannot stand in a script
 */
export function slurmScript(jobs: readonly Job[], options: SlurmOptions): string {
  const { folder, out, collect, cores, needs, features } = options;
  const logs = out.startsWith("/") ? `${out}/slurm` : `${folder}/${out}/slurm`;
  // Slurm has no escape for these in a file name, and a line of its own ends at a line break.
  const odd = [logs, folder].find((path) => /["\\%]/.test(path) || !fitsALine(path));
  if (odd !== undefined) {
    throw new UserError(
      `Slurm takes no file name with ", \\, % or a control character: rename ${JSON.stringify(odd)}.`,
    );
  }
  const tasks = jobs.map(({ words }, i) => `${i}) run ${shellLine(words)} ;;\n`).join("");
  const start = features === undefined ? 'exec sbatch "$0"' : submitBoth(features);
  return `#!/bin/bash
#SBATCH --job-name=clip-prompts
#SBATCH --array=0-${jobs.length - 1}
#SBATCH --cpus-per-task=${cores}
#SBATCH --mem=${memory(needs)}
#SBATCH --time=${limit(needs)}
#SBATCH --output="${logs}/%A_%a.log"
# Submit it with bash. Measured where this was written: ${duration(needs.seconds)} and ${
    gibibytes(needs.bytes)
  } GiB for the largest run.
# One run a task. A task can be started again (sbatch --array=3): it goes on from its last checkpoint, or ends at once when done.
# When all have ended: ${collect}
set -euo pipefail
if [ -z "\${SLURM_ARRAY_TASK_ID:-}" ]; then
  [ -f "$0" ] || { echo "Write this script into a file, and start that with bash." >&2; exit 2; }
  ${start}
fi
cd ${shellLine([folder])}
run() {
  set -- deno "$@" --threads "$SLURM_CPUS_PER_TASK"
  echo "$*"
  exec "$@"
}
${features === undefined ? "" : featureTask(features)}case $SLURM_ARRAY_TASK_ID in
${tasks}esac
`;
}

/** Lines that submit the features and, after them, the runs. */
function submitBoth({ tasks, needs }: FeatureTasks): string {
  const asked = `--job-name=clip-features --array=1-${tasks} --mem=${memory(needs)} --time=${limit(needs)}`;
  return `features=$(sbatch --parsable ${asked} "$0" features)
  runs=$(sbatch --parsable --dependency="afterok:\${features%%;*}" "$0")
  echo "Image features: job $features, tasks 1 to ${tasks}. Runs: job $runs, after them."
  echo "If a task of the features fails, the runs wait. This starts them, and they compute what is missing:"
  echo "  scontrol update JobId=\${runs%%;*} Dependency="
  exit`;
}

/** Lines of a task of the features; `sbatch --array=3 SCRIPT features` starts one again. */
function featureTask({ tasks, words }: NonNullable<SlurmOptions["features"]>): string {
  return `if [ "\${1:-}" = features ]; then
  run ${shellLine(words)} --part "$SLURM_ARRAY_TASK_ID/${tasks}"
fi
`;
}

function memory({ bytes }: Needs): string {
  return `${Math.max(LEAST_GIB, Math.ceil(TIMES_BYTES * bytes / 2 ** 30))}G`;
}

/** `1-02:30:00`, in steps of five minutes. */
function limit({ seconds }: Needs): string {
  const minutes = Math.ceil(Math.max(LEAST_SECONDS, TIMES_SECONDS * seconds) / 300) * 5;
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  const clock = [hours, minutes % 60, 0].map((part) => String(part).padStart(2, "0")).join(":");
  return days === 0 ? clock : `${days}-${clock}`;
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
