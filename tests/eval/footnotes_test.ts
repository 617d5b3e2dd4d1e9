import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { parseHTML } from "npm:linkedom@0.18.15";
import { compareReports } from "../../src/eval/compare.ts";
import { collectionText, comparisonText } from "../../src/eval/comparison_table.ts";
import type { Comparison } from "../../src/eval/comparison.ts";
import { footnoteSign } from "../../src/eval/footnotes.ts";
import { harmonicMean } from "../../src/eval/metrics.ts";
import { comparisonPage } from "../../src/eval/page/comparison_page.ts";
import { tableTexts } from "../../src/eval/result_files.ts";
import { resultTable } from "../../src/eval/result_table.ts";
import { makeReport } from "./report_cases.ts";

/** Seeds of CoOp by the half that they were evaluated on; zero-shot has both. GDA is asked for and never there. */
async function comparison(
  { base, fresh, dataset = "A" }: { base: number[]; fresh: number[]; dataset?: string },
): Promise<Comparison> {
  const reports = [];
  for (const [evaluatedOn, seeds] of [["base", base], ["new", fresh]] as const) {
    reports.push(await makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 }));
    for (const seed of seeds) reports.push(await makeReport({ method: "coop", seed, evaluatedOn, accuracy: 0.7 }));
    for (const seed of [1, 2, 3]) {
      reports.push(await makeReport({ method: "cocoop", seed, evaluatedOn, accuracy: 0.5 }));
    }
  }
  for (const { on } of reports) on.data.name = dataset;
  return compareReports(reports, { methods: ["zeroshot", "gda", "coop"] });
}

const values = (one: Comparison, subset: "base" | "new") =>
  one.runs.filter(({ method, evaluatedOn }) => method === "coop" && evaluatedOn === subset)
    .map(({ accuracy }) => accuracy);
const mean = (numbers: number[]) => numbers.reduce((sum, value) => sum + value) / numbers.length;
const deviation = (numbers: number[]) => Math.sqrt(mean(numbers.map((value) => (value - mean(numbers)) ** 2)));

Deno.test("a mean over fewer seeds than the caption names is marked and told, and so is a method without a run", async () => {
  const one = await comparison({ base: [1, 3], fresh: [1, 3] });
  const { md, tex, csv } = tableTexts([[one]]);
  const words = (pm: string) =>
    (["base", "new"] as const).map((subset) => {
      const own = values(one, subset);
      assertEquals(own.length, 2);
      return `${mean(own).toFixed(2)} ${pm} ${deviation(own).toFixed(2)}`;
    });
  const [mdBase, mdNew] = words("±");
  const [texBase, texNew] = words("$\\pm$");
  // CoOp is best of both halves; GDA's row stands where it was asked for.
  assertStringIncludes(md, `| CoOp | **${mdBase}**<sup>‡</sup> | **${mdNew}**<sup>‡</sup> | **`);
  assertStringIncludes(md, "| GDA | –<sup>†</sup> | –<sup>†</sup> | –<sup>†</sup> |\n| CoOp |");
  assertStringIncludes(md, "<sup>†</sup>Missing: there is no such run. <sup>‡</sup>Over seeds 1, 3 alone.\n");
  assertStringIncludes(md, "seeds 1, 2, 3.");
  const raised = (sign: string) => `\\textsuperscript{\\text${sign}{}}`;
  assertStringIncludes(
    tex,
    `CoOp & \\textbf{${texBase}}${raised("daggerdbl")} & \\textbf{${texNew}}${raised("daggerdbl")} & `,
  );
  assertStringIncludes(tex, `GDA & --${raised("dagger")} & --${raised("dagger")} & --${raised("dagger")} \\\\\n`);
  const caption = /\\caption\{(.*)\}\n/.exec(tex)![1];
  assert(caption.endsWith(
    ` ${raised("dagger")}Missing: there is no such run. ${raised("daggerdbl")}Over seeds 1, 3 alone.`,
  ));
  assertStringIncludes(caption, "seeds 1, 2, 3");
  // What is whole is not marked.
  assertEquals(md.split("\n").filter((line) => /^\| (Zero-shot|CoCoOp) /.test(line) && line.includes("<sup>")), []);
  // A program reads the seeds themselves, and there is no row of nothing.
  assert(!csv.includes("gda") && !/[†‡–]/.test(csv));
  assertEquals(csv.split("\r\n").filter((line) => line.includes(",coop,") && line.includes("base,accuracy")).length, 2);

  const lines = comparisonText(one, { columns: 120, colour: false });
  assert(lines.some((line) => /^CoOp .*\d \* ‡ {2,}.* ‡ {2,}.* ‡$/.test(line)), lines.join("\n"));
  assert(lines.some((line) => /^GDA +– † +– † +– †$/.test(line.replaceAll(/ +/g, " ").replace("GDA ", "GDA  "))));
  assert(lines.includes("‡ Over seeds 1, 3 alone.") && lines.includes("† Missing: there is no such run."));

  const { document } = parseHTML((await comparisonPage(one)).html) as unknown as {
    document: { querySelector(selector: string): { textContent: string; nextElementSibling: never } };
  };
  const text = document.querySelector("main").textContent;
  const [base] = values(one, "base").length === 2 ? [mean(values(one, "base")).toFixed(1)] : [];
  assertStringIncludes(text, `${base} ± ${deviation(values(one, "base")).toFixed(1)}‡`);
  assertStringIncludes(text, "GDA–†–†–†");
  assertStringIncludes(text, "‡ Over seeds 1, 3 alone.");
});

Deno.test("H of halves over different seeds, halves without a common seed, and one seed alone are each told", async () => {
  const cells = (one: Comparison) => {
    const { blocks, footnotes } = resultTable([one], 2);
    return blocks[0].rows[2].cells.map(({ text, std, mark }) => [
      text === "–" ? text : "number",
      std === undefined ? "" : "±",
      mark === undefined ? "" : footnotes[mark],
    ]);
  };
  assertEquals(cells(await comparison({ base: [1, 2, 3], fresh: [2, 3] })), [
    ["number", "±", ""],
    ["number", "±", "Over seeds 2, 3 alone."],
    ["number", "±", "H of two means that are over different seeds; its ± is over seeds 2, 3."],
  ]);
  assertEquals(cells(await comparison({ base: [1, 2], fresh: [2, 3] })).at(-1), [
    "number",
    "",
    "H of two means that are over different seeds.",
  ]);
  assertEquals(cells(await comparison({ base: [1], fresh: [2] })), [
    ["number", "", "Over seed 1 alone."],
    ["number", "", "Over seed 2 alone."],
    ["–", "", "Missing: no seed has both base and new."],
  ]);
  assertEquals(cells(await comparison({ base: [1, 2, 3], fresh: [1, 2, 3] })).map(([, , note]) => note), ["", "", ""]);
});

Deno.test("of several data sets, the average of what is over fewer seeds is marked, and rows stand in one order", async () => {
  const whole = await comparison({ base: [1, 2, 3], fresh: [1, 2, 3] });
  const lacking = await comparison({ base: [1, 2, 3], fresh: [1, 2], dataset: "B" });
  const { blocks, footnotes } = resultTable([whole, lacking], 4);
  const marks = blocks.map(({ rows }) =>
    rows.map(({ label, cells }) => `${label}: ${cells.map(({ mark }) => footnoteSign(mark ?? 99)).join(" ")}`)
  );
  const none = footnoteSign(99);
  assertEquals(footnotes, [
    "Missing: there is not a run on every data set.",
    "Average of means of which some are over fewer seeds.",
    "Missing: there is no such run.",
    "Over seeds 1, 2 alone.",
    "H of two means that are over different seeds; its ± is over seeds 1, 2.",
  ]);
  assertEquals(marks.map(([, gda, coop]) => [gda, coop]), [
    ["GDA: † † †", `CoOp: ${none} ‡ ‡`],
    ["GDA: § § §", `CoOp: ${none} ${none} ${none}`],
    ["GDA: § § §", `CoOp: ${none} ¶ ††`],
  ]);
  const [base, fresh] = (["base", "new"] as const).map((subset) =>
    (mean(values(whole, subset)) + mean(values(lacking, subset))) / 2
  );
  assertEquals(
    blocks[0].rows[2].cells.map(({ text }) => text),
    [base, fresh, harmonicMean(base, fresh)].map((value) => value.toFixed(4)),
  );
  const lines = collectionText([whole, lacking], { columns: 120, colour: false });
  assert(lines.includes("†† H of two means that are over different seeds; its ± is over seeds 1, 2."));
});

Deno.test("a point of the curve over fewer seeds than others is marked", async () => {
  const reports = await Promise.all(
    [[4, 1], [4, 2], [16, 1]].map(([shots, seed]) => makeReport({ method: "coop", shots, seed })),
  );
  const lines = comparisonText(compareReports(reports), { columns: 100, colour: false });
  const at = lines.findIndex((line) => line.startsWith("Shots, base"));
  assert(/^CoOp +\d+\.\d ± +\d\.\d +\d+\.\d †$/.test(lines[at + 1]), lines.join("\n"));
  assertEquals(lines[at + 2], "† Over seed 1 alone.");
});
