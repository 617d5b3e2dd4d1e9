import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { compareReports } from "../../src/eval/compare.ts";
import type { Comparison } from "../../src/eval/comparison.ts";
import { csvText } from "../../src/eval/csv.ts";
import { markdownText } from "../../src/eval/markdown.ts";
import { harmonicMean } from "../../src/eval/metrics.ts";
import { latexText, tableTexts } from "../../src/eval/result_files.ts";
import { resultTable } from "../../src/eval/result_table.ts";
import { makeReport } from "./report_cases.ts";

const SEEDS = [1, 2, 3];

/** Zero-shot, and CoOp with three seeds, on a data set of this name. */
async function comparison(dataset: string, coopOnNew: readonly number[] = [0.5, 0.2, 0.6]): Promise<Comparison> {
  const reports = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    reports.push(await makeReport({ method: "zeroshot", evaluatedOn, accuracy: evaluatedOn === "base" ? 0.6 : 0.7 }));
    for (const [i, accuracy] of coopOnNew.entries()) {
      const own = { method: "coop", seed: SEEDS[i], evaluatedOn };
      reports.push(await makeReport({ ...own, accuracy: evaluatedOn === "base" ? 0.9 : accuracy }));
    }
  }
  for (const { on } of reports) on.data.name = dataset;
  return compareReports(reports, { methods: ["zeroshot", "coop"] });
}

/** What a reader of RFC 4180 makes of a text: quotes, doubled quotes, and line breaks within them. */
function parsed(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === "\r\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

Deno.test("fields with commas, quotes and line breaks come back from a CSV as they were", () => {
  const rows = [["image", "class"], ['a "b", c.jpg', "Sea\r\nLake"], [" x", "é,\n"], ["", "plain"]];
  assertEquals(parsed(csvText(rows)), rows);
  assertEquals(csvText([["a", 1.5, null], ['"', "b c", "d,e"]]), 'a,1.5,\r\n"""",b c,"d,e"\r\n');
});

Deno.test("compare.csv has a row a method, seed, shots, subset and metric, at full precision", async () => {
  const one = await comparison("Sea, Lake");
  const [head, ...rows] = parsed(tableTexts([[one]]).csv);
  const columns = "dataset model method label preset trained_on shots seed subset metric value";
  assertEquals(head, columns.split(" "));
  // 1 + 3 runs on base and new with four metrics each, and H.
  assertEquals(rows.length, (1 + 3) * 2 * 4 + (1 + 3));
  assertEquals(new Set(rows.map((row) => row.slice(0, -1).join())).size, rows.length);
  const value = (...key: string[]) => Number(rows.find((row) => key.every((word) => row.includes(word)))!.at(-1));
  for (const { seed, evaluatedOn, accuracy } of one.runs.filter(({ method }) => method === "coop")) {
    assertEquals(value("coop", String(seed), evaluatedOn, "accuracy", "16"), accuracy);
  }
  const [base, fresh] = ["base", "new"].map((subset) => value("coop", "2", subset, "accuracy"));
  assertEquals(value("coop", "2", "base+new", "h"), harmonicMean(base, fresh));
  assertEquals(rows[0].slice(0, 7), ["Sea, Lake", "sample", "zeroshot", "Zero-shot", "", "", ""]);
});

Deno.test("best and second are marked by what is printed, ties too, and not where there is one method", async () => {
  const one = await comparison("EuroSAT");
  const ranks = (methods: Comparison["methods"], digits: number) =>
    resultTable([{ ...one, methods, rows: methods }], digits).blocks[0].rows.map(({ cells }) => cells[0].rank);
  const [first] = one.methods;
  const withBase = (mean: number) => ({
    ...first,
    method: `of ${mean}`,
    accuracy: { base: { mean, std: null, perSeed: [] } },
  });
  assertEquals(ranks([withBase(90.14), withBase(80), withBase(90.11), withBase(70)], 1), [
    "best",
    "second",
    "best",
    undefined,
  ]);
  assertEquals(ranks([withBase(90.14), withBase(80), withBase(90.11), withBase(70)], 2), [
    "best",
    undefined,
    "second",
    undefined,
  ]);
  assertEquals(ranks([first], 1), [undefined]);
  assertEquals(ranks([withBase(50), withBase(50.01)], 1), [undefined, undefined]);
});

Deno.test("compare.md and compare.tex have the numbers of the comparison, marked, and a caption that says what they are", async () => {
  const one = await comparison("EuroSAT");
  const [zeroShot, coop] = one.methods;
  const { md, tex } = tableTexts([[one]]);
  const { base, new: fresh } = coop.accuracy;
  const words = (mark: (text: string) => string, pm: string) => [
    mark(`${base!.mean.toFixed(2)} ${pm} ${base!.std!.toFixed(2)}`),
    `${fresh!.mean.toFixed(2)} ${pm} ${fresh!.std!.toFixed(2)}`,
  ];
  const [bold, second] = words((text) => `**${text}**`, "±");
  assertStringIncludes(md, `| CoOp | ${bold} | <u>${second}</u> | `);
  assertStringIncludes(md, `| Zero-shot | <u>${zeroShot.accuracy.base!.mean.toFixed(2)}</u> | **`);
  assertStringIncludes(tex, `CoOp & ${words((text) => `\\textbf{${text}}`, "$\\pm$")[0]} & \\underline{`);
  for (const part of ["16 shots of base classes, seeds 1, 2, 3", "population standard deviation over seeds", "bold"]) {
    assertStringIncludes(md, part);
    assertStringIncludes(tex, part);
  }
  assertMatch(tex, /\\toprule\n.*\\\\\n\s+\\midrule\n(.*\\\\\n){2}\s+\\bottomrule/);
  const depth = [...tex].reduce((open, letter) => open + (letter === "{" ? 1 : letter === "}" ? -1 : 0), 0);
  assertEquals(depth, 0);
});

Deno.test("LaTeX prints names as they stand", () => {
  assertEquals(
    latexText("a_b & 50 % #1 {x} $y$\n~^ \\z <q|"),
    "a\\_b \\& 50 \\% \\#1 \\{x\\} \\$y\\$ \\textasciitilde{}\\textasciicircum{} \\textbackslash{}z " +
      "\\textless{}q\\textbar{}",
  );
});

Deno.test("a name at the beginning of a row is no option of the row before it", () => {
  assertEquals(latexText("[Ours] a*b"), "{[}Ours{]} a{*}b");
});

Deno.test("Markdown shows names as they stand", () => {
  assertEquals(markdownText("R&D &lt; a_b|c $x$ &#35; #1"), "R&D \\&lt; a\\_b\\|c \\$x\\$ \\&\\#35; \\#1");
});

Deno.test("several data sets have an average whose H is that of its own two means; what lacks a set has none", async () => {
  const [one, other] = [await comparison("A"), await comparison("B_2", [0.9])];
  const table = resultTable([one, other], 4);
  assertEquals(table.blocks.map(({ title }) => title), ["Average over 2 data sets", "A", "B_2"]);
  const average = (["base", "new"] as const).map((subset) =>
    (one.methods[1].accuracy[subset]!.mean + other.methods[1].accuracy[subset]!.mean) / 2
  );
  assertEquals(
    table.blocks[0].rows[1].cells.map(({ text }) => text),
    [...average, harmonicMean(average[0], average[1])].map((value) => value.toFixed(4)),
  );
  const lacking = { ...other, methods: other.methods.slice(0, 1) };
  const { blocks: [{ rows }] } = resultTable([one, lacking], 2);
  assertEquals(rows[1].cells.map(({ text }) => text), ["–", "–", "–"]);
  const { tex, md } = tableTexts([[one, other]], ["Missing: CoOp on B_2: base, seeds 2, 3."]);
  assertStringIncludes(tex, "\\multicolumn{4}{l}{\\textit{B\\_2}}");
  assertEquals(tex.match(/\\midrule/g)?.length, 3);
  assertStringIncludes(tex, "% Missing: CoOp on B_2: base, seeds 2, 3.\n");
  assertStringIncludes(md, "| B\\_2 | CoOp |");
  assertStringIncludes(md, "Missing: CoOp on B\\_2");
});

Deno.test("what cannot be is told apart from what is missing, in H too", async () => {
  const one = await comparison("EuroSAT");
  const { new: _, ...base } = one.methods[1].accuracy;
  one.methods[1] = { ...one.methods[1], accuracy: base, h: null };
  const cells = (without: Comparison["without"]) => {
    const { blocks: [{ rows }], footnotes } = resultTable([{ ...one, without }], 1);
    return [rows[1].cells.map(({ text }) => text).slice(1), footnotes];
  };
  assertEquals(cells([]), [["–", "–"], ["Missing: there is no such run."]]);
  assertEquals(cells([{ method: "coop", subset: "new", why: "it has none" }]), [["–", "–"], []]);
  const { md } = tableTexts([[{ ...one, without: [{ method: "coop", subset: "new", why: "it has none" }] }]]);
  assert(md.includes("CoOp has no result on the new classes: it has none."), md);
});
