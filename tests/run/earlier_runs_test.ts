/**
 * Runs of version 0.1.0 are still read. The fixture is what that version wrote, without pages and charts:
 * `coop --train base --eval base,new --epochs 2 --wise 0.5 --context-tokens 2`, `gda` and `zeroshot`, all with `--engine cpu`.
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { settingsFromYaml } from "../../recipes/cli/config_file.ts";
import { recipeSettings } from "../../recipes/cli/recipe.ts";
import { UserError } from "../../src/errors.ts";
import type { Comparison } from "../../src/eval/comparison.ts";
import type { Report } from "../../src/eval/report.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { coop, gda, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { findRuns, planComparison } from "../../src/run/comparison_runs.ts";
import type { Given } from "../../src/run/config.ts";
import { SILENT } from "../../src/run/progress.ts";
import { runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { inFolder, runHere } from "./run_here.ts";

const EARLIER = `${ROOT}tests/fixtures/runs_0_1_0`;
const COOP = "eurosat/coop/seed-notebook+context-tokens=2+wise=0.5+epochs=2/sample/shots16/seed1";
const GDA = "eurosat/gda/published/sample/shots16/seed1";
const ZERO_SHOT = "eurosat/zeroshot/single/sample";
const CHANGES = { epochs: 2, wise: 0.5, contextTokens: 2 };

/** A folder of its own with the earlier runs in `runs`. */
async function withEarlierRuns(body: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    for (const run of [COOP, GDA, ZERO_SHOT]) {
      await Deno.mkdir(`runs/${run}`, { recursive: true });
      for await (const { name } of Deno.readDir(`${EARLIER}/${run}`)) {
        await Deno.copyFile(`${EARLIER}/${run}/${name}`, `runs/${run}/${name}`);
      }
    }
    await body(folder);
  });
}

/** What must be equal: all but times, versions, the order of changes, and what 0.1.0 did not say. */
function numbersOf({ run, on, results }: Report): unknown {
  const { label: _, imagesSha256: __, command: ___, ...rest } = run;
  const { testImagesSha256: ____, ...data } = on.data;
  const { activation: ______, ...model } = on.model;
  const { logitScale: _____, ...hyperparameters } = run.hyperparameters;
  const told = { ...rest, hyperparameters, changed: rest.changed.toSorted() };
  const { calibration: _______, crossEntropy: ________, ...came } = results;
  return { run: told, model, data, engine: on.engine.name, results: came };
}

Deno.test("a prompt of 0.1.0 is evaluated to the same numbers, found by its settings or as the only one", async () => {
  await withEarlierRuns(async () => {
    const expected = await readReport(`${EARLIER}/${COOP}/report-new.json`);
    for (const changes of [CHANGES, {}]) {
      await Deno.remove(`runs/${COOP}/report-new.json`);
      const ran = await runHere(coop, { ...changes, eval: ["new"], engine: "cpu" });
      assertEquals(ran.folders, [`runs/${COOP}`]);
      assertEquals(ran.said.includes(`The prompt of seed 1 is trained: runs/${COOP}.`), true);
      const found = await readReport(`runs/${COOP}/report-new.json`);
      assertEquals(numbersOf(found), numbersOf(expected));
      assert(found.on.data.testImagesSha256 !== undefined);
    }
    const card = await Deno.readTextFile(`runs/${COOP}/MODEL_CARD.md`);
    assert(card.includes("82.7") && card.includes("81.1"), card);
  });
});

Deno.test("trained again, it is taken as it is; of another seed it is refused, as 0.1.0 wrote which it is", async () => {
  await withEarlierRuns(async () => {
    const checkpoint = await Deno.readFile(`runs/${COOP}/checkpoint-0002.safetensors`);
    const again = { ...CHANGES, train: "base", eval: ["new"], engine: "cpu" } as Given;
    const { reports } = await runHere(coop, again);
    assertEquals(numbersOf(reports[0]), numbersOf(await readReport(`${EARLIER}/${COOP}/report-new.json`)));
    assertEquals(await Deno.readFile(`runs/${COOP}/checkpoint-0002.safetensors`), checkpoint);
    assertEquals([...Deno.readDirSync("runs/eurosat/coop")].length, 1);
  });
  await withEarlierRuns(async () => {
    await Deno.rename(`runs/${COOP}`, `runs/${COOP.replace(/1$/, "2")}`);
    const other: Given = { ...CHANGES, train: "base", seeds: [2], engine: "cpu" };
    await assertRejects(() => runHere(coop, other), UserError, "holds results with seed 1 and not 2: take");
  });
});

Deno.test("methods on features and zero-shot CLIP write beside reports of 0.1.0, to the same numbers", async () => {
  await withEarlierRuns(async () => {
    for (const [method, path] of [[gda, GDA], [zeroShot, ZERO_SHOT]] as const) {
      const given: Given = { eval: ["base", "new"], engine: "cpu" };
      const { reports, folders } = await runHere(method as unknown as Method, given);
      assertEquals(folders, [`runs/${path}`]);
      assertEquals(numbersOf(reports[1]), numbersOf(await readReport(`${EARLIER}/${path}/report-new.json`)));
    }
  });
});

Deno.test("configurations of 0.1.0 are read", async () => {
  const read = async (method: unknown, path: string) =>
    settingsFromYaml(await Deno.readTextFile(`${EARLIER}/${path}/config.yaml`), {
      where: "config.yaml",
      settings: recipeSettings(method as Method),
    });
  const { eval: subsets, seeds, views, epochs, initWords, warmupLr } = await read(coop, COOP);
  assertEquals([subsets, seeds, views, epochs, initWords, warmupLr], [["base", "new"], [1], "epochs", 2, "", 0.00001]);
  assertEquals((await read(gda, GDA)).tuneOn, "few-shot");
});

Deno.test("classify takes a prompt of 0.1.0", async () => {
  await withEarlierRuns(async (folder) => {
    const args = ["--prompt", `runs/${COOP}`, "images/Lake", "--engine", "onnx", "--threads", "1", "--json", "--quiet"];
    const { code, stdout, stderr } = await runRecipe(folder, { recipe: "classify", args });
    assertEquals(code, 0, stderr);
    const { classNames, answers, by } = JSON.parse(stdout);
    assertEquals([classNames.length, answers.length, by.method], [5, 10, "coop"]);
  });
});

Deno.test("a comparison finds all runs of 0.1.0, whole, and collects them", async () => {
  await withEarlierRuns(async (folder) => {
    const plan = await planComparison({
      methods: [zeroShot, coop, gda].map((one) => {
        const method = one as unknown as Method;
        return { method, asked: method, given: method.name === "coop" ? CHANGES : {} };
      }),
      subsets: ["new"],
      train: "base",
      shots: [16],
      seeds: [1],
      on: { out: "runs" },
    }, { progress: SILENT });
    const found = await findRuns(plan);
    assertEquals([found.missing, found.conflicts], [[], []]);
    assertEquals(found.reports.map(({ run }) => run.method), ["zeroshot", "coop", "gda"]);
    assertEquals((await findRuns(plan, { engine: "onnx" })).missing.length, 3);

    const args =
      "--methods zeroshot,coop,gda --epochs 2 --wise 0.5 --context-tokens 2 --seeds 1 --eval new --collect --json";
    const { code, stdout, stderr } = await runRecipe(folder, { recipe: "compare", args: args.split(" ") });
    assertEquals(code, 0, stderr);
    const { methods, warnings } = JSON.parse(stdout) as Comparison;
    assertEquals(methods.map(({ method }) => method), ["zeroshot", "coop", "gda"]);
    assertEquals(warnings.filter(({ kind }) => kind === "missing"), []);
  });
});
