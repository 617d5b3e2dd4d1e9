import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { parseDescription } from "../../src/data/description.ts";
import { UserError } from "../../src/errors.ts";
import { coop, gda, KIT_METHODS, lpPlusPlus, tipAdapter, zeroShot } from "../../src/methods/kit.ts";
import { type Method, withVariants } from "../../src/methods/method.ts";
import {
  type ComparedMethod,
  type ComparisonRequest,
  findRuns,
  planComparison,
} from "../../src/run/comparison_runs.ts";
import type { Given } from "../../src/run/config.ts";
import { SILENT } from "../../src/run/progress.ts";
import { inFolder, runHere } from "./run_here.ts";

function compared(method: unknown, given: Given = {}, asked: unknown = method): ComparedMethod {
  return { method: method as Method, asked: asked as Method, given };
}

const REQUEST: Omit<ComparisonRequest, "methods"> = {
  subsets: ["base", "new"],
  train: "base",
  shots: [2],
  seeds: [1],
  on: { out: "runs", data: "images" },
};

function planned(methods: ComparedMethod[], more: Partial<ComparisonRequest> = {}) {
  return planComparison({ ...REQUEST, methods, ...more }, { progress: SILENT });
}

const TRAINED: Given = { views: 0, epochs: 1, contextTokens: 2 };

Deno.test("a run for each method, shots and seed; zero-shot CLIP once; each asked for what it can have", async () => {
  await inFolder(async () => {
    const cocoopOver = withVariants(KIT_METHODS.find(({ name }) => name === "kgcoop")!)[1];
    const methods = [
      compared(zeroShot),
      compared(coop, { epochs: 7 }),
      compared(tipAdapter),
      compared(cocoopOver, { over: "cocoop" }, withVariants(KIT_METHODS[3])[0]),
    ];
    const { dataset, runs, without, testImages } = await planned(methods, { shots: [1, 2], seeds: [3, 1] });
    assertEquals([dataset, [...testImages.keys()]], ["images", ["base", "new"]]);
    assertEquals(runs.map(({ title }) => title).slice(0, 6), [
      "Zero-shot",
      "CoOp, 1 shot, seed 3",
      "CoOp, 1 shot, seed 1",
      "CoOp, 2 shots, seed 3",
      "CoOp, 2 shots, seed 1",
      "Tip-Adapter, 1 shot, seed 3",
    ]);
    assertEquals(runs.length, 13);
    assertEquals(runs.map(({ path }) => path).filter((_, i) => [0, 1, 8, 12].includes(i)), [
      "runs/images/zeroshot/single/sample-on-images",
      "runs/images/coop/seed-notebook+epochs=7/sample-on-images/shots1/seed3",
      "runs/images/tip-adapter/published/sample-on-images/shots2/seed1",
      "runs/images/kgcoop-cocoop/seed-notebook/sample-on-images/shots2/seed1",
    ]);
    assertEquals(runs.filter(({ subsets }) => subsets.length === 1).map(({ title }) => title.split(",")[0]), [
      "Tip-Adapter",
      "Tip-Adapter",
      "Tip-Adapter",
      "Tip-Adapter",
    ]);
    assertEquals(without.map(({ method, subset }) => [method, subset]), [["tip-adapter", "new"]]);
    assertEquals([runs[0].shots, runs[0].seed, runs[1].shots, runs[1].seed], [null, null, 1, 3]);
  });
});

Deno.test("a method that can have nothing of what is asked is left out, and all of them are an error", async () => {
  const on = { out: "runs" };
  const plan = await planned([compared(tipAdapter), compared(coop)], { subsets: ["new"], shots: [16], on });
  assertEquals(plan.runs.map(({ compared }) => compared.method.name), ["coop"]);
  await assertRejects(
    () => planned([compared(tipAdapter), compared(lpPlusPlus)], { subsets: ["new"], on }),
    UserError,
    "Tip-Adapter has no result on the new classes",
  );
  const all = await planned([compared(gda), compared(coop)], { subsets: ["base", "all"], shots: [16], on });
  assertEquals(all.without.map(({ method, subset, why }) => [method, subset, why]), [
    ["gda", "all", "it tells apart the classes that it learned from, or the other half"],
  ]);
  await assertRejects(() => planned([compared(coop)], { on: { out: "runs", data: "nowhere" } }), UserError, "nowhere");
});

Deno.test("what is planned is found where runs write it, whole or in part", async () => {
  await inFolder(async () => {
    const methods = [compared(zeroShot), compared(coop, TRAINED), compared(gda, { views: 0 })];
    const plan = await planned(methods);
    assertEquals((await findRuns(plan)).missing, plan.runs);
    const given: Given = { data: "images", eval: ["base", "new"], shots: 2 };
    await runHere(zeroShot, given);
    const { folders: [folder] } = await runHere(coop, { ...given, ...TRAINED, train: "base" });
    await runHere(gda, { ...given, views: 0, eval: ["base"] });
    const found = await findRuns(plan);
    assertEquals(found.reports.map(({ run }) => `${run.method} ${run.evaluatedOn}`), [
      "zeroshot base",
      "zeroshot new",
      "coop base",
      "coop new",
      "gda base",
    ]);
    assertEquals([found.missing.map(({ title }) => title), found.conflicts], [["GDA, 2 shots, seed 1"], []]);
    assertEquals(plan.runs[1].path, folder);
    // Results of another engine are not what was asked for.
    assertEquals((await findRuns(plan, { engine: "onnx" })).missing.length, 1);
    assertEquals((await findRuns(plan, { engine: "auto" })).missing.length, 1);
    assertEquals((await findRuns(plan, { engine: "cpu" })).missing.length, 3);
    // The reports are there, the end is not: it is run again, and the numbers count all the same.
    for (const done of ["", "{", '{"evaluatedOn":["base"]}']) {
      if (done === "") await Deno.remove(`${folder}/done`);
      else await Deno.writeTextFile(`${folder}/done`, done);
      const { missing, reports } = await findRuns(plan);
      assertEquals([missing.map(({ title }) => title), reports.length], [
        ["CoOp, 2 shots, seed 1", "GDA, 2 shots, seed 1"],
        5,
      ]);
    }
  });
});

Deno.test("results of other images, weights or method files under the same names are no results, and are told", async () => {
  await inFolder(async () => {
    const methods = [compared(zeroShot), compared(coop, TRAINED)];
    const given: Given = { data: "images", eval: ["base", "new"], shots: 2 };
    await runHere(zeroShot, given);
    const trained = { ...given, ...TRAINED, train: "base" } as Given;
    const { folders: [folder] } = await runHere(coop, trained);
    const { runs: [, { identity }] } = await planned(methods);
    assert(identity["images-sha256"].length === 64);

    const file = { path: "/mine.ts", sha256: "1".repeat(64) };
    await runHere(coop, { ...trained, fresh: true }, { methodSha256: "2".repeat(64) });
    const changed = await findRuns(await planned([{ ...compared(coop, TRAINED), file }]));
    assertEquals([changed.reports, changed.missing.length], [[], 1]);
    assert(changed.conflicts[0].startsWith(`CoOp, 2 shots, seed 1: ${folder} holds results with method file 22`));

    await runHere(coop, { ...trained, fresh: true });
    // Every image another one, under its old name.
    for await (const { name } of Deno.readDir("images")) {
      for await (const { name: image } of Deno.readDir(`images/${name}`)) {
        await Deno.writeFile(`images/${name}/${image}`, new Uint8Array([0]), { append: true });
      }
    }
    const other = await findRuns(await planned(methods));
    assertEquals([other.reports, other.missing.length, other.conflicts.length], [[], 2, 4]);
    assert(other.conflicts[0].includes("holds results with test images (their bytes) "), other.conflicts[0]);
    assert(other.conflicts[3].includes("holds results with training images (their bytes) "), other.conflicts[3]);
  });
});

Deno.test("a data set that a user describes is found under the name that it has there", async () => {
  await inFolder(async () => {
    const description = parseDescription({ name: "My birds: 日本" }, "birds.yaml");
    const plan = await planned([compared(zeroShot)], { description });
    const { folders } = await runHere(zeroShot, { data: "images" }, { description });
    assertEquals([plan.dataset, plan.runs[0].path], ["My birds: 日本", folders[0]]);
    assertEquals(folders, ["runs/my-birds-日本/zeroshot/single/sample-on-images"]);
    assertEquals((await findRuns(plan)).missing, []);
  });
});
