/** Comparisons as files that papers and other programs take: tidy CSV, Markdown, LaTeX. */
import type { ClassSubset } from "../data/few_shot.ts";
import { type Comparison, type MethodSummary, noResultSentences, NOTHING } from "./comparison.ts";
import { csvText, type CsvValue } from "./csv.ts";
import { footnoteSign } from "./footnotes.ts";
import { markdownText } from "./markdown.ts";
import { harmonicMean } from "./metrics.ts";
import { type ResultCell, type ResultTable, resultTable } from "./result_table.ts";

/** The forms of a table, as `--table` names them. */
export const TABLE_FORMS = ["csv", "md", "tex"] as const;

/** One of {@linkcode TABLE_FORMS}. */
export type TableForm = typeof TABLE_FORMS[number];

/** As published tables print them. */
const DIGITS = 2;

/** Comparisons of different data sets that stand in one table: same model, shots and classes learned from. */
export type Group = readonly Comparison[];

/** Groups in each form; `missing` are sentences of results that are not there. */
export function tableTexts(groups: readonly Group[], missing: readonly string[] = []): Record<TableForm, string> {
  const tables = groups.map((group) => ({
    table: resultTable(group, DIGITS),
    notes: noResultSentences(group.flatMap(({ without }) => without)),
    label: group.map(({ on }) => on.dataset).join("-"),
  }));
  return { csv: csvText([CSV_COLUMNS, ...groups.flat().flatMap(csvRows)]), ...printedTables(tables, missing) };
}

/** Tables as they are printed, with their captions. */
export function printedTables(
  tables: readonly Labelled[],
  missing: readonly string[] = [],
): { md: string; tex: string } {
  return {
    md: [...tables.map(markdownTable), ...missing.length > 0 ? [missing.map(markdownText).join("\\\n") + "\n"] : []]
      .join("\n"),
    tex: [PREAMBLE, ...missing.map((sentence) => `% ${oneLine(sentence)}\n`), ...tables.map(latexTable)].join(""),
  };
}

/** The columns of {@linkcode csvRows}. */
export const CSV_COLUMNS = [
  "dataset",
  "model",
  "method",
  "label",
  "preset",
  "trained_on",
  "shots",
  "seed",
  "subset",
  "metric",
  "value",
] as const;

/** A row a method, shots, seed, subset and metric; H has the subset `base+new`. */
export function csvRows(
  { on, runs, methods, trainedOn }: Pick<Comparison, "runs" | "trainedOn"> & {
    on: Pick<Comparison["on"], "dataset" | "model">;
    methods: readonly Pick<MethodSummary, "method" | "label">[];
  },
): CsvValue[][] {
  const labels = new Map(methods.map(({ method, label }) => [method, label]));
  const row = (run: Comparison["runs"][number], subset: string, metric: string, value: number): CsvValue[] => [
    on.dataset,
    on.model.name,
    run.method,
    labels.get(run.method) ?? run.method,
    run.preset,
    run.shots === null ? null : trainedOn,
    run.shots,
    run.seed,
    subset,
    metric,
    value,
  ];
  const metrics = runs.flatMap((run) =>
    Object.entries({
      accuracy: run.accuracy,
      macro_f1: run.macroF1,
      mean_class_accuracy: run.meanClassAccuracy,
      ece: run.ece,
    }).flatMap(([metric, value]) => value === null ? [] : [row(run, run.evaluatedOn, metric, value)])
  );
  const other = (run: typeof runs[number], subset: ClassSubset) =>
    runs.find((one) =>
      one.evaluatedOn === subset && one.method === run.method && one.shots === run.shots && one.seed === run.seed
    );
  const harmonic = runs.filter(({ evaluatedOn }) => evaluatedOn === "base").flatMap((run) => {
    const fresh = other(run, "new");
    return fresh ? [row(run, "base+new", "h", harmonicMean(run.accuracy, fresh.accuracy))] : [];
  });
  return [...metrics, ...harmonic];
}

/** A table to print. */
export interface Labelled {
  table: ResultTable;
  /** Sentences at the end of its caption. */
  notes: readonly string[];
  /** Of its LaTeX label. */
  label: string;
}

/** The caption, each sentence made text by `plain`, and the notes behind their marks. */
function captionOf(
  { table, notes }: Omit<Labelled, "label">,
  { plain, raised }: { plain(text: string): string; raised(mark: number): string },
): string {
  const { protocol, spread, ranked, footnotes } = table;
  return [
    ...[protocol, spread, ranked ? "Best in bold, second underlined." : "", ...notes]
      .filter((part) => part !== "").map(plain),
    ...footnotes.map((note, mark) => raised(mark) + plain(note)),
  ].join(" ");
}

function markdownTable({ table, notes }: Labelled): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const raised = (mark: number) => `<sup>${footnoteSign(mark)}</sup>`;
  const cell = ({ text, std, rank, mark }: ResultCell) => {
    const whole = std === undefined ? markdownText(text) : `${text} ± ${std}`;
    const ranked = rank === "best" ? `**${whole}**` : rank === "second" ? `<u>${whole}</u>` : whole;
    return mark === undefined ? ranked : ranked + raised(mark);
  };
  const { columns, blocks } = table;
  const several = blocks.length > 1;
  const head = [...several ? ["Data set"] : [], table.head ?? "Method", ...columns];
  const rows = blocks.flatMap(({ title, rows }) =>
    rows.map(({ label, cells }) => [...several ? [markdownText(title)] : [], markdownText(label), ...cells.map(cell)])
  );
  return line(head) + line(head.map((_, i) => i < head.length - columns.length ? "---" : "---:")) +
    rows.map(line).join("") +
    `\n${captionOf({ table, notes }, { plain: markdownText, raised })}\n`;
}

const PREAMBLE = "% In the preamble: \\usepackage{booktabs}\n";

function latexTable({ table, notes, label }: Labelled): string {
  const line = (cells: readonly string[]) => `    ${cells.join(" & ")} \\\\\n`;
  const raised = (mark: number) => `\\textsuperscript{${latexText(footnoteSign(mark))}}`;
  const cell = ({ text, std, rank, mark }: ResultCell) => {
    const whole = std === undefined ? latexText(text) : `${text} $\\pm$ ${std}`;
    const ranked = rank === "best" ? `\\textbf{${whole}}` : rank === "second" ? `\\underline{${whole}}` : whole;
    return mark === undefined ? ranked : ranked + raised(mark);
  };
  const { columns, blocks } = table;
  const body = blocks.map(({ title, rows }) =>
    [
      ...blocks.length > 1 ? [line([`\\multicolumn{${columns.length + 1}}{l}{\\textit{${latexText(title)}}}`])] : [],
      ...rows.map(({ label, cells }) => line([latexText(label), ...cells.map(cell)])),
    ].join("")
  );
  const caption = captionOf({ table, notes }, { plain: latexText, raised });
  return `\\begin{table}[t]
  \\centering
  \\caption{${caption}}
  \\label{tab:${label.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}}
  \\begin{tabular}{l${"r".repeat(columns.length)}}
    \\toprule
${
    line([
      latexText(table.head ?? "Method"),
      ...columns.map((name) => latexText(name === "H" ? name : name.charAt(0).toUpperCase() + name.slice(1))),
    ])
  }    \\midrule
${body.join("    \\midrule\n")}    \\bottomrule
  \\end{tabular}
\\end{table}
`;
}

const LATEX: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  "±": "$\\pm$",
  "†": "\\textdagger{}",
  "‡": "\\textdaggerdbl{}",
  "§": "\\S{}",
  "¶": "\\P{}",
  [NOTHING]: "--",
  // After the end of a row these would be its options.
  "[": "{[}",
  "]": "{]}",
  "*": "{*}",
};

/** Text that LaTeX prints as it stands, on one line. */
export function latexText(text: string): string {
  return oneLine(text).replaceAll(/[\\~^<>|±†‡§¶–&%$#_{}[\]*]/g, (character) => LATEX[character] ?? `\\${character}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
