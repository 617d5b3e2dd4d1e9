/** Runs in this process, in a folder of their own: what they said, and what came out. */
import type { Report } from "../../src/eval/report.ts";
import type { Method } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import type { Progress } from "../../src/run/progress.ts";
import { openRun, type RunOptions } from "../../src/run/run.ts";
import { smallFolder } from "../small_run.ts";

/** A run that has come to its end. */
export interface Ran {
  reports: readonly Report[];
  /** Results that cannot be, each in a sentence. */
  missing: readonly string[];
  /** Its folders, below the current one. */
  folders: string[];
  /** The lines that stay. */
  said: string[];
}

/** Goes into a folder with the images of the small run in `images`; it is gone afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await smallFolder();
  const home = Deno.cwd();
  Deno.chdir(folder);
  try {
    await body(folder);
  } finally {
    Deno.chdir(home);
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a method from settings to `done`, on one thread where nothing else is said. */
export async function runHere<S>(method: Method<S>, given: Given & Partial<S>, options: RunOptions = {}): Promise<Ran> {
  const said: string[] = [];
  const folders: string[] = [];
  const settings: Given & Partial<S> = { engine: "onnx", threads: 1, ...given };
  await using run = await openRun(method, settings, { progress: linesInto(said), ...options });
  for (const seed of run.seeds) {
    await using learned = await run.learn(seed);
    for (const target of run.targets) await run.report(learned, target);
    await run.finish(learned);
    folders.push(learned.folder);
  }
  return { reports: run.reports, missing: run.missing, folders, said };
}

/** Keeps the lines that stay. */
export function linesInto(lines: string[]): Progress {
  return { say: (line) => void lines.push(line), finish: (line) => void lines.push(line), update() {} };
}
