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
  whyNone,
} from "./comparison.ts";
import { harmonicMean, mean } from "./metrics.ts";

/** What stands in a cell. */
export interface ResultCell {
  /** The number, or why there is none. */
  text: string;
  /** Its deviation, where there is one. */
  std?: string;
  /** Among the methods of its block, by the number as it is printed; undefined where there is nothing to choose from. */
  rank?: "best" | "second";
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
}

type Row = Pick<MethodSummary, "method" | "label" | "accuracy" | "h">;

/** Makes the table of one comparison, or of the comparisons of several data sets. */
export function resultTable(comparisons: readonly Comparison[], digits: number): ResultTable {
  const measures = measuresOf({
    subsets: comparisons.flatMap(({ subsets }) => subsets),
    methods: comparisons.flatMap(({ methods }) => methods),
  });
  const several = comparisons.length > 1;
  const blocks = comparisons.map((one) => ({ title: one.on.dataset, rows: one.methods as Row[], without: [one] }));
  if (several) {
    blocks.unshift({ title: averageTitle(comparisons), rows: averages(comparisons), without: [...comparisons] });
  }
  const filled = blocks.map(({ title, rows, without }) => ({
    title,
    rows: cellsOf(rows, { measures, without, digits }),
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
  };
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
  const seeds = [...new Set(comparisons.flatMap((one) => one.seeds))].sort((a, b) => a - b);
  const where = comparisons.length > 1 ? `${comparisons.length} data sets` : on.dataset;
  return [where, on.model.name, ...drawnFrom({ shots, seeds, trainedOn })].join(", ");
}

/** Means over the data sets; a method has one where it has a number on all of them. */
function averages(comparisons: readonly Comparison[]): Row[] {
  const names = new Map(comparisons.flatMap(({ methods }) => methods.map(({ method, label }) => [method, label])));
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
  { measures, without, digits }: { measures: readonly Measure[]; without: readonly Comparison[]; digits: number },
): ResultBlock["rows"] {
  const columns = measures.map((measure) => {
    const cells = rows.map((row): ResultCell => {
      const found = measured(row, measure);
      if (found === undefined) {
        const reasons = without.map((comparison) => whyNone(comparison, row.method, measure));
        return { text: reasons.find((reason) => reason === "no result") ?? "missing" };
      }
      return { text: found.mean.toFixed(digits), ...found.std === null ? {} : { std: found.std.toFixed(digits) } };
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
