/** `--eval val`: reports on the images that settings are chosen on, which are never taken for reports on test images. */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { readFolder, readValidation } from "../../src/eval/page/write_page.ts";
import { coop, gda, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { collectRuns } from "../../src/run/collect.ts";
import { type ComparisonRequest, findRuns, planComparison } from "../../src/run/comparison_runs.ts";
import { openData } from "../../src/run/open_data.ts";
import { SILENT } from "../../src/run/progress.ts";
import { inFolder, runHere } from "./run_here.ts";

const TRAINED = { views: 0, epochs: 1, contextTokens: 2 };
const ON_VAL = { data: "images", train: "base", shots: 4, eval: ["val"] } as const;

Deno.test("a run is evaluated on the validation images of its draw and classes, and says so everywhere", async () => {
  await inFolder(async () => {
    const { reports: [report], folders: [folder], said } = await runHere(coop, {
      ...ON_VAL,
      ...TRAINED,
      eval: ["val"],
    });
    const data = await openData({ data: "images" }, { sample: true, progress: SILENT });
    const { val } = data.draw({ shots: 4, seed: 1, classes: "base" });
    const validationImagesSha256 = await data.sha256(val);
    await data.close();
    // Of ten images a class two are for validation, fewer than the four of a draw.
    assertEquals([val.length, report.results.metrics.total], [4, 4]);
    const csv = await Deno.readTextFile(`${folder}/predictions-val.csv`);
    assertEquals(csv.trim().split("\r\n").slice(1).map((line) => line.split(",")[0]), val.map(({ path }) => path));
    assertEquals(report.results.predictions.labels, val.map(({ label }) => label));
    const { run, on } = report;
    assertEquals([run.validation, run.evaluatedOn, run.classNames.length], [true, "base", 2]);
    assertEquals([on.data.val, on.data.test, on.data.testImagesSha256], [4, 0, undefined]);
    assertEquals(on.data.validationImagesSha256, validationImagesSha256);
    assertEquals(await readValidation(folder), [report]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/done`)).evaluatedOn, ["val"]);
    assert((await Deno.readTextFile(`${folder}/val/report.html`)).includes("Base classes, validation images"));
    assert(said.some((line) => line.startsWith("base, validation images: evaluated")), said.join("\n"));

    // What reads results of tests does not see it.
    assertEquals(await readFolder(folder), []);
    await assertRejects(() => collectRuns(["runs"]), UserError, "There is no report below runs");
    const both = await runHere(coop, { ...ON_VAL, ...TRAINED, eval: ["base", "val"] });
    assertEquals(both.reports.map(({ run, on }) => [run.validation ?? false, on.data.test]), [[false, 6], [true, 0]]);
    assertEquals((await readFolder(folder)).map(({ run }) => run.evaluatedOn), ["base"]);
    assertEquals((await collectRuns(["runs"])).groups[0][0].runs.length, 1);
  });
});

Deno.test("planned runs on validation images are found by their bytes", async () => {
  await inFolder(async () => {
    const method = coop as unknown as Method;
    const request: ComparisonRequest = {
      methods: [{ method, asked: method, given: TRAINED, varied: { epochs: "1", contextTokens: "2" } }],
      subsets: ["val"],
      train: "base",
      shots: [4],
      seeds: [1, 2],
      on: { out: "runs", data: "images" },
    };
    const plan = () => planComparison(request, { progress: SILENT });
    const { runs, testImages } = await plan();
    assertEquals([runs.map(({ title }) => title), testImages.size], [[
      "CoOp, epochs 1, context-tokens 2, 4 shots, seed 1",
      "CoOp, epochs 1, context-tokens 2, 4 shots, seed 2",
    ], 0]);
    const { folders: [folder] } = await runHere(coop, { ...ON_VAL, ...TRAINED, eval: ["val"] });
    const found = await findRuns(await plan());
    assertEquals([found.missing.map(({ seed }) => seed), found.reports.length, found.conflicts], [[2], 1, []]);
    const [{ run: { classNames } }] = found.reports;
    assertEquals(folder, runs[0].path);
    const { validationImages } = runs[0];
    const csv = await Deno.readTextFile(`${folder}/predictions-val.csv`);
    const [path] = csv.split("\r\n")[1].split(",");
    assert(path.startsWith(classNames[0]), path);
    await Deno.writeTextFile(`images/${path}`, "x", { append: true });
    const changed = await plan();
    assert(changed.runs[0].validationImages !== validationImages);
    const { conflicts, missing } = await findRuns(changed);
    assertEquals(missing.length, 2);
    assert(conflicts[0].includes(" holds results with validation images (their bytes) "), conflicts[0]);
  });
});

Deno.test("a method that chose by itself on these images says so, and data without such images is refused first", async () => {
  await inFolder(async () => {
    const { reports: [report] } = await runHere(gda, { ...ON_VAL, eval: ["val"], views: 0 });
    const text = "GDA, seed 1, chose alpha on these validation images: accuracy on them flatters it.";
    assert(report.warnings?.some((warning) => warning.text === text), JSON.stringify(report.warnings));
    const { reports: [onTest] } = await runHere(gda, { ...ON_VAL, eval: ["base"], views: 0 });
    assert(!onTest.warnings?.some((warning) => warning.text === text));
    await assertRejects(() => runHere(zeroShot, { eval: ["val"] }), UserError, "Zero-shot draws no images");

    await Deno.mkdir("divided");
    for (const part of ["train", "test"]) await copyFolder("images", `divided/${part}`);
    await assertRejects(
      () => runHere(coop, { ...ON_VAL, ...TRAINED, data: "divided", eval: ["val"], out: "none" }),
      UserError,
      "This data set has no validation images beside its test images",
    );
    await assertRejects(() => Deno.stat("none"), Deno.errors.NotFound);
  });
});

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    await (isDirectory
      ? copyFolder(`${from}/${name}`, `${to}/${name}`)
      : Deno.copyFile(`${from}/${name}`, `${to}/${name}`));
  }
}
