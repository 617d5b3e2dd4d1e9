/** A comparison as text for a terminal: the table of the papers, seeds, differences, warnings. */
import { table, wrap } from "../text_table.ts";
import { methodLabel } from "../methods/method_label.ts";
import {
  type Comparison,
  type CurvePoint,
  differenceNote,
  differenceRows,
  measured,
  MEASURES,
  measuresOf,
  noResultSentences,
  NOTHING,
  whyNone,
} from "./comparison.ts";
import { aboutNumber, footnoteSign, NO_RUN, nothingThere, openFootnotes } from "./footnotes.ts";
import { headingOf, type ResultCell, resultTable } from "./result_table.ts";

/** Of numbers in percent. */
const DIGITS = 1;

/** The options of {@linkcode comparisonText}. */
export interface TextOptions {
  /** Width of the terminal; tables that do not fit are told line by line. */
  columns: number;
  /** Emphasis by escape codes. */
  colour: boolean;
}

/**
 * Tells a comparison.
 *
 * @param comparison from `compareReports`
 * @param options width and emphasis
 * @returns lines without line ends, none wider than the terminal
 *
 * @example
 * ```ts
 * import { compareReports, comparisonText, openRun, zeroShot } from "@prompt-kit/clip-prompts";
 *
 * const out = await Deno.makeTempDir();
 * await using run = await openRun(zeroShot, { eval: ["base", "new"], out });
 * await using learned = await run.learn(null);
 * for (const target of run.targets) await run.report(learned, target);
 * await Deno.remove(out, { recursive: true });
 * const lines = comparisonText(compareReports(run.reports), { columns: 80, colour: false });
 * if (!/^Zero-shot +59\.\d +6\d\.\d/.test(lines[2])) throw new Error(lines.join("\n"));
 * ```
 */
export function comparisonText(comparison: Comparison, options: TextOptions): string[] {
  const { seeds, differences, warnings, without } = comparison;
  const told = differences.length > 0;
  return [
    ...resultLines([comparison], options),
    ...noResultSentences(without).flatMap((sentence) => wrap(sentence, options.columns)),
    ...(seeds.length > 1 ? blank(seedRows(comparison), options) : []),
    ...curveTables(comparison).flatMap(({ rows, notes }) => [...blank(rows, options), ...noteLines(notes, options)]),
    ...(told ? blank(differenceRows(comparison), options) : []),
    ...(told ? wrap(differenceNote(comparison), options.columns) : []),
    ...(warnings.length > 0 ? [""] : []),
    ...warnings.flatMap(({ text }) => wrap(`warning: ${text}`, options.columns)),
  ];
}

/** Tells the comparisons of several data sets in one table. */
export function collectionText(comparisons: readonly Comparison[], options: TextOptions): string[] {
  const sentences = noResultSentences(comparisons.flatMap(({ without }) => without));
  return [
    ...resultLines(comparisons, options),
    ...sentences.flatMap((sentence) => wrap(sentence, options.columns)),
  ];
}

/** A heading, a table a data set, and what the numbers are. */
function resultLines(comparisons: readonly Comparison[], options: TextOptions): string[] {
  const { columns, blocks, spread, ranked, footnotes } = resultTable(comparisons, DIGITS);
  const bold = (line: string) => options.colour ? `\x1b[1m${line}\x1b[0m` : line;
  const several = blocks.length > 1;
  const starred = ({ text, std, rank, mark }: ResultCell) =>
    [spreadText(text, std), ...rank === "best" ? ["*"] : [], ...mark === undefined ? [] : [footnoteSign(mark)]].join(
      " ",
    );
  const note = [ranked ? "* best." : "", spread].filter((part) => part !== "").join(" ");
  return [
    ...wrap(`${headingOf(comparisons)} (accuracy in percent)`, options.columns).map(bold),
    ...blocks.flatMap(({ title, rows }) => {
      const head = [several ? title : "Method", ...columns];
      const lines = aligned([head, ...rows.map(({ label, cells }) => [label, ...cells.map(starred)])], options);
      return several ? ["", ...lines] : lines;
    }),
    ...wrap(note, options.columns).filter((line) => line !== ""),
    ...noteLines(footnotes, options),
  ];
}

/** What marked cells of a table are, each in a line of its own. */
export function noteLines(footnotes: readonly string[], { columns }: Pick<TextOptions, "columns">): string[] {
  return footnotes.flatMap((text, mark) => wrap(`${footnoteSign(mark)} ${text}`, columns));
}

function blank(rows: readonly (readonly string[])[], options: TextOptions): string[] {
  return ["", ...aligned(rows, options)];
}

/** A row a method and seed. */
function seedRows(comparison: Comparison): string[][] {
  const measures = measuresOf(comparison);
  return [
    ["Each seed", "seed", ...measures.map((measure) => MEASURES[measure])],
    ...comparison.methods.flatMap((row) => {
      const all = measures.flatMap((measure) =>
        measured(row, measure)?.perSeed.flatMap(({ seed }) => seed ?? []) ?? []
      );
      return [...new Set(all)].map((seed) => [
        row.label,
        String(seed),
        ...measures.map((measure) =>
          measured(row, measure)?.perSeed.find((one) => one.seed === seed)?.value.toFixed(DIGITS) ?? NOTHING
        ),
      ]);
    }),
  ];
}

/** A table a measure: methods down, shots across. What learns nothing has the same value for all of them. */
function curveTables(
  { curve, subsets, methods: rows, without }: Comparison,
): { rows: string[][]; notes: readonly string[] }[] {
  const shots = [...new Set(curve.flatMap((point) => point.shots ?? []))].sort((a, b) => a - b);
  const methods = [...new Set(curve.map(({ method }) => method))];
  if (shots.length < 2) return [];
  const seeds = [...new Set(curve.flatMap(seedsOfPoint))].sort((a, b) => a - b);
  return measuresOf({ subsets, methods: rows }).map((measure) => {
    const { notes, mark } = openFootnotes();
    const cell = (method: string, number: number) => {
      const point = curve.find((one) => one.method === method && (one.shots ?? number) === number);
      const found = point && measured(point, measure);
      if (point !== undefined && found !== undefined) {
        const text = spreadText(found.mean.toFixed(DIGITS), found.std?.toFixed(DIGITS));
        return { text, mark: mark(aboutNumber(point, { measure, seeds })) };
      }
      const cannot = whyNone({ without }, method, measure) === "no result";
      return { text: NOTHING, mark: cannot ? undefined : mark(point ? nothingThere(point, measure) : NO_RUN) };
    };
    const lines = methods.map((method) => [
      methodLabel(method),
      ...shots.map((number) => {
        const { text, mark } = cell(method, number);
        return mark === undefined ? text : `${text} ${footnoteSign(mark)}`;
      }),
    ]);
    return { rows: [[`Shots, ${MEASURES[measure]}`, ...shots.map(String)], ...lines], notes };
  });
}

function seedsOfPoint({ accuracy }: CurvePoint): number[] {
  return Object.values(accuracy).flatMap(({ perSeed }) => perSeed.flatMap(({ seed }) => seed ?? []));
}

/** `94.4 ± 0.2`, padded so that columns of them line up. */
function spreadText(mean: string, std?: string): string {
  return mean.padStart(4) + (std === undefined ? "" : ` ± ${std.padStart(4)}`);
}

/** Columns that start at the left, as numbers with and without a deviation must line up; a block a row where the terminal is too narrow. */
export function aligned(rows: readonly (readonly string[])[], { columns, colour }: TextOptions): string[] {
  const [head, ...lines] = table(rows);
  const widest = Math.max(head.length, ...lines.map((line) => line.length));
  if (widest <= columns) return [colour ? `\x1b[2m${head}\x1b[0m` : head, ...lines];
  const name = Math.max(...rows[0].slice(1).map((title) => title.length));
  return rows.slice(1).flatMap((row) => [
    row[0],
    ...row.slice(1).flatMap((cell, i) =>
      wrap(cell, columns - name - 4).map((part, k) => `  ${(k === 0 ? rows[0][i + 1] : "").padEnd(name)}  ${part}`)
    ),
  ]);
}
