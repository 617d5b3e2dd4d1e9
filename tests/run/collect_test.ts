import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { writeReport } from "../../src/eval/report_file.ts";
import { collectRuns } from "../../src/run/collect.ts";
import { type CaseOptions, makeReport } from "../eval/report_cases.ts";
import { ROOT } from "../tasks.ts";

type Change = CaseOptions & { dataset?: string; epochs?: number };

/** Writes reports of these runs, each into a folder of its own, and gives the folder above them. */
async function runs(changes: readonly Change[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const [i, { dataset = "a", epochs, ...options }] of changes.entries()) {
    const report = await makeReport(options);
    report.on.data.name = dataset;
    if (epochs !== undefined) {
      report.run.hyperparameters.epochs = epochs;
      report.run.changed = ["epochs"];
    }
    await writeReport(`${folder}/${dataset}/x/run${i}`, report);
  }
  return folder;
}

const both = (options: Change): Change[] => [{ ...options, evaluatedOn: "base" }, { ...options, evaluatedOn: "new" }];

Deno.test("runs of several data sets make one table, and what is missing is named cell by cell", async () => {
  const folder = await runs([
    ...both({ method: "zeroshot", accuracy: 0.6 }),
    ...[1, 2].flatMap((seed) => both({ method: "coop", seed })),
    ...both({ method: "zeroshot", accuracy: 0.6, dataset: "b" }),
    ...both({ method: "coop", seed: 1, dataset: "b" }),
    { method: "coop", seed: 2, dataset: "b" },
    { method: "tip-adapter", seed: 1, dataset: "b" },
  ]);
  try {
    const { groups, missing } = await collectRuns([folder]);
    assertEquals(groups.map((group) => group.map(({ on }) => on.dataset)), [["a", "b"]]);
    assertEquals(groups[0].map(({ methods }) => methods.map(({ method }) => method)), [
      ["zeroshot", "coop"],
      ["zeroshot", "coop", "tip-adapter"],
    ]);
    assertEquals(missing, [
      "CoOp on b: new, seed 2",
      "Tip-Adapter on a: base, seeds 1, 2",
      "Tip-Adapter on b: base, seed 2",
    ]);
    assertEquals(groups[0][1].without.map(({ method, subset }) => [method, subset]), [["tip-adapter", "new"]]);
    const asked = await collectRuns([folder], { methods: ["coop"], seeds: [1], subsets: ["new"] });
    assertEquals([asked.missing, asked.groups[0].map(({ runs }) => runs.length)], [[], [1, 1]]);
    // What was asked for by name is missed, too, but for what it cannot have.
    const named = await collectRuns([folder], { methods: ["zeroshot", "gda", "lp++", "tip-adapter"], seeds: [1, 3] });
    assertEquals(named.missing.filter((line) => line.endsWith("on a: base, seeds 1, 3")), [
      "LP++ on a: base, seeds 1, 3",
      "Tip-Adapter on a: base, seeds 1, 3",
    ]);
    // Their rows stand in the order in which they were asked for, in every data set's block.
    for (const { rows, methods } of named.groups[0]) {
      assertEquals(rows.map(({ label }) => label), ["Zero-shot", "GDA", "LP++", "Tip-Adapter"]);
      assert(!methods.some(({ method }) => method === "gda"));
    }
    assert(named.groups[0][0].without.some(({ method, subset }) => method === "lp++" && subset === "new"));
    assert(named.missing.includes("GDA on b: base and new, seeds 1, 3"), named.missing.join("\n"));
    assert(named.missing.includes("Tip-Adapter on b: base, seed 3"));
    assert(!named.missing.some((line) => line.startsWith("Zero-shot")));
    await assertRejects(
      () => collectRuns([folder], { seeds: [9], methods: ["coop"] }),
      UserError,
      "these flags ask for",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("other settings of a method stand beside it; other shots are another table; a copy counts once", async () => {
  const folder = await runs([
    { method: "zeroshot" },
    { method: "coop", seed: 1 },
    { method: "coop", seed: 1, epochs: 5 },
    { method: "coop", seed: 1, shots: 4 },
    { method: "coop", seed: 1 },
  ]);
  try {
    const { groups } = await collectRuns([folder, `${folder}/a/`]);
    assertEquals(groups.map(([{ shots, methods }]) => [shots, ...methods.map(({ label }) => label)]), [
      [16, "Zero-shot", "CoOp (seed-notebook)", "CoOp (seed-notebook, epochs 5)"],
      [4, "Zero-shot", "CoOp"],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("two results of the same run, no report and no folder are refused in a sentence", async () => {
  const folder = await runs([{ method: "coop" }, { method: "coop", accuracy: 0.5 }]);
  try {
    const { message } = await assertRejects(() => collectRuns([folder]), UserError);
    assertStringIncludes(message, `${folder}/a/x/run0 and ${folder}/a/x/run1 hold different results`);
    await Deno.mkdir(`${folder}/empty`);
    await assertRejects(() => collectRuns([`${folder}/empty`]), UserError, "There is no report below");
    await assertRejects(() => collectRuns([`${folder}/gone`]), UserError, "There is no folder");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runs of 0.1.0 are collected as they are", async () => {
  const { groups, missing } = await collectRuns([`${ROOT}tests/fixtures/runs_0_1_0`]);
  assertEquals(groups.length, 1);
  const [[{ methods, runs }]] = groups;
  assert(methods.some(({ label }) => label === "CoOp") && methods.some(({ label }) => label === "Zero-shot"));
  assert(runs.length >= 3 && runs.every(({ ece }) => ece === null));
  assertEquals(missing.filter((sentence) => sentence.startsWith("CoOp")), []);
});

Deno.test("linked folders are collected, once around a circle; a folder of another seed's name is refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const report = await makeReport({ method: "coop", seed: 1 });
    await writeReport(`${folder}/elsewhere/x/shots16/seed1`, report);
    await Deno.mkdir(`${folder}/runs`);
    await Deno.symlink("../elsewhere", `${folder}/runs/set`);
    await Deno.symlink("..", `${folder}/elsewhere/x/up`);
    await Deno.symlink("nowhere", `${folder}/runs/gone`);
    const { groups } = await collectRuns([`${folder}/runs`]);
    assertEquals(groups.map(([{ runs }]) => runs.length), [1]);
    for (const name of ["shots16/seed2", "shots4/seed1", "shots4-all/seed1"]) {
      const other = `${folder}/copy/${name}`;
      await writeReport(other, report);
      const { message } = await assertRejects(() => collectRuns([`${folder}/copy`]), UserError);
      assertEquals(
        message,
        `${other} holds a report of seed 1 and --shots 16: give the folder the name of its run, or remove it.`,
      );
      await Deno.remove(`${folder}/copy`, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
