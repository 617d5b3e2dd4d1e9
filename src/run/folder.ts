/**
 * The folder of one run: `OUT/DATASET/METHOD/PRESET/BACKBONE/shots16/seed1`.
 *
 * `identity.json` (what decides the numbers), `config.yaml` (what was asked), `metrics.jsonl` (a line a step),
 * `checkpoint.safetensors` (while training), `checkpoint-0100.safetensors` (after epoch 100, the last),
 * `report-*.json`, `time.json`, and `done`, written last.
 * Every file is written beside and renamed, but `metrics.jsonl`, which grows and is written again from the checkpoint
 * when a run goes on.
 */
import { fileError, infoOf, MOST_TEXT_BYTES, readIfThere, writeFileAtomic } from "../files.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../train/checkpoint.ts";
import type { StepRecord, TrainingState } from "../train/training.ts";
import type { RunIdentity } from "./identity.ts";
import { LOCK, lockFolder } from "./lock.ts";
import { FINAL_CHECKPOINT } from "./path.ts";

const LATEST = "checkpoint.safetensors";
/** A line a step. */
export const METRICS = "metrics.jsonl";
/** The seconds of training. */
export const TIME = "time.json";
/** Written last. */
export const DONE = "done";
/** What decides the numbers. */
export const IDENTITY = "identity.json";
const REPORT = /^report-.*\.json$/;

/** Seconds between two notes of the time spent; more would cost more than they tell. */
export const TIME_NOTE_SECONDS = 5;

/** The folder of a run, locked for this process. */
export interface RunFolder {
  readonly path: string;
  /** The process that ended without unlocking, when there was one. */
  readonly stale?: number;
  /** The last checkpoint, when there is one, and whether it is the end of the training. */
  checkpoint(): Promise<{ checkpoint: Checkpoint; name: string; final: boolean } | undefined>;
  /** What its results are of, by its own note and its checkpoint; none without results. Reports say it themselves. */
  identities(): Promise<RunIdentity[]>;
  /** Writes a checkpoint; the final one takes the place of all others. */
  saveCheckpoint(
    state: TrainingState,
    options: { metadata: Record<string, string>; finalEpoch?: number },
  ): Promise<void>;
  /** Makes `metrics.jsonl` hold these lines and no others: what a killed process left of it may be cut or too long. */
  writeMetrics(records: readonly StepRecord[]): Promise<void>;
  /** Adds lines to `metrics.jsonl`. */
  appendMetrics(records: readonly StepRecord[]): Promise<void>;
  /** Seconds of training so far, over all processes. */
  trainSeconds(): Promise<number>;
  /** Notes the seconds of training so far; most calls do nothing. */
  noteTrainSeconds(seconds: number, options: { last: boolean }): Promise<void>;
  /** Writes a file of the run. */
  write(name: string, content: string | Uint8Array): Promise<void>;
  /** Reads a file of the run as text; undefined when there is none. */
  read(name: string): Promise<string | undefined>;
  /** Writes `done`, which names what is complete. */
  finish(done: Record<string, unknown>): Promise<void>;
  /** Removes all but the lock. */
  clear(): Promise<void>;
  /** Unlocks the folder. */
  close(): void;
}

/**
 * Opens and locks the folder of a run; makes it when it is missing.
 *
 * @throws {UserError} when another process works in it, or it cannot be written
 */
export async function openRunFolder(path: string): Promise<RunFolder> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(error, path, "write", "the run folder");
  }
  const names = async () => {
    try {
      return (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name);
    } catch (error) {
      throw fileError(error, path, "read", "the run folder");
    }
  };
  const remove = async (name: string) => {
    try {
      await Deno.remove(`${path}/${name}`, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, `${path}/${name}`, "write");
    }
  };
  const lock = await lockFolder(path);
  try {
    // Only this process writes here now: what is half-written or overtaken is of processes that were killed.
    for (const name of await partialsBelow(path)) await remove(name);
    if ((await names()).some((name) => FINAL_CHECKPOINT.test(name))) await remove(LATEST);
  } catch (error) {
    lock.release();
    throw error;
  }
  let noted = -Infinity;

  const read = (name: string): Promise<Uint8Array | undefined> =>
    readIfThere(`${path}/${name}`, "the file", name.endsWith(".safetensors") ? undefined : MOST_TEXT_BYTES);

  /** A half-written note says nothing: it is written before anything else of the run. */
  const readIdentity = async (): Promise<RunIdentity | undefined> => {
    const bytes = await read(IDENTITY);
    if (bytes === undefined) return undefined;
    try {
      const identity: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return typeof identity === "object" && identity !== null ? identity as RunIdentity : undefined;
    } catch {
      return undefined;
    }
  };

  return {
    path,
    stale: lock.stale,
    async checkpoint() {
      const final = (await names()).filter((name) => FINAL_CHECKPOINT.test(name)).sort().at(-1);
      const name = final ?? LATEST;
      const bytes = await read(name);
      if (bytes === undefined) return undefined;
      return { checkpoint: decodeCheckpoint(bytes, `${path}/${name}`), name, final: final !== undefined };
    },
    async identities() {
      const left = await names();
      // A run that failed before its first result has left only its note: nothing is of it.
      if (!left.some((name) => name === LATEST || FINAL_CHECKPOINT.test(name) || REPORT.test(name))) return [];
      const found: RunIdentity[] = [];
      const own = await readIdentity();
      if (own !== undefined) found.push(own);
      const final = left.filter((name) => FINAL_CHECKPOINT.test(name)).sort().at(-1);
      const bytes = await read(final ?? LATEST);
      if (bytes !== undefined) found.push(decodeCheckpoint(bytes, `${path}/${final ?? LATEST}`).metadata);
      return found;
    },
    async saveCheckpoint(state, { metadata, finalEpoch }) {
      const name = finalEpoch === undefined ? LATEST : `checkpoint-${String(finalEpoch).padStart(4, "0")}.safetensors`;
      await writeFileAtomic(`${path}/${name}`, encodeCheckpoint(state, metadata));
      if (finalEpoch !== undefined) await remove(LATEST);
    },
    async writeMetrics(records) {
      const text = records.map(jsonLine).join("");
      const file = `${path}/${METRICS}`;
      const there = await infoOf(file);
      // Of another size it is another text, however large.
      const found = there?.isFile && there.size === text.length ? await readIfThere(file) : undefined;
      if (found && new TextDecoder().decode(found) === text) return;
      await writeFileAtomic(file, text);
    },
    async appendMetrics(records) {
      if (records.length === 0) return;
      try {
        await Deno.writeTextFile(`${path}/${METRICS}`, records.map(jsonLine).join(""), { append: true });
      } catch (error) {
        throw fileError(error, `${path}/${METRICS}`, "write");
      }
    },
    async trainSeconds() {
      const bytes = await read(TIME);
      if (bytes === undefined) return 0;
      try {
        const seconds: unknown = JSON.parse(new TextDecoder().decode(bytes)).trainSeconds;
        return typeof seconds === "number" && seconds >= 0 ? seconds : 0;
      } catch {
        return 0;
      }
    },
    async noteTrainSeconds(seconds, { last }) {
      if (!last && performance.now() - noted < TIME_NOTE_SECONDS * 1000) return;
      noted = performance.now();
      await writeFileAtomic(`${path}/${TIME}`, `${JSON.stringify({ trainSeconds: seconds })}\n`);
    },
    write: (name, content) => writeFileAtomic(`${path}/${name}`, content),
    async read(name) {
      const bytes = await read(name);
      return bytes && new TextDecoder().decode(bytes);
    },
    finish: (done) => writeFileAtomic(`${path}/${DONE}`, `${JSON.stringify(done, null, 2)}\n`),
    async clear() {
      // What says that the run is done goes first, so that the rest is never taken for a whole run.
      const last = await names();
      const first = last.filter((name) => name === DONE || FINAL_CHECKPOINT.test(name)).sort().reverse();
      for (const name of new Set([...first, ...last])) if (name !== LOCK) await remove(name);
    },
    close: () => lock.release(),
  };
}

/** Files that were being written, in the folder and in those of its charts and pages. */
async function partialsBelow(path: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(`${path}/${below}`)) {
      if (isDirectory) found.push(...await partialsBelow(path, `${below}${name}/`));
      else if (name.startsWith(".") && name.endsWith(".partial")) found.push(below + name);
    }
  } catch (error) {
    throw fileError(error, path, "read", "the run folder");
  }
  return found;
}

/** What `done` says is complete; undefined where the run has not come to its end. */
export async function readDone(path: string): Promise<{ evaluatedOn?: string[] } | undefined> {
  const bytes = await readIfThere(`${path}/${DONE}`, "the end of the run", MOST_TEXT_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const done = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(done?.evaluatedOn) ? done : undefined;
  } catch {
    return undefined;
  }
}

function jsonLine(record: StepRecord): string {
  return `${JSON.stringify(record)}\n`;
}
