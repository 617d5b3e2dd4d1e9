import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { nearChance, unlikeSeeds } from "../../src/eval/collapse.ts";
import { compareReports } from "../../src/eval/compare.ts";
import { differenceNote, differenceRows } from "../../src/eval/comparison.ts";
import { UserError } from "../../src/errors.ts";
import { harmonicMean } from "../../src/eval/metrics.ts";
import type { Report } from "../../src/eval/report.ts";
import { makeReport } from "./report_cases.ts";

const NEW = { coop: [0.48, 0.2, 0.4], cocoop: [0.6, 0.62, 0.66] };

/** Zero-shot, CoOp and CoCoOp as they come out on EuroSAT: CoOp forgets the new classes. */
async function three(images = 800): Promise<Report[]> {
  const reports: Report[] = [];
  for (const evaluatedOn of ["base", "new"] as const) {
    reports.push(
      await makeReport({ method: "zeroshot", evaluatedOn, images, accuracy: evaluatedOn === "base" ? 0.6 : 0.64 }),
    );
    for (const method of ["coop", "cocoop"] as const) {
      for (const seed of [1, 2, 3]) {
        const accuracy = evaluatedOn === "base" ? 0.94 : NEW[method][seed - 1];
        reports.push(await makeReport({ method, seed, evaluatedOn, images, accuracy }));
      }
    }
  }
  return reports;
}

Deno.test("the table has means, population deviations, and H of the means", async () => {
  const reports = await three();
  const { methods, seeds, subsets, on } = compareReports(reports, {
    methods: ["zeroshot", "coop", "cocoop"],
  });
  assertEquals(methods.map(({ label }) => label), ["Zero-shot", "CoOp", "CoCoOp"]);
  assertEquals([seeds, subsets, on.images], [[1, 2, 3], ["base", "new"], { base: 800, new: 800 }]);
  const [zeroshot, coop] = methods;
  assertEquals(zeroshot.accuracy.base!.std, null);
  assertEquals(zeroshot.h!.mean, zeroshot.h!.perSeed[0].value);

  const of = (evaluatedOn: string) =>
    reports.filter(({ run }) => run.method === "coop" && run.evaluatedOn === evaluatedOn).map(({ results }) =>
      results.metrics.accuracy
    );
  const [base, fresh] = [of("base"), of("new")];
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  assertAlmostEquals(coop.accuracy.new!.mean, mean(fresh), 1e-10);
  assertAlmostEquals(coop.accuracy.new!.std!, Math.sqrt(mean(fresh.map((value) => (value - mean(fresh)) ** 2))), 1e-10);
  assertAlmostEquals(coop.h!.mean, harmonicMean(mean(base), mean(fresh)), 1e-10);
  const each = base.map((value, i) => harmonicMean(value, fresh[i]));
  assertEquals(coop.h!.perSeed.map(({ value }) => value), each);
  assertAlmostEquals(coop.h!.std!, Math.sqrt(mean(each.map((value) => (value - mean(each)) ** 2))), 1e-10);
  assert(Math.abs(coop.h!.mean - mean(each)) > 0.5, "two statistics that cannot be told apart test nothing");
  assertEquals(coop.accuracy.base!.perSeed.map(({ seed }) => seed), [1, 2, 3]);
});

Deno.test("differences are against the first method, hold the observed value, and say whether these seeds tell", async () => {
  const { differences, interval } = compareReports(await three(), { methods: ["zeroshot", "coop", "cocoop"] });
  assertEquals(differences.map(({ method, of }) => `${method} ${of}`), [
    "coop base",
    "coop new",
    "coop h",
    "cocoop base",
    "cocoop new",
    "cocoop h",
  ]);
  for (const { low, high, difference, verdict, seeds, reference } of differences) {
    assert(low < difference && difference < high);
    assertEquals(verdict, low > 0 ? "better" : high < 0 ? "worse" : "these seeds do not tell");
    assertEquals([seeds, reference], [3, "zeroshot"]);
  }
  const [base, fresh] = differences;
  assertEquals(base.verdict, "better");
  // 28 points, and seeds that are 28 points apart: a paired t interval holds 0 too.
  assertEquals([fresh.verdict, fresh.difference < -15], ["these seeds do not tell", true]);
  assert(fresh.seedsToTell! > 3);
  assertEquals([interval.confidence, interval.multiplicity], [0.95, "not corrected"]);
});

Deno.test("+3, +10 and +38 points do not tell", async () => {
  const reports = await Promise.all([0.5, 0.5, 0.5].flatMap((accuracy, i) => [
    makeReport({ method: "coop", seed: i + 1, images: 4000, accuracy }),
    makeReport({ method: "cocoop", seed: i + 1, images: 4000, accuracy: accuracy + [0.03, 0.1, 0.38][i] }),
  ]));
  const { differences: [{ low, high, verdict, seedsToTell }] } = compareReports(reports, { methods: ["coop"] });
  assertAlmostEquals((low + high) / 2, 17, 2);
  assertAlmostEquals((high - low) / 2, 46, 4);
  assertEquals(verdict, "these seeds do not tell");
  assert(seedsToTell! > 8 && seedsToTell! < 20);
});

Deno.test("what a comparison of few test images cannot tell is not put down to the seeds", async () => {
  const reports = await Promise.all([1, 2, 3].flatMap((seed) => [
    makeReport({ method: "coop", seed, images: 40, accuracy: 0.9 }),
    makeReport({ method: "cocoop", seed, images: 40, accuracy: 0.9 }),
  ]));
  // The same predictions for each seed: only the images are left to vary.
  for (const report of reports) {
    report.results.predictions.predictions =
      reports[report.run.method === "coop" ? 0 : 1].results.predictions.predictions;
  }
  const found = compareReports(reports, { methods: ["coop"] });
  assertEquals(found.differences[0].seedsToTell, null);
  assertEquals(differenceRows(found)[1].slice(-2), ["these seeds do not tell", "too many"]);
});

Deno.test("one seed gives an interval of images only, and says so; so do two methods that draw nothing", async () => {
  const reports = (await three()).filter(({ run }) => run.seed === null || run.seed === 1);
  const found = compareReports(reports, { methods: ["zeroshot", "coop"] });
  assertEquals(found.differences[0].seeds, 1);
  assertStringIncludes(differenceNote(found), "With one seed only the test images vary");
  assertEquals(found.methods[1].accuracy.base!.std, null);

  const [first, second] = [
    await makeReport({ method: "zeroshot" }),
    await makeReport({ method: "zeroshot", accuracy: 0.89 }),
  ];
  second.run.method = "another";
  const fixed = compareReports([first, second]);
  const [{ seeds, verdict }] = fixed.differences;
  assertEquals([seeds, verdict], [0, "these test images do not tell"]);
  assertStringIncludes(differenceNote(fixed), "Between two methods that draw nothing only the test images vary");
});

Deno.test("two trained methods are paired by seed; without a common seed there is no difference", async () => {
  const [a, b] = await Promise.all(["coop", "cocoop"].map((method) => makeReport({ method, seed: 1 })));
  const other = await makeReport({ method: "cocoop", seed: 2 });
  assertEquals(compareReports([a, b, other]).differences.map(({ seeds }) => seeds), [1]);
  assertEquals(compareReports([a, other]).differences, []);
});

Deno.test("comparing twice gives the same bits", async () => {
  const reports = await three(200);
  assertEquals(compareReports(reports), compareReports(reports));
});

Deno.test("several shots make a curve; the table is of the most, or of those asked for", async () => {
  const reports = await Promise.all([
    makeReport({ method: "zeroshot" }),
    ...[1, 4, 16].map((shots) => makeReport({ method: "coop", shots, accuracy: 0.6 + shots / 50 })),
  ]);
  const { curve, shots, methods } = compareReports(reports);
  assertEquals(curve.map((point) => [point.method, point.shots]), [["zeroshot", null], ["coop", 1], ["coop", 4], [
    "coop",
    16,
  ]]);
  assertEquals(shots, 16);
  assertEquals(methods.length, 2);
  assertEquals(
    compareReports(reports, { shots: 4 }).methods[1].accuracy.base!.mean,
    curve[2].accuracy.base!.mean,
  );
});

Deno.test("a collapsed seed and a seed far from the others are flagged", async () => {
  const reports = await Promise.all([
    makeReport({ seed: 1, evaluatedOn: "new", accuracy: 0.44 }),
    makeReport({ seed: 2, evaluatedOn: "new", accuracy: 0.754 }),
    makeReport({ seed: 3, evaluatedOn: "new", accuracy: 0.694, trainAccuracy: 22.5 }),
  ]);
  const { warnings } = compareReports(reports);
  assertEquals(warnings.map(({ kind, seed }) => [kind, seed]), [["collapse", 3], ["outlier", 1]]);
  assertStringIncludes(warnings[0].text, "22.5 % of its own training images right, and chance is 20.0 %");
});

Deno.test("near chance is a share of the way from chance to perfect; far seeds are found in any order", () => {
  assertEquals([31, 33].map((accuracy) => nearChance(accuracy, 5)), [true, false]);
  assertEquals([57, 58].map((accuracy) => nearChance(accuracy, 2)), [true, false]);
  const seeds = (...values: number[]) => values.map((value, i) => ({ seed: i + 1, value }));
  assertEquals(unlikeSeeds(seeds(90, 91, 92)), undefined);
  assertEquals(unlikeSeeds(seeds(90)), undefined);
  assertEquals(unlikeSeeds(seeds(69.4, 75.4, 44)), { outlier: 3, nearest: 69.4 });
  assertEquals(unlikeSeeds(seeds(48.7, 20)), { range: 48.7 - 20 });
  assertEquals(unlikeSeeds(seeds(10, 30, 50)), { range: 40 });
});

Deno.test("reports that cannot be compared are refused in a sentence", async () => {
  const [one, other] = await Promise.all([makeReport({ seed: 1 }), makeReport({ seed: 2 })]);
  const refusal = (reports: Report[]) => assertThrows(() => compareReports(reports), UserError).message;
  assertStringIncludes(refusal([]), "no report to compare");
  assertStringIncludes(refusal([one, one]), "two reports of cocoop (seed 1) on base");
  const changed = (change: (copy: Report) => void) => {
    const copy = structuredClone(other);
    change(copy);
    return copy;
  };
  assertStringIncludes(refusal([one, changed((copy) => copy.on.model.sha256 = "00".repeat(32))]), "two models");
  const gelu = changed((copy) => {
    const { image, text, ...config } = copy.on.model.config;
    const activation = "gelu";
    copy.on.model.config = { ...config, image: { ...image, activation }, text: { ...text, activation } };
  });
  assertStringIncludes(refusal([one, gelu]), "one model computed in two ways, quickgelu and gelu");
  const list = changed((copy) => copy.results.predictions.testListSha256 = "00".repeat(32));
  assertStringIncludes(refusal([one, list]), "other test images");
});
