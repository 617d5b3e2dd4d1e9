import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { compareReports } from "../../src/eval/compare.ts";
import { signed } from "../../src/eval/comparison.ts";
import { aligned, comparisonText } from "../../src/eval/comparison_table.ts";
import { comparisonPage } from "../../src/eval/page/comparison_page.ts";
import { makeReport } from "./report_cases.ts";

const comparison = compareReports(
  await Promise.all([
    ...(["base", "new"] as const).map((evaluatedOn) => makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 })),
    ...[1, 2].flatMap((seed) =>
      (["base", "new"] as const).map((evaluatedOn) =>
        makeReport({ method: "coop", seed, evaluatedOn, accuracy: evaluatedOn === "base" ? 0.9 : 0.6 - 0.2 * seed })
      )
    ),
  ]),
  { methods: ["zeroshot", "coop"] },
);

Deno.test("the table of the papers, seeds, differences and warnings, in columns", () => {
  const lines = comparisonText(comparison, { columns: 100, colour: false });
  const header = lines.find((line) => line.startsWith("Method"))!;
  assertEquals(header.split(/\s{2,}/), ["Method", "base", "new", "H"]);
  const coop = lines[lines.indexOf(header) + 2];
  const { base, new: fresh } = comparison.methods[1].accuracy;
  assertStringIncludes(coop, `${base!.mean.toFixed(1)} ±`);
  assertEquals(coop.indexOf(fresh!.mean.toFixed(1)), header.indexOf("new"));
  assertEquals(lines.filter((line) => /^CoOp +[12] /.test(line)).length, 2);
  const text = lines.join(" ");
  const at = lines.findIndex((line) => /^Method +on +points +95 % interval +verdict +seeds to tell$/.test(line));
  for (const [i, { of, difference, low, high, verdict }] of comparison.differences.entries()) {
    const numbers = [signed(difference), `${signed(low)} to ${signed(high)}`];
    assertEquals(lines[at + 1 + i].split(/ {2,}/).slice(0, 5), ["CoOp", of === "h" ? "H" : of, ...numbers, verdict]);
  }
  assertEquals(lines.filter((line) => line.includes("by Student's t")).length, 1);
  assertStringIncludes(
    text,
    "not corrected for their number: if all methods were equal, about 0.2 of these 3 differences",
  );
  assertStringIncludes(text, "warning: The seeds of CoOp are");
});

Deno.test("no line is wider than the terminal, and no number is lost where it is narrow", () => {
  for (const columns of [36, 60, 80, 120]) {
    const lines = comparisonText(comparison, { columns, colour: false });
    for (const line of lines) assert(line.length <= columns, `${columns}: ${line}`);
    assertStringIncludes(lines.join("\n"), comparison.methods[1].h!.mean.toFixed(1));
  }
});

Deno.test("several numbers of shots give a table of each measure, with the zero-shot line in it", async () => {
  const reports = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    reports.push(await makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 }));
    for (const shots of [1, 2, 16]) {
      for (const seed of [1, 2]) {
        reports.push(await makeReport({ method: "coop", shots, seed, evaluatedOn, accuracy: 0.7 + shots / 64 }));
      }
    }
  }
  const found = compareReports(reports, { methods: ["zeroshot", "coop"] });
  const lines = comparisonText(found, { columns: 80, colour: false });
  for (const measure of ["base", "new", "H"]) {
    const at = lines.findIndex((line) => line.startsWith(`Shots, ${measure}`));
    assertEquals(lines[at].split(/ {2,}/), [`Shots, ${measure}`, "1", "2", "16"]);
    const zeroShot = lines[at + 1].split(/ {2,}/).slice(1);
    assertEquals(new Set(zeroShot).size, 1);
    assertEquals(lines[at + 2].match(/ ± /g)?.length, 3);
  }
  assert(comparisonText(comparison, { columns: 80, colour: false }).every((line) => !line.startsWith("Shots,")));
});

Deno.test("escape codes come only with colour", () => {
  const plain = comparisonText(comparison, { columns: 80, colour: false }).join("\n");
  const coloured = comparisonText(comparison, { columns: 80, colour: true }).join("\n");
  assert(!plain.includes("\x1b"));
  assert(coloured.includes("\x1b"));
  // deno-lint-ignore no-control-regex
  assertEquals(coloured.replaceAll(/\x1b\[\d+m/g, ""), plain);
});

Deno.test("what a method cannot have is told as such, with the reason", async () => {
  const why = "the cache has no keys of them";
  const reports = await Promise.all([
    ...(["base", "new"] as const).map((evaluatedOn) => makeReport({ method: "zeroshot", evaluatedOn, accuracy: 0.6 })),
    ...["tip-adapter", "tip-adapter-f"].map((method) =>
      makeReport({ method, seed: 1, evaluatedOn: "base", accuracy: 0.9 })
    ),
  ]);
  const without = ["tip-adapter", "tip-adapter-f"].map((method) => ({ method, subset: "new" as const, why }));
  const found = compareReports(reports, { methods: ["zeroshot", "tip-adapter"], without });
  const lines = comparisonText(found, { columns: 120, colour: false });
  const row = lines.find((line) => line.startsWith("Tip-Adapter "))!;
  assertEquals(row.split(/\s{2,}/).slice(2), ["–", "–"]);
  const sentence = "Tip-Adapter and Tip-Adapter-F have no result on the new classes: the cache has no keys of them.";
  assert(lines.includes(sentence), lines.join("\n"));
  // Nor is there a second line for each of its seeds, where there is one.
  assert(!lines.some((line) => line.startsWith("Each seed")));
  const { html } = await comparisonPage(found);
  assertStringIncludes(html, ">–</td>");
  assertStringIncludes(html, sentence);
});

Deno.test("columns are as wide as their widest cell; lines break at spaces only", () => {
  assertEquals(aligned([["a", "bb"], ["ccc", "d"]], { columns: 20, colour: false }), ["a    bb", "ccc  d"]);
  assertEquals(aligned([["a", "bb"], ["ccc", "d"]], { columns: 5, colour: false }), ["ccc", "  bb  d"]);
});
