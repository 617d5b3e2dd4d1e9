/** A comparison as text for a terminal: the table of the papers, seeds, differences in sentences, warnings. */
import { table, wrap } from "../text_table.ts";
import { methodLabel } from "../methods/method_label.ts";
import { type Comparison, multiplicitySentence, noResultSentences, type Spread } from "./comparison.ts";

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
  const { methods, subsets, shots, seeds, on, differences, warnings, without } = comparison;
  const bold = (line: string) => options.colour ? `\x1b[1m${line}\x1b[0m` : line;
  const withH = methods.some(({ h }) => h !== null);
  const heading = [
    `${on.dataset}, ${on.model.name}`,
    shots !== null && `${shots} shots`,
    seeds.length > 0 && `${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}`,
  ].filter((part) => part !== false).join(", ");
  const means = [
    ["Method", ...subsets, ...(withH ? ["H of means", "mean of H's"] : [])],
    ...methods.map(({ method, label, accuracy, h }) => [
      label,
      ...subsets.map((subset) =>
        without.some((one) => one.method === method && one.subset === subset)
          ? "no result"
          : spreadCell(accuracy[subset])
      ),
      ...(withH ? [h?.ofMeans.toFixed(1) ?? "-", spreadCell(h?.meanOfH)] : []),
    ]),
  ];
  const perSeed = methods.flatMap(({ label, accuracy, h }) => {
    const all = subsets.flatMap((subset) => accuracy[subset]?.perSeed.map(({ seed }) => seed) ?? []);
    return [...new Set(all)].flatMap((seed) => {
      if (seed === null) return [];
      const value = (spread: Spread | undefined) =>
        spread?.perSeed.find((one) => one.seed === seed)?.value.toFixed(1) ?? "-";
      return [[
        label,
        String(seed),
        ...subsets.map((subset) => value(accuracy[subset])),
        ...(withH ? [value(h?.meanOfH)] : []),
      ]];
    });
  });
  const multiplicity = multiplicitySentence(comparison);
  const spread = seeds.length > 1 ? "mean ± population standard deviation over seeds" : "accuracy in percent";
  return [
    ...wrap(`${heading} (${spread})`, options.columns).map(bold),
    ...aligned(means, options),
    ...noResultSentences(without).flatMap((sentence) => wrap(sentence, options.columns)),
    ...(perSeed.length > 0
      ? ["", ...aligned([["Each seed", "seed", ...subsets, ...(withH ? ["H"] : [])], ...perSeed], options)]
      : []),
    ...curveTables(comparison).flatMap((rows) => ["", ...aligned(rows, options)]),
    ...(differences.length > 0 ? [""] : []),
    ...differences.flatMap(({ sentence }) => wrap(sentence, options.columns)),
    ...(multiplicity === undefined ? [] : wrap(multiplicity, options.columns)),
    ...(warnings.length > 0 ? [""] : []),
    ...warnings.flatMap(({ text }) => wrap(`warning: ${text}`, options.columns)),
  ];
}

/** A table a measure: methods down, shots across. What learns nothing has the same value for all of them. */
function curveTables({ curve, subsets }: Comparison): string[][][] {
  const shots = [...new Set(curve.flatMap((point) => point.shots ?? []))].sort((a, b) => a - b);
  const methods = [...new Set(curve.map(({ method }) => method))];
  if (shots.length < 2) return [];
  const measures = [...subsets, ...(curve.some(({ h }) => h !== null) ? ["mean of H's" as const] : [])];
  return measures.map((measure) => [
    [`Shots, ${measure}`, ...shots.map(String)],
    ...methods.map((method) => [
      methodLabel(method),
      ...shots.map((number) => {
        const point = curve.find((one) => one.method === method && (one.shots ?? number) === number);
        return spreadCell(measure === "mean of H's" ? point?.h?.meanOfH : point?.accuracy[measure]);
      }),
    ]),
  ]);
}

/** `94.4 ± 0.2`, padded so that columns of them line up. */
function spreadCell(spread: Spread | undefined): string {
  if (spread === undefined) return "-";
  return spread.mean.toFixed(1).padStart(4) + (spread.std === null ? "" : ` ± ${spread.std.toFixed(1).padStart(4)}`);
}

/** Columns that start at the left, as numbers with and without a deviation must line up; a block a row where the terminal is too narrow. */
export function aligned(rows: readonly (readonly string[])[], { columns, colour }: TextOptions): string[] {
  const [head, ...lines] = table(rows);
  const widest = Math.max(head.length, ...lines.map((line) => line.length));
  if (widest <= columns) return [colour ? `\x1b[2m${head}\x1b[0m` : head, ...lines];
  const name = Math.max(...rows[0].slice(1).map((title) => title.length));
  return rows.slice(1).flatMap((row) => [
    row[0],
    ...row.slice(1).map((cell, i) => `  ${rows[0][i + 1].padEnd(name)}  ${cell}`),
  ]);
}
