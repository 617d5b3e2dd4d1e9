/** Marks at the cells of a table that are not what its caption says of all, and the notes below it that say what they are. */
import type { Measure, MethodSummary, Spread } from "./comparison.ts";
import { measured } from "./comparison.ts";

/** As papers print them, in this order; then doubled, as in `††`. */
const SIGNS = ["†", "‡", "§", "¶"];

/** The sign of a note by its number, from 0. */
export function footnoteSign(mark: number): string {
  return SIGNS[mark % SIGNS.length].repeat(Math.floor(mark / SIGNS.length) + 1);
}

/** Notes of one table, each once and numbered as the cells that they belong to come. */
export interface Footnotes {
  readonly notes: readonly string[];
  /** The number of a note; undefined where there is nothing to say. */
  mark(note: string | undefined): number | undefined;
}

/** Collects the notes of a table. */
export function openFootnotes(): Footnotes {
  const notes: string[] = [];
  return {
    notes,
    mark(note) {
      if (note === undefined) return undefined;
      if (!notes.includes(note)) notes.push(note);
      return notes.indexOf(note);
    },
  };
}

/** Of a cell without a number that could have one. */
export const NO_RUN = "Missing: there is no such run.";

/** Of an average that would be over fewer data sets than the others. */
export const NOT_ON_ALL = "Missing: there is not a run on every data set.";

/** Of an average, some of whose means have a note of their own. */
export const AVERAGE_OF_FEWER = "Average of means of which some are over fewer seeds.";

/** Over which seeds a number is, where these are not all that the caption names: `Over seeds 1, 3 alone.` */
export function fewerSeeds(found: Spread, seeds: readonly number[]): string | undefined {
  const own = seedsOf(found);
  // What draws nothing has no seeds to lack.
  if (own.length === 0 || seeds.every((seed) => own.includes(seed))) return undefined;
  return `Over ${own.length === 1 ? "seed" : "seeds"} ${own.join(", ")} alone.`;
}

/** What is to be said of a method's number: nothing where it is over all seeds. */
export function aboutNumber(
  row: Pick<MethodSummary, "accuracy" | "h">,
  { measure, seeds }: { measure: Measure; seeds: readonly number[] },
): string | undefined {
  const found = measured(row, measure);
  if (found === undefined) return undefined;
  const { base, new: fresh } = row.accuracy;
  if (measure === "h" && base && fresh && seedsOf(base).join() !== seedsOf(fresh).join()) {
    const spread = found.std === null ? "" : `; its ± is over seeds ${seedsOf(found).join(", ")}`;
    return `H of two means that are over different seeds${spread}.`;
  }
  return fewerSeeds(found, seeds);
}

/** Why there is no number: its run is not there, or none of its seeds has both halves of H. */
export function nothingThere(row: Pick<MethodSummary, "accuracy" | "h">, measure: Measure): string {
  const { base, new: fresh } = row.accuracy;
  return measure === "h" && base && fresh ? "Missing: no seed has both base and new." : NO_RUN;
}

function seedsOf({ perSeed }: Spread): number[] {
  return perSeed.flatMap(({ seed }) => seed ?? []).sort((a, b) => a - b);
}
