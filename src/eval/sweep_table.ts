/** A sweep as tables: for a terminal, for papers and for programs. */
import {
  type Comparison,
  measured,
  MEASURES,
  measuresOf,
  noResultSentences,
  NOTHING,
  type Spread,
} from "./comparison.ts";
import { aligned, noteLines, type TextOptions } from "./comparison_table.ts";
import { csvText, type CsvValue } from "./csv.ts";
import { aboutNumber, fewerSeeds, footnoteSign, NO_RUN, openFootnotes } from "./footnotes.ts";
import { CSV_COLUMNS, csvRows, printedTables, type TableForm } from "./result_files.ts";
import { drawnFrom, type ResultCell, type ResultTable } from "./result_table.ts";
import { choiceSentences, ranked, type Sweep, type SweptSetting } from "./sweep.ts";
import { wrap } from "../text_table.ts";

/** On what and how it was measured: `EuroSAT, sample, 16 shots of base classes, seeds 1, 2, 3`. */
export function sweepFacts({ on, shots, seeds, trainedOn }: Sweep): string[] {
  return [on.dataset, on.model.name, ...drawnFrom({ shots, seeds, trainedOn })];
}

/** Settings down, best first; the axes, validation and the test of what is chosen across. */
export function sweepTable(sweep: Sweep, digits: number): ResultTable {
  const { axes: [first, ...others], chosen } = sweep;
  const test = chosen?.test ?? undefined;
  const measures = test === undefined ? [] : measuresOf(test);
  const isTied = chosen !== null && chosen.equals > 1;
  const footnotes = openFootnotes();
  const noted = (cell: ResultCell, note: string | undefined): ResultCell => {
    const mark = footnotes.mark(note);
    return mark === undefined ? cell : { ...cell, mark };
  };
  const fewer = (found: Spread) => fewerSeeds(found, sweep.seeds);
  const aboutLoss = ({ validation, crossEntropy }: SweptSetting) =>
    crossEntropy !== null ? fewer(crossEntropy) : validation === null ? NO_RUN : "Not in its reports.";
  const rows = ranked(sweep).map((setting) => {
    const isChosen = chosen !== null && setting === sweep.settings[chosen.setting];
    return {
      label: shown(setting.values[first.name]),
      cells: [
        ...others.map(({ name }): ResultCell => ({ text: shown(setting.values[name]) })),
        noted(
          { ...numberCell(setting.validation ?? undefined, digits), ...isChosen ? { rank: "best" as const } : {} },
          setting.validation === null ? NO_RUN : fewer(setting.validation),
        ),
        ...isTied ? [noted(lossCell(setting), aboutLoss(setting))] : [],
        ...measures.map((measure) => {
          if (!isChosen) return { text: NOTHING };
          const [row] = test!.methods;
          return noted(numberCell(measured(row, measure), digits), aboutNumber(row, { measure, seeds: sweep.seeds }));
        }),
      ],
    };
  });
  const deviates = sweep.settings.some(({ validation }) => validation !== null && validation.std !== null);
  return {
    head: first.name,
    columns: [
      ...others.map(({ name }) => name),
      "validation",
      ...isTied ? ["cross-entropy"] : [],
      ...measures.map((measure) => `test ${MEASURES[measure]}`),
    ],
    blocks: [{ title: sweep.on.dataset, rows }],
    ranked: false,
    protocol: `Accuracy of ${sweep.method.label} in percent on ${sweepFacts(sweep).join(", ")}.`,
    spread: [
      ...deviates ? ["± is the population standard deviation over seeds."] : [],
      ...isTied ? ["Cross-entropy is the mean over the validation images."] : [],
      ...measures.includes("h") ? ["H is the harmonic mean of the base and new accuracies beside it."] : [],
    ].join(" "),
    footnotes: footnotes.notes,
  };
}

function shown(value: string): string {
  return value === "" ? '""' : value;
}

function numberCell(found: SweptSetting["validation"] | undefined, digits: number): ResultCell {
  if (!found) return { text: NOTHING };
  return { text: found.mean.toFixed(digits), ...found.std === null ? {} : { std: found.std.toFixed(digits) } };
}

function lossCell({ crossEntropy }: SweptSetting): ResultCell {
  return { text: crossEntropy === null ? NOTHING : crossEntropy.mean.toPrecision(4) };
}

/** Sentences on results that the method cannot have on test images. */
function notes({ chosen }: Sweep): string[] {
  return noResultSentences(chosen?.test?.without ?? []);
}

/** All warnings, those of the test among them. */
export function sweepWarnings({ warnings, chosen }: Sweep): string[] {
  return [...new Set([...warnings, ...chosen?.test?.warnings ?? []].map(({ text }) => text))];
}

/** The sweep as text for a terminal. */
export function sweepText(sweep: Sweep, options: TextOptions): string[] {
  const { head = "", columns, blocks: [{ rows }], spread, footnotes } = sweepTable(sweep, 1);
  const bold = (line: string) => options.colour ? `\x1b[1m${line}\x1b[0m` : line;
  const cell = ({ text, std, rank, mark }: ResultCell) =>
    text + (std === undefined ? "" : ` ± ${std.padStart(4)}`) + (rank === "best" ? " *" : "") +
    (mark === undefined ? "" : ` ${footnoteSign(mark)}`);
  const note = [sweep.chosen === null ? "" : "* chosen.", spread].filter((part) => part !== "").join(" ");
  const title = `${sweep.method.label} on ${sweepFacts(sweep).join(", ")} (accuracy in percent)`;
  const warnings = sweepWarnings(sweep).map((text) => `warning: ${text}`);
  return [
    ...wrap(title, options.columns).map(bold),
    ...aligned([[head, ...columns], ...rows.map(({ label, cells }) => [label, ...cells.map(cell)])], options),
    ...wrap(note, options.columns),
    ...noteLines(footnotes, options),
    "",
    ...[...choiceSentences(sweep), ...notes(sweep)].flatMap((sentence) => wrap(sentence, options.columns)),
    ...warnings.length > 0 ? [""] : [],
    ...warnings.flatMap((text) => wrap(text, options.columns)),
  ];
}

/** `sweep.csv`, `sweep.md` and `sweep.tex`. */
export function sweepTables(sweep: Sweep): Record<TableForm, string> {
  const captions = ["In bold what is chosen.", ...choiceSentences(sweep), ...notes(sweep)];
  const table = { table: sweepTable(sweep, 2), notes: captions, label: `sweep-${sweep.method.method}` };
  return { csv: csvText(rowsOf(sweep)), ...printedTables([table]) };
}

/** Tidy as a comparison's, with a column an axis, whether the setting is chosen, and what kind of images it is of. */
function rowsOf(sweep: Sweep): CsvValue[][] {
  const { axes, settings, chosen, on, method, trainedOn } = sweep;
  const at = CSV_COLUMNS.indexOf("seed");
  const names = axes.map(({ name }) => name);
  const rows = settings.flatMap((setting, i) => {
    const isChosen = chosen?.setting === i;
    const values = names.map((name) => setting.values[name]);
    const ofRuns = (runs: Comparison["runs"], images: string) =>
      csvRows({ on, runs, trainedOn, methods: [method] }).map((row) => [
        ...row.slice(0, at),
        ...values,
        isChosen ? 1 : 0,
        images,
        ...row.slice(at),
      ]);
    const validation = ofRuns(setting.runs, "validation");
    // The columns of the seed, the metric and the value, and the axes and two more before the seed.
    const lossRows = (setting.crossEntropy?.perSeed ?? []).map(({ seed, value }) => {
      const row = validation.find((row) => row[at + names.length + 2] === seed)!;
      return [...row.slice(0, -2), "cross_entropy", value];
    });
    return [
      ...validation,
      ...lossRows,
      ...isChosen && chosen.test ? ofRuns(chosen.test.runs, "test") : [],
    ];
  });
  const columns = names.map((name) => name.replaceAll("-", "_"));
  return [[...CSV_COLUMNS.slice(0, at), ...columns, "chosen", "images", ...CSV_COLUMNS.slice(at)], ...rows];
}
