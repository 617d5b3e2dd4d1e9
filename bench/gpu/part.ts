/**
 * Runs a part in a process of its own, for a bounded time, and says what came of it.
 */
import { fileURLToPath } from "node:url";
import { memoryOfCard } from "./machine.ts";

/** Something to run, the last JSON on whose output is a result. */
export interface Part {
  name: string;
  engine?: string;
  /** The script, and its words. */
  words: string[];
  /** Its share of the time, at most. */
  seconds: number;
  /** Left out of a dry run, because it takes minutes without a card. */
  long?: boolean;
  /** What is kept of a long result. */
  // deno-lint-ignore no-explicit-any
  short?: (result: any) => unknown;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Lines of a failed part's standard error that are kept: drivers say there what they lack. */
const LINES_KEPT = 12;
const LETTERS_KEPT = 400;

/** A part that is running. */
export interface Running {
  /** What is to be told of it. */
  outcome: Promise<Record<string, unknown>>;
  /** Ends it, with all that it started. */
  kill(): void;
}

/** Starts a part that has so many seconds. */
export function start(
  { words, short = (x) => x }: Part,
  options: { seconds: number; env: Record<string, string> },
): Running {
  const { seconds, env } = options;
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", "--allow-all", ...words],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // It leads a group of processes: PyTorch's would otherwise live on, with the card's memory and our pipes.
    detached: true,
  }).spawn();
  function kill(): void {
    try {
      // Native code that computes does not hear of a gentler one.
      Deno.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  async function outcome(): Promise<Record<string, unknown>> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, 1000 * seconds);
    let cardMiB: number | undefined;
    const watch = setInterval(async () => {
      const now = await memoryOfCard();
      if (now !== undefined) cardMiB = Math.max(cardMiB ?? 0, now);
    }, 500);
    const { code, signal, stdout, stderr } = await child.output();
    clearTimeout(timer);
    clearInterval(watch);
    const result = lastJson(new TextDecoder().decode(stdout));
    const lines = new TextDecoder().decode(stderr).split("\n").map((line) => line.trimEnd()).filter(Boolean);
    const end = signal === null ? `it ended with code ${code}` : `it died of ${signal}`;
    const error = lines.findLast((line) => /^(error|[A-Za-z]*Error): /.test(line));
    const failed = late
      ? `it took more than ${Math.round(seconds)} s`
      : code !== 0 || result === undefined
      ? error ?? end
      : undefined;
    return {
      seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
      ...cardMiB !== undefined && { cardMiB },
      ...failed !== undefined && {
        failed,
        said: lines.slice(-LINES_KEPT).map((line) => line.slice(0, LETTERS_KEPT)),
      },
      ...result !== undefined && { result: code === 0 ? short(result) : shortened(result, short) },
    };
  }
  return { outcome: outcome(), kill };
}

/** A part that failed may tell something else than its result. */
function shortened(result: unknown, short: (result: unknown) => unknown): unknown {
  try {
    return short(result);
  } catch {
    return result;
  }
}

/** The JSON at the end of what a task prints: one line, or indented. */
function lastJson(text: string): unknown {
  for (const candidate of [text.trim().split("\n").at(-1)!, text.slice(text.search(/^\{/m))]) {
    try {
      return JSON.parse(candidate);
    } catch {
      // The other form, or no JSON at all.
    }
  }
}
