/**
 * What runs, and what has ended and how, from the files of run folders alone: runs need not know that they are looked at, and
 * nothing is written. Links in the folders are not followed.
 */
import type { RunSeen, RunsSeen, TrainingSeen } from "../eval/page/watch_page.ts";
import { PAGE_NAME } from "../eval/page/write_page.ts";
import { messageOf } from "../errors.ts";
import { fileError, infoOf, readIfThere } from "../files.ts";
import type { StepRecord } from "../train/training.ts";
import { DONE, IDENTITY, METRICS, TIME, TIME_NOTE_SECONDS } from "./folder.ts";
import { LOCK, ownerOf } from "./lock.ts";

/** Any of these makes a folder that of a run: some have an identity alone, and those of 0.1.0 may have none. */
const OF_A_RUN = [IDENTITY, METRICS, DONE, "report-base.json", "report-new.json", "report-all.json"];

/** A run as it was found, and the files that say when to read it again. */
interface Known {
  files: string;
  run: RunSeen;
}

/** A run folder, and when those of its files were written that are read here. */
interface Place {
  at: string;
  times: ReadonlyMap<string, number>;
}

/** Gives what is in a folder of runs each time that it is called; folders that have not changed are not read again. */
export function runWatcher(folder: string): () => Promise<RunsSeen> {
  let known = new Map<string, Known>();
  return async () => {
    const now = new Map<string, Known>();
    const pages: string[] = [];
    const notes: string[] = [];

    async function look(path: string): Promise<void> {
      const entries = await entriesOf(`${folder}/${path}`);
      const names = entries.filter(({ isFile }) => isFile).map(({ name }) => name);
      const folders = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();
      if (OF_A_RUN.some((name) => names.includes(name))) {
        const found = await lookAtRun(path, { names, folders, before: known.get(path) });
        return void (found && now.set(path, found));
      }
      if (names.includes(PAGE_NAME)) pages.push(below(path, PAGE_NAME));
      for (const name of folders) await lookOrNote(below(path, name));
    }

    /** One folder that cannot be read hides no other. */
    async function lookOrNote(path: string): Promise<void> {
      try {
        await look(path);
      } catch (error) {
        notes.push(messageOf(error));
      }
    }

    async function lookAtRun(
      path: string,
      { names, folders, before }: { names: readonly string[]; folders: readonly string[]; before?: Known },
    ): Promise<Known | undefined> {
      const at = `${folder}/${path}`;
      const times = new Map<string, number>();
      for (const name of [...OF_A_RUN, TIME, LOCK, PAGE_NAME].filter((name) => names.includes(name))) {
        const info = await infoOf(`${at}/${name}`);
        if (info !== undefined) times.set(name, info.mtime?.getTime() ?? 0);
      }
      // Removed since, to start over.
      if (times.size === 0) return undefined;
      const pages = names.includes(PAGE_NAME) ? [below(path, PAGE_NAME)] : [];
      for (const name of folders) {
        const inIt = await entriesOf(`${at}/${name}`);
        if (inIt.some(({ name, isFile }) => isFile && name === PAGE_NAME)) pages.push(below(path, name, PAGE_NAME));
      }
      const files = JSON.stringify([...times, pages]);
      // A process ends without writing anything.
      if (before?.files === files && before.run.state !== "running") return before;
      const place = { at, times };
      const about = await readAbout(place);
      const read = before?.files === files ? before.run : { about, training: await readTraining(place, about) };
      const written = new Date(Math.max(...times.values())).toISOString();
      return { files, run: { ...read, path, pages, written, state: await stateOf(place) } };
    }

    await look("");
    known = now;
    const runs = [...now.values()].map(({ run }) => run).toSorted((a, b) => a.written < b.written ? 1 : -1);
    return { runs, pages, notes };
  };
}

function below(...parts: string[]): string {
  return parts.filter((part) => part !== "").join("/");
}

async function entriesOf(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path));
  } catch (error) {
    // A run that starts over may have removed it by now; the folder of all runs may not be there yet.
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError(error, path, "read", "the folder");
  }
}

/** A process that ends by itself takes its id out of the lock; the system drops the lock of any that ends. */
async function stateOf({ at, times }: Place): Promise<RunSeen["state"]> {
  const owner = times.has(LOCK) ? await ownerOf(at) : undefined;
  if (owner?.alive) return "running";
  const [locked, done] = [times.get(LOCK), times.get(DONE)];
  // Killed while a run that was done was evaluated once more; or done, and killed before it unlocked.
  if (owner !== undefined && (done === undefined || done < locked!)) return "killed";
  return done === undefined ? "ended" : "done";
}

async function readAbout(place: Place): Promise<Record<string, string>> {
  const entries = Object.entries(parsed(await textOf(place, IDENTITY)) ?? {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** The training so far; undefined before the first checkpoint, and of what has no steps. */
async function readTraining(place: Place, about: RunSeen["about"]): Promise<TrainingSeen | undefined> {
  // The last line may be half written.
  const steps = (await textOf(place, METRICS)).split("\n").map(parsed).filter((line) =>
    [line?.step, line?.epoch, line?.lr, line?.loss].every((value) => typeof value === "number")
  ) as unknown as StepRecord[];
  const last = steps.at(-1);
  if (last === undefined) return undefined;
  const { step, epoch, lr } = last;
  const byEpoch = [...Map.groupBy(steps, (one) => one.epoch).values()];
  const losses = byEpoch.map((own) => own.reduce((sum, { loss }) => sum + loss, 0) / own.length);
  const epochs = Number(about.epochs) || undefined;
  const stepsPerSecond = step / await secondsOf(place) || undefined;
  // The first epoch is whole once there is a second.
  const total = epochs !== undefined && byEpoch.length > 1 ? epochs * byEpoch[0].length : undefined;
  const secondsLeft = total && stepsPerSecond && (total - step) / stepsPerSecond;
  return { step, epoch, epochs, losses, lr, stepsPerSecond, secondsLeft };
}

/** The seconds of training up to the last line of the metrics: they are noted at most every few seconds. */
async function secondsOf(place: Place): Promise<number> {
  const { trainSeconds } = parsed(await textOf(place, TIME)) ?? {};
  if (typeof trainSeconds !== "number") return NaN;
  const since = (place.times.get(METRICS)! - place.times.get(TIME)!) / 1000;
  return trainSeconds + Math.min(TIME_NOTE_SECONDS, Math.max(0, since));
}

/** Empty where there is no such file, or a link in its place. */
async function textOf({ at, times }: Place, name: string): Promise<string> {
  return times.has(name) ? new TextDecoder().decode(await readIfThere(`${at}/${name}`)) : "";
}

/** The object that JSON holds; undefined where it is cut or something else. */
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}
