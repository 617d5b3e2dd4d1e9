/** A comparison as an array job of Slurm, a run a task, with time and memory by measured estimates. */
import { type DatasetDescription, openRun, UserError } from "../../mod.ts";
import { fitsALine } from "../../src/errors.ts";
import type { PlannedRun } from "../../src/run/comparison_runs.ts";
import { duration, type Progress } from "../../src/run/progress.ts";
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

/** Measures what one run of each method takes; seeds are alike. */
export async function needsOf(
  missing: readonly PlannedRun[],
  { settings: { on, train }, description, progress }: {
    settings: StartSettings;
    description?: DatasetDescription;
    progress: Progress;
  },
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
    const { seconds } = await run.plan();
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
}

/**
 * The script. A task can be started again.
 *
 * @throws {UserError} when a path cannot stand in a script
 */
export function slurmScript(jobs: readonly Job[], options: SlurmOptions): string {
  const { folder, out, collect, cores, needs } = options;
  const logs = out.startsWith("/") ? `${out}/slurm` : `${folder}/${out}/slurm`;
  // Slurm has no escape for these in a file name, and a line of its own ends at a line break.
  const odd = [logs, folder].find((path) => /["\\%]/.test(path) || !fitsALine(path));
  if (odd !== undefined) {
    throw new UserError(
      `Slurm takes no file name with ", \\, % or a control character: rename ${JSON.stringify(odd)}.`,
    );
  }
  const seconds = Math.max(LEAST_SECONDS, TIMES_SECONDS * needs.seconds);
  const memory = Math.max(LEAST_GIB, Math.ceil(TIMES_BYTES * needs.bytes / 2 ** 30));
  const tasks = jobs.map(({ words }, i) => `${i}) run ${shellLine(words)} ;;\n`).join("");
  return `#!/bin/bash
#SBATCH --job-name=clip-prompts
#SBATCH --array=0-${jobs.length - 1}
#SBATCH --cpus-per-task=${cores}
#SBATCH --mem=${memory}G
#SBATCH --time=${limit(seconds)}
#SBATCH --output="${logs}/%A_%a.log"
# Measured where this was written: ${duration(needs.seconds)} and ${gibibytes(needs.bytes)} GiB for the largest run.
# One run a task. A task can be started again (sbatch --array=3): it goes on from its last checkpoint, or ends at once when done.
# When all have ended: ${collect}
set -euo pipefail
cd ${shellLine([folder])}
run() {
  set -- deno "$@" --threads "$SLURM_CPUS_PER_TASK"
  echo "$*"
  exec "$@"
}
case $SLURM_ARRAY_TASK_ID in
${tasks}esac
`;
}

/** `1-02:30:00`, in steps of five minutes. */
function limit(seconds: number): string {
  const minutes = Math.ceil(seconds / 300) * 5;
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  const clock = [hours, minutes % 60, 0].map((part) => String(part).padStart(2, "0")).join(":");
  return days === 0 ? clock : `${days}-${clock}`;
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
