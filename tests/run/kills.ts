/** Kills runs at random moments, and starts them again. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { namedStream, type RandomStream } from "../../src/data/random.ts";
import { assertSameResults, resultsOf, smallFolder, startRecipe } from "../small_run.ts";

/** What is run; the small run of CoOp when left out. */
type Recipe = Parameters<typeof startRecipe>[1];

/** A line on standard error, and when it came. */
interface Line {
  text: string;
  /** Milliseconds from the first line. */
  at: number;
}

/** Reads what a process says, line by line. */
async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<Line> {
  let began: number | undefined;
  let rest = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    began ??= performance.now();
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield { text: line, at: performance.now() - began };
  }
}

/** Milliseconds after a line, counted from 1 among all lines or among those that start with a word. */
interface Moment {
  line: number;
  of?: string;
  milliseconds: number;
}

/** What a run is at, as its lines start. */
export const PHASES = ["image features", "training", "evaluating"];

/** By turns any moment of the undisturbed run is equally likely, any line, and any phase, however short it is. */
function momentOf(timeline: Line[], { random, kills }: { random: RandomStream; kills: number }): Moment {
  const end = timeline.at(-1)!.at;
  if (kills % 3 === 2) return { line: 1, of: PHASES[random.below(PHASES.length)], milliseconds: random.uniform(0, 10) };
  if (kills % 3 === 0) {
    const at = random.uniform(0, end);
    const line = timeline.findLastIndex((line) => line.at <= at);
    return { line: line + 1, milliseconds: at - timeline[line].at };
  }
  const line = random.below(timeline.length);
  return { line: line + 1, milliseconds: random.uniform(0, (timeline[line + 1]?.at ?? end) - timeline[line].at) };
}

/** Starts the run and kills it at a moment, if one is given; says the last line, or nothing when it had ended before. */
export async function killAt(
  folder: string,
  moment?: Moment,
  run?: Recipe,
): Promise<string | undefined> {
  const child = startRecipe(folder, run);
  const stdout = child.stdout.cancel();
  let count = 0;
  let last = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const { text } of linesOf(child)) {
    last = text;
    if (moment?.of !== undefined && !text.toLowerCase().startsWith(moment.of)) continue;
    if (++count === moment?.line) timer = setTimeout(() => child.kill("SIGKILL"), moment.milliseconds);
  }
  const { code, signal } = await child.status;
  clearTimeout(timer);
  await stdout;
  if (signal === "SIGKILL") return last;
  assertEquals(code, 0, last);
}

/**
 * Runs a recipe undisturbed, then twice at a time killed at random moments and started again until it ends; every end has
 * the bits of the undisturbed run.
 *
 * @returns the last line before each kill
 */
export async function endsTheSame(
  { run, runFolder, kills: wanted, holds }: {
    run?: Recipe;
    /** Where it leaves its results, below the folder that it is started in. */
    runFolder: string;
    kills: number;
    /** Files of the results, besides `done`. */
    holds: readonly string[];
  },
): Promise<string[]> {
  const folders = [await smallFolder(), await smallFolder()];
  try {
    const timeline: Line[] = [];
    const child = startRecipe(folders[0], run);
    const stdout = child.stdout.cancel();
    for await (const line of linesOf(child)) timeline.push(line);
    await stdout;
    assert((await child.status).success, timeline.at(-1)?.text);
    const expected = await resultsOf(`${folders[0]}/${runFolder}`);
    for (const name of ["done", ...holds]) assert(expected.has(name), [...expected.keys()].join());

    const killedAfter: string[] = [];
    await Promise.all(folders.map(async (folder, lane) => {
      const random = namedStream(lane, "kills");
      let kills = 0;
      let isDone = true;
      while (kills < wanted / 2 || !isDone) {
        if (isDone) await clear(folder);
        const moment = kills < wanted / 2 ? momentOf(timeline, { random, kills }) : undefined;
        const last = await killAt(folder, moment, run);
        isDone = last === undefined;
        if (isDone) await assertSameResults(`${folder}/${runFolder}`, expected, `after ${kills} kills`);
        else {
          kills++;
          killedAfter.push(last!);
        }
      }
    }));
    return killedAfter;
  } finally {
    for (const folder of folders) await Deno.remove(folder, { recursive: true });
  }
}

/** Removes what runs have left. */
export async function clear(folder: string): Promise<void> {
  for (const name of ["runs", ".cache"]) await Deno.remove(`${folder}/${name}`, { recursive: true }).catch(() => {});
}
