/** Runs of recipes as processes of their own: here, several at a time, or as lines for a cluster. */
import { UserError } from "../../src/errors.ts";
import { onInterrupt } from "./interrupt.ts";

/** One run of one recipe. */
export interface Job {
  /** For people: `CoOp, 16 shots, seed 2`. */
  title: string;
  /** All words after `deno`: `run`, permissions, the script, its flags. */
  words: string[];
}

/** How a job ended. */
export interface JobEnd {
  job: Job;
  code: number;
  seconds: number;
  /** The last thing that it said on standard error. */
  message: string;
}

/** A started process, as far as jobs need it. */
export interface StartedJob {
  /** Exit code and standard error. */
  ended: Promise<{ code: number; stderr: string }>;
  stop(): void;
}

/** The options of {@linkcode runJobs}. */
export interface RunJobsOptions {
  /** How many at a time. */
  parallel: number;
  /** Called at each start and end. */
  onChange?: (change: { running: readonly Job[]; ended: readonly JobEnd[]; last?: JobEnd }) => void;
  /** Called with each line that a job says on standard error, while it runs. */
  onLine?: (job: Job, line: string) => void;
  /** Starts a process; Deno's own program when left out. */
  start?: (job: Job, onLine: (line: string) => void) => StartedJob;
}

/** Runs all jobs, some at a time. One that fails does not stop the others. */
export async function runJobs(jobs: readonly Job[], options: RunJobsOptions): Promise<JobEnd[]> {
  const { parallel, onChange, onLine, start = startDeno } = options;
  const running = new Map<Job, StartedJob>();
  const ended: JobEnd[] = [];
  const waiting = [...jobs];
  const tell = (last?: JobEnd) => onChange?.({ running: [...running.keys()], ended, last });
  // Children of a killed process would go on training.
  const release = onInterrupt(() => {
    for (const process of running.values()) process.stop();
  });
  const worker = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const began = performance.now();
      const process = start(job, (line) => onLine?.(job, line));
      running.set(job, process);
      tell();
      const { code, stderr } = await process.ended;
      running.delete(job);
      const end = { job, code, seconds: (performance.now() - began) / 1000, message: lastWords(stderr) };
      ended.push(end);
      tell(end);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(parallel, jobs.length) }, worker));
  } finally {
    release();
  }
  return jobs.map((job) => ended.find((end) => end.job === job)!);
}

function startDeno(job: Job, onLine: (line: string) => void): StartedJob {
  const child = new Deno.Command(Deno.execPath(), {
    args: job.words,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const text = linesOf(child.stderr, onLine);
  return {
    ended: child.status.then(async ({ code }) => ({ code, stderr: await text })),
    stop: () => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended in the meantime.
      }
    },
  };
}

/** All text of a stream; each line is told when it is whole. */
async function linesOf(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<string> {
  let text = "";
  let from = 0;
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let at = text.indexOf("\n", from); at >= 0; at = text.indexOf("\n", from)) {
      onLine(text.slice(from, at));
      from = at + 1;
    }
  }
  return text;
}

function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.findLast((line) => line.startsWith("error:")) ?? lines.at(-1) ?? "";
}

/**
 * Complains of jobs that failed, all in one message.
 *
 * @throws {UserError} when a job ended with another code than 0
 */
export function requireSuccess(ends: readonly JobEnd[]): void {
  const failed = ends.filter(({ code }) => code !== 0);
  if (failed.length === 0) return;
  const reasons = failed.map(({ job, code, message }) => `\n  ${job.title}: ${message || `exit code ${code}`}`).join(
    "",
  );
  throw new UserError(
    `${failed.length} of ${ends.length} runs failed; what is done is kept, and the same command goes on from there:${reasons}`,
  );
}

/** A command line that a shell takes as it stands. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/** A list of commands, one run a line; each can be repeated, and goes on where it was cut off. */
export function commandList(jobs: readonly Job[]): string {
  return jobs.map(({ words }) => `${shellLine(["deno", ...words])}\n`).join("");
}
