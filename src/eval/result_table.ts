/**
 * The table of the papers, for a terminal, a page or a file: methods down; base, new and H across. Of several data sets there is
 * a block each, and first their average. H is always that of the two means beside it, the average's too.
 */
import type { ClassSubset } from "../data/few_shot.ts";
import {
  type Comparison,
  type Measure,
  measured,
  MEASURES,
  measuresOf,
  type MethodSummary,
  NOTHING,
  whyNone,
} from "./comparison.ts";
import { aboutNumber, AVERAGE_OF_FEWER, type Footnotes, NOT_ON_ALL, nothingThere, openFootnotes } from "./footnotes.ts";
import { harmonicMean, mean } from "./metrics.ts";

/** What stands in a cell. */
export interface ResultCell {
  /** The number, or a dash. */
  text: string;
  /** Its deviation, where there is one. */
  std?: string;
  /** Among the methods of its block, by the number as it is printed; undefined where there is nothing to choose from. */
  rank?: "best" | "second";
  /** The number of a note on it, from 0, among those of the table. */
  mark?: number;
}

/** The methods on one data set, or on the average of all. */
export interface ResultBlock {
  title: string;
  rows: { label: string; cells: ResultCell[] }[];
}

/** A table, and what is to be known of it. */
export interface ResultTable {
  /** Heading of the rows' names; `Method` when left out. */
  head?: string;
  /** Headings of the numbers. */
  columns: string[];
  blocks: ResultBlock[];
  /** On what and how it was measured, what the numbers are, and how they are marked. */
  protocol: string;
  spread: string;
  /** Whether there is a best of anything. */
  ranked: boolean;
  /** What the marked cells are, by the number of the mark. */
  footnotes: readonly string[];
}

type Row = Pick<MethodSummary, "method" | "label" | "accuracy" | "h">;

/** Makes the table of one comparison, or of the comparisons of several data sets. */
export function resultTable(comparisons: readonly Comparison[], digits: number): ResultTable {
  const measures = measuresOf({
    subsets: comparisons.flatMap(({ subsets }) => subsets),
    methods: comparisons.flatMap(({ methods }) => methods),
  });
  const several = comparisons.length > 1;
  const footnotes = openFootnotes();
  const seeds = seedsOf(comparisons);
  const blocks = comparisons.map((one) => ({
    title: one.on.dataset,
    rows: rowsOf(one),
    without: [one],
    about: (row: Row, measure: Measure) =>
      measured(row, measure) ? aboutNumber(row, { measure, seeds }) : nothingThere(row, measure),
  }));
  if (several) {
    blocks.unshift({
      title: averageTitle(comparisons),
      rows: averages(comparisons),
      without: [...comparisons],
      about: (row, measure) => aboutAverage(row, { measure, seeds, comparisons }),
    });
  }
  const filled = blocks.map(({ title, rows, without, about }) => ({
    title,
    rows: cellsOf(rows, { measures, without, digits, about, footnotes }),
  }));
  const deviates = comparisons.some(({ methods }) =>
    methods.some(({ accuracy }) => Object.values(accuracy).some(hasStd))
  );
  const ofH = `${several ? ", the average's too" : ""}${deviates ? "; its ± is over the seeds' H" : ""}`;
  return {
    columns: measures.map((measure) => MEASURES[measure]),
    blocks: filled,
    ranked: filled.some(({ rows }) => rows.some(({ cells }) => cells.some(({ rank }) => rank !== undefined))),
    protocol: `Accuracy in percent on ${headingOf(comparisons)}.`,
    spread: [
      ...deviates ? ["± is the population standard deviation over seeds."] : [],
      ...measures.includes("h") ? [`H is the harmonic mean of the base and new accuracies beside it${ofH}.`] : [],
    ].join(" "),
    footnotes: footnotes.notes,
  };
}

/** A row for each method that the table is of, in order; one without a run is empty. */
function rowsOf({ rows, methods }: Comparison): Row[] {
  return rows.map((row) => methods.find(({ method }) => method === row.method) ?? { ...row, accuracy: {}, h: null });
}

function aboutAverage(
  row: Row,
  { measure, seeds, comparisons }: { measure: Measure; seeds: readonly number[]; comparisons: readonly Comparison[] },
): string | undefined {
  if (!measured(row, measure)) return NOT_ON_ALL;
  const ones = comparisons.flatMap(({ methods }) => methods.filter(({ method }) => method === row.method));
  // Its H is that of its own two means.
  const parts = measure === "h" ? ["base", "new"] as const : [measure];
  const isOverFewer = parts.some((part) =>
    ones.some((one) => aboutNumber(one, { measure: part, seeds }) !== undefined)
  );
  return isOverFewer ? AVERAGE_OF_FEWER : undefined;
}

/** `16 shots of the base classes, seeds 1, 2, 3`. */
export function drawnFrom({ shots, seeds, trainedOn }: Pick<Comparison, "shots" | "seeds" | "trainedOn">): string[] {
  return [
    ...shots === null
      ? []
      : [`${shots} ${shots === 1 ? "shot" : "shots"}${trainedOn === null ? "" : ` of ${trainedOn} classes`}`],
    ...seeds.length === 0 ? [] : [`${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`],
  ];
}

function hasStd({ std }: { std: number | null }): boolean {
  return std !== null;
}

function averageTitle(comparisons: readonly Comparison[]): string {
  return `Average over ${comparisons.length} data sets`;
}

/** On what it was measured and how: `EuroSAT, ViT-B/16, 16 shots of base classes, seeds 1, 2, 3`. */
export function headingOf(comparisons: readonly Comparison[]): string {
  const [{ on, shots, trainedOn }] = comparisons;
  const seeds = seedsOf(comparisons);
  const where = comparisons.length > 1 ? `${comparisons.length} data sets` : on.dataset;
  return [where, on.model.name, ...drawnFrom({ shots, seeds, trainedOn })].join(", ");
}

/** The seeds that a caption names. */
function seedsOf(comparisons: readonly Comparison[]): number[] {
  return [...new Set(comparisons.flatMap((one) => one.seeds))].sort((a, b) => a - b);
}

/** Means over the data sets; a method has one where it has a number on all of them. */
function averages(comparisons: readonly Comparison[]): Row[] {
  const names = new Map(comparisons.flatMap(({ rows }) => rows.map(({ method, label }) => [method, label])));
  return [...names].map(([method, label]): Row => {
    const rows = comparisons.map(({ methods }) => methods.find((one) => one.method === method));
    const accuracy: Row["accuracy"] = {};
    for (const subset of ["base", "new", "all"] as const satisfies ClassSubset[]) {
      const means = rows.flatMap((row) => row?.accuracy[subset]?.mean ?? []);
      if (means.length === rows.length) accuracy[subset] = { mean: mean(means), std: null, perSeed: [] };
    }
    const { base, new: fresh } = accuracy;
    const h = base && fresh ? { mean: harmonicMean(base.mean, fresh.mean), std: null, perSeed: [] } : null;
    return { method, label, accuracy, h };
  });
}

function cellsOf(
  rows: readonly Row[],
  { measures, without, digits, about, footnotes }: {
    measures: readonly Measure[];
    without: readonly Comparison[];
    digits: number;
    /** What is to be said of a cell, unless it cannot have a number. */
    about(row: Row, measure: Measure): string | undefined;
    footnotes: Footnotes;
  },
): ResultBlock["rows"] {
  // Numbered row by row, as a table is read.
  const marks = rows.map((row) =>
    measures.map((measure) => {
      const cannot = !measured(row, measure) &&
        without.some((comparison) => whyNone(comparison, row.method, measure) === "no result");
      const mark = cannot ? undefined : footnotes.mark(about(row, measure));
      return mark === undefined ? {} : { mark };
    })
  );
  const columns = measures.map((measure, column) => {
    const cells = rows.map((row, i): ResultCell => {
      const found = measured(row, measure);
      const std = found?.std ?? null;
      return {
        text: found?.mean.toFixed(digits) ?? NOTHING,
        ...std === null ? {} : { std: std.toFixed(digits) },
        ...marks[i][column],
      };
    });
    const [best, second] = [...new Set(cells.map(({ text }) => Number(text)).filter(Number.isFinite))].sort((a, b) =>
      b - a
    );
    if (second === undefined) return cells;
    const rank = (value: number): ResultCell["rank"] =>
      value === best ? "best" : value === second ? "second" : undefined;
    return cells.map((cell) => ({ ...cell, rank: rank(Number(cell.text)) }));
  });
  return rows.map(({ label }, i) => ({ label, cells: columns.map((cells) => cells[i]) }));
}
