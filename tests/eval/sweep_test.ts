import { assert, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { compareReports } from "../../src/eval/compare.ts";
import type { Report } from "../../src/eval/report.ts";
import { choiceSentences, ranked, type Sweep, type SweepInput, sweepOf } from "../../src/eval/sweep.ts";
import { sweepTables, sweepText } from "../../src/eval/sweep_table.ts";
import { sweepPage } from "../../src/eval/page/sweep_page.ts";
import { makeReport } from "./report_cases.ts";

/** A report on 20 validation images of which so many are right, with this cross-entropy. */
async function onValidation(right: number, seed: number, crossEntropy?: number): Promise<Report> {
  const report = await makeReport({ method: "coop", seed, images: 20, validation: true, accuracy: 1 });
  const { metrics } = report.results;
  const given = crossEntropy === undefined ? {} : { crossEntropy };
  return {
    ...report,
    results: { ...report.results, ...given, metrics: { ...metrics, correct: right, accuracy: 5 * right } },
  };
}

/** A sweep over lr; each list is what the seeds 1, 2, … of a value get right, and another their cross-entropies. */
async function swept(
  right: Record<string, number[]>,
  { losses = {}, ...more }: Partial<SweepInput> & { losses?: Record<string, number[]> } = {},
): Promise<Sweep> {
  const settings = await Promise.all(
    Object.entries(right).map(async ([lr, counts]) => ({
      values: { lr, "init-words": "" },
      reports: await Promise.all(counts.map((count, i) => onValidation(count, i + 1, losses[lr]?.[i]))),
    })),
  );
  return sweepOf({
    command: "deno task sweep",
    search: { kind: "grid" },
    axes: [{ name: "lr", values: settings.map(({ values }) => values.lr) }, { name: "init-words", values: [""] }],
    seeds: [1, 2],
    settings,
    ...more,
  });
}

Deno.test("chosen is the highest mean over all seeds on validation images, of equals the first that was tried", async () => {
  const one = await swept({ "0.1": [10, 12], "0.2": [14, 16], "0.4": [20, 9] });
  assertEquals([one.chosen!.setting, one.chosen!.equals], [1, 1]);
  assertEquals(one.settings[1].validation, {
    mean: 75,
    std: 5,
    perSeed: [{ seed: 1, value: 70 }, { seed: 2, value: 80 }],
  });
  assertEquals(one.validationImages, [{ seed: 1, images: 20 }, { seed: 2, images: 20 }]);
  // 0.3 + 0.2 + 0.1 is less than 0.1 + 0.2 + 0.3 in its last bit.
  const thirds = await swept({ "0.1": [0.06, 0.04, 0.02], "0.2": [0.02, 0.04, 0.06] }, { seeds: [1, 2, 3] });
  assert(thirds.settings[0].validation!.mean < thirds.settings[1].validation!.mean);
  assertEquals([thirds.chosen!.setting, thirds.chosen!.equals], [0, 2]);
  const equal = await swept({ "0.1": [10, 12], "0.2": [16, 13], "0.4": [13, 16] });
  assertEquals([equal.chosen!.setting, equal.chosen!.equals], [1, 2]);
  assertStringIncludes(
    choiceSentences(equal).join(" "),
    "A tie: 2 settings have this accuracy. Taken is the first of them that was tried: the cross-entropy of some was not kept",
  );
});

Deno.test("between equal accuracies the lower mean cross-entropy decides, and what decided is told", async () => {
  const right = { "0.1": [10, 12], "0.2": [16, 13], "0.4": [13, 16], "0.8": [14, 15] };
  const losses = { "0.1": [0.1, 0.1], "0.2": [0.5, 0.75], "0.4": [0.25, 0.5], "0.8": [0.5, 0.5] };
  const decided = await swept(right, { losses });
  const { chosen } = decided;
  assertEquals([chosen!.setting, chosen!.equals, chosen!.equalsInBoth, chosen!.decidedBy], [2, 3, 1, "cross-entropy"]);
  assertEquals(decided.settings[2].crossEntropy, {
    mean: 0.375,
    std: 0.125,
    perSeed: [{ seed: 1, value: 0.25 }, { seed: 2, value: 0.5 }],
  });
  assertEquals(ranked(decided).map(({ values }) => values.lr), ["0.4", "0.8", "0.2", "0.1"]);
  const sentence =
    "A tie: 3 settings have this accuracy. Taken is the one with the lowest mean cross-entropy on the same " +
    "images, 0.3750.";
  assertEquals(choiceSentences(decided)[2], sentence);
  const lines = sweepText(decided, { columns: 100, colour: false });
  assertEquals(lines[1].split(/ {2,}/), ["lr", "init-words", "validation", "cross-entropy"]);
  assertEquals(lines[2].trim().split(/ +/), ["0.4", '""', "72.5", "±", "7.5", "*", "0.3750"]);
  assertStringIncludes(lines.join(" "), sentence);
  assertStringIncludes(sweepTables(decided).md, sentence);
  const rows = sweepTables(decided).csv.split("\r\n").filter((row) => row.includes(",cross_entropy,"));
  assertEquals(rows.map((row) => [7, 9, 10, 11, 14].map((column) => row.split(",")[column]).join(" ")).slice(2, 6), [
    ...["0.2 0 validation 1 0.5", "0.2 0 validation 2 0.75", "0.4 1 validation 1 0.25", "0.4 1 validation 2 0.5"],
  ]);

  // The same sum in another order of seeds, and what float32 cannot tell.
  const both = await swept(right, { losses: { ...losses, "0.2": [0.5, 0.25000001] } });
  assertEquals([both.chosen!.setting, both.chosen!.equalsInBoth, both.chosen!.decidedBy], [1, 2, "order"]);
  assertEquals(
    choiceSentences(both)[2],
    "A tie: 3 settings have this accuracy. 2 of them have the lowest mean cross-entropy, 0.3750, too; taken is the first of " +
      "these that was tried.",
  );
  const some = await swept(right, { losses: { ...losses, "0.8": [] } });
  assertEquals([some.chosen!.setting, some.chosen!.equalsInBoth, some.chosen!.decidedBy], [1, null, "order"]);
  assertEquals(some.settings[3].crossEntropy, null);
  const alone = await swept({ "0.1": [10, 12], "0.2": [14, 16] }, { losses });
  assertEquals([alone.chosen!.decidedBy, alone.chosen!.equals], [null, 1]);
  assert(!sweepText(alone, { columns: 100, colour: false }).join(" ").includes("cross-entropy"));
});

Deno.test("a setting that lacks a seed is not chosen, and is told of", async () => {
  const some = await swept({ "0.1": [19], "0.2": [12, 11], "0.4": [] });
  assertEquals([some.chosen!.setting, some.settings[2].validation], [1, null]);
  assertEquals(some.warnings.map(({ kind, text }) => [kind, text]), [
    ["missing", 'lr 0.1, init-words "": seed 2 is missing, so it is not among those to choose from.'],
    ["missing", 'lr 0.4, init-words "": seeds 1, 2 are missing, so it is not among those to choose from.'],
  ]);
  assertEquals(ranked(some).map(({ values }) => values.lr), ["0.2", "0.1", "0.4"]);
  // In the tables too: a mark at the number, and what it means in the caption; nothing but the seeds in the CSV.
  const { md, tex, csv } = sweepTables(some);
  assertStringIncludes(md, '| 0.1 | "" | 95.00<sup>†</sup> |\n| 0.4 | "" | –<sup>‡</sup> |\n');
  assertStringIncludes(md, "<sup>†</sup>Over seed 1 alone. <sup>‡</sup>Missing: there is no such run.\n");
  assertStringIncludes(tex, "95.00\\textsuperscript{\\textdagger{}} \\\\\n");
  assertStringIncludes(tex, "\\textsuperscript{\\textdagger{}}Over seed 1 alone. ");
  assert(!/[†‡–]/.test(csv));
  const lines = sweepText(some, { columns: 100, colour: false });
  assert(lines.includes("† Over seed 1 alone."), lines.join("\n"));
  assertStringIncludes((await sweepPage(some)).html, "<sup>†</sup> Over seed 1 alone.");
  const none = await swept({ "0.1": [19] });
  assertEquals(none.chosen, null);
  assertStringIncludes(sweepText(none, { columns: 80, colour: false }).join(" "), "so none is chosen.");
});

Deno.test("without runs there is no sweep, and nothing is chosen by reports on test images", async () => {
  const settings = [{ values: { lr: "1" }, reports: [] }];
  const input: SweepInput = { command: "", search: { kind: "grid" }, axes: [], seeds: [1], settings };
  assertThrows(() => sweepOf(input), UserError, "There is no run of this sweep yet: leave --collect out");
  const reports = [await makeReport({ method: "coop" })];
  assertThrows(() => sweepOf({ ...input, settings: [{ values: {}, reports }] }), Error, "validation images alone");
});

Deno.test("seeds that were judged by other images are refused", async () => {
  const [first, second] = [await onValidation(10, 1), await onValidation(12, 1)];
  second.results.predictions.testListSha256 = "00".repeat(32);
  const settings = [first, second].map((report, i) => ({ values: { lr: String(i) }, reports: [report] }));
  assertThrows(
    () => sweepOf({ command: "", search: { kind: "grid" }, axes: [], seeds: [1], settings }),
    UserError,
    "The runs of seed 1 were judged by different validation images",
  );
});

Deno.test("the report says how and on what was chosen, and whether better values may lie beyond", async () => {
  const sweep = await swept({ "0.1": [10, 12], "0.2": [11, 12], "0.4": [14, 16] });
  assertEquals(choiceSentences(sweep), [
    'Chosen for CoOp: lr 0.4, init-words "".',
    "Chosen by the mean accuracy over seeds 1, 2 on the validation images of each seed's draw, 20 of the base classes: one " +
    "image of all 40 is 2.5 points.",
    "All 3 combinations were tried.",
    "What is chosen was not evaluated on test images yet, nor was any other setting.",
    "lr 0.4 is the largest that was tried: better ones may lie beyond.",
  ]);
  const middle = await swept({ "0.1": [10, 12], "0.2": [14, 16], "0.4": [11, 12] });
  assertEquals(choiceSentences(middle).length, 4);
  const drawn = await swept({ "0.1": [10, 12] }, {
    search: { kind: "random", points: 1, seed: 7 },
    axes: [{ name: "lr", low: 0.01, high: 1 }, { name: "init-words", values: [""] }],
  });
  assertStringIncludes(choiceSentences(drawn)[2], "drawn with seed 7: lr from 0.01 to 1, log-uniformly; init-words of");
});

Deno.test("tables have the test results of what is chosen, and of no other", async () => {
  const sweep = await swept({ "0.1": [10, 12], "0.2": [14, 16] });
  const reports = await Promise.all(
    [1, 2].flatMap((seed) =>
      (["base", "new"] as const).map((evaluatedOn) => makeReport({ method: "coop", seed, evaluatedOn, images: 200 }))
    ),
  );
  sweep.chosen!.test = compareReports(reports);
  const { base, new: fresh } = sweep.chosen!.test.methods[0].accuracy;
  const lines = sweepText(sweep, { columns: 100, colour: false });
  assertEquals(lines[0], "CoOp on eurosat, sample, 16 shots of base classes, seeds 1, 2 (accuracy in percent)");
  assertEquals(lines[1].split(/ {2,}/), ["lr", "init-words", "validation", "test base", "test new", "test H"]);
  assert(lines[2].startsWith('0.2  ""          75.0 ±  5.0 *  '), lines[2]);
  assert(lines[2].includes(base!.mean.toFixed(1)) && lines[2].includes(fresh!.mean.toFixed(1)), lines[2]);
  assertEquals(lines[3].trimEnd(), '0.1  ""          55.0 ±  5.0    –            –            –');
  const { csv, md, tex } = sweepTables(sweep);
  const [head, ...rows] = csv.trimEnd().split("\r\n").map((line) => line.split(","));
  assertEquals(
    head.join(),
    "dataset,model,method,label,preset,trained_on,shots,lr,init_words,chosen,images,seed,subset,metric,value",
  );
  const cell = (row: string[], name: string) => row[head.indexOf(name)];
  const accuracies = rows.filter((row) => cell(row, "metric") === "accuracy");
  assertEquals(
    accuracies.map((row) => ["lr", "chosen", "images", "seed", "subset"].map((name) => cell(row, name)).join(" ")),
    [
      ...["0.1 0 validation 1 base", "0.1 0 validation 2 base", "0.2 1 validation 1 base", "0.2 1 validation 2 base"],
      ...["0.2 1 test 1 base", "0.2 1 test 1 new", "0.2 1 test 2 base", "0.2 1 test 2 new"],
    ],
  );
  assertEquals(accuracies.slice(0, 4).map((row) => cell(row, "value")), ["50", "60", "70", "80"]);
  assertEquals(rows.filter((row) => cell(row, "metric") === "h").length, 2);
  assertStringIncludes(md, `| 0.2 | "" | **75.00 ± 5.00** | ${base!.mean.toFixed(2)}`);
  assertStringIncludes(md, '| 0.1 | "" | 55.00 ± 5.00 | – | – | – |');
  assertStringIncludes(md, "The new classes had no say");
  assertStringIncludes(tex, '0.2 & "" & \\textbf{75.00 $\\pm$ 5.00}');
});
