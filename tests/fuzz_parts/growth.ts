/**
 * Readers of lists with a list that grows: a check that looks through all names for each name takes no time on a few names, and
 * minutes on thousands. What a reader takes is held against one pass over the same file that takes up each line once.
 */
import process from "node:process";
import type { Target } from "./target.ts";

/** Names in the lists: as many squared are seconds. */
const ITEMS = 40_000;
/** A reader may take this many times what one pass takes, and what a busy machine adds at any size. */
const MOST_TIMES = 20;
const SLACK_MS = 150;
const TRIES = 2;

/** What a reader that grows faster than its list did; nothing when all is well. Files are written to `path`. */
export async function growthFailures(target: Target, path: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [kind, bytes] of Object.entries(target.growing?.(ITEMS) ?? {})) {
    await Deno.writeFile(path, target.wrap?.(bytes) ?? bytes);
    let [reader, pass] = [Infinity, Infinity];
    for (let i = 0; i < TRIES && isTooMuch(reader, pass); i++) {
      pass = Math.min(pass, await processorMs(() => onePass(path)));
      reader = Math.min(reader, await processorMs(() => target.read(path).catch(() => {})));
    }
    if (!isTooMuch(reader, pass)) continue;
    wrong.push(
      `${target.name}, ${ITEMS} names, ${kind}: took ${Math.round(reader)} ms of the processor, ` +
        `and one pass over them takes ${Math.round(pass)}`,
    );
  }
  return wrong;
}

function isTooMuch(reader: number, pass: number): boolean {
  return reader === Infinity || reader > MOST_TIMES * pass + SLACK_MS;
}

async function onePass(path: string): Promise<void> {
  const seen = new Set<string>();
  for (const line of (await Deno.readTextFile(path)).split("\n")) {
    seen.add(line.normalize("NFC").toLowerCase().trim());
  }
}

async function processorMs(work: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
