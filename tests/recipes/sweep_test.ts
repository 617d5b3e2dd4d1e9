/** Sweeps: what is missing runs, what is chosen is chosen on validation images, and nothing else is evaluated on test images. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { sweep } from "../../recipes/sweep.ts";
import { UserError } from "../../src/errors.ts";
import { readValidation } from "../../src/eval/page/write_page.ts";
import type { Sweep } from "../../src/eval/sweep.ts";
import { inFolder } from "../run/run_here.ts";
import { withRunsHere } from "./runs_here.ts";

const ON = "--method coop --data images --shots 4 --epochs 1 --views 0 --engine onnx --threads 1 --seeds 1,2".split(
  " ",
);
const FOLDER = "runs/images/sweep/sample/coop-lr-shots4-seeds1-2";

/** What a sweep prints. */
async function printed(...args: string[]): Promise<string> {
  const { log } = console;
  const lines: string[] = [];
  try {
    console.log = (line) => void lines.push(line);
    await sweep([...ON, ...args, "--quiet"]);
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

const runOf = (lr: string, seed: number) =>
  `runs/images/coop/seed-notebook+epochs=1${
    lr === "0.0025" ? "" : `+lr=${lr}`
  }+views=0/sample-on-images/shots4/seed${seed}`;

async function reportsIn(folder: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  return names.filter((name) => /^report-.*\.json$/.test(name)).sort();
}

Deno.test("a sweep plans, runs, goes on, chooses and reports", async (t) => {
  await inFolder(async () => {
    using here = withRunsHere();
    const read = async () => JSON.parse(await Deno.readTextFile(`${FOLDER}/sweep.json`)) as Sweep;

    await t.step("a plan has its count, its runs and their commands, and runs nothing", async () => {
      const plan = await printed("--vary", "lr=0.0025,0.5", "--dry-run");
      const [count, first, command] = plan.split("\n");
      assertEquals(
        count,
        "2 settings × 2 seeds = 4 runs, 4 missing, 1 at a time; evaluated on validation images; then what is chosen on base, new.",
      );
      assertEquals(first, "missing  CoOp, lr 0.0025, 4 shots, seed 1");
      assertStringIncludes(command, "--seeds 1 --eval val ");
      await assertRejects(
        () => printed("--vary", "lr=0.0025,0.5", "--collect"),
        UserError,
        "There is no run of this sweep",
      );
      assertEquals(here.started.length, 0);
    });

    await t.step("every setting has validation images, and what is chosen has test images, of all seeds", async () => {
      const text = await printed("--vary", "lr=0.0025,0.5");
      const { settings, chosen, seeds, validationImages } = await read();
      assertEquals([settings.map(({ values }) => values), seeds], [[{ lr: "0.0025" }, { lr: "0.5" }], [1, 2]]);
      assertEquals(validationImages, [{ seed: 1, images: 4 }, { seed: 2, images: 4 }]);
      for (const { values: { lr }, validation } of settings) {
        for (const seed of seeds) {
          const [report] = await readValidation(runOf(lr, seed));
          const { value } = validation!.perSeed.find((one) => one.seed === seed)!;
          assertEquals([report.run.validation, report.results.metrics.accuracy], [true, value]);
        }
      }
      const means = settings.map(({ validation }) => validation!.mean);
      assertEquals(chosen!.setting, means.indexOf(Math.max(...means)));
      const best = settings[chosen!.setting].values.lr;
      for (const { values: { lr } } of settings) {
        const tests = lr === best ? ["report-base.json", "report-new.json"] : [];
        for (const seed of seeds) assertEquals(await reportsIn(runOf(lr, seed)), [...tests, "report-val.json"], lr);
      }
      assertEquals(chosen!.test!.runs.map(({ seed, evaluatedOn }) => `${evaluatedOn} ${seed}`), [
        ...["base 1", "new 1", "base 2", "new 2"],
      ]);
      assertEquals(here.started.length, 6);
      assertStringIncludes(text.replaceAll("\n", " "), "On test images only what is chosen was evaluated");
      assertStringIncludes(text, `--shots 4 --lr ${best}`);
      assertEquals(
        (await Deno.readTextFile(`${FOLDER}/sweep.csv`)).split("\r\n")[0].includes(",lr,chosen,images,"),
        true,
      );
      const page = await Deno.readTextFile(`${FOLDER}/report.html`);
      assertStringIncludes(page, "Validation accuracy over lr");
      assertStringIncludes(await Deno.readTextFile(`${FOLDER}/plots/lr.svg`), "accuracy on validation images, %");
    });

    await t.step("what an interruption left out is run, more values are added, and nothing is run again", async () => {
      here.started.length = 0;
      await Deno.remove(`${runOf("0.5", 2)}/done`);
      const before = await Deno.readTextFile(`${runOf("0.0025", 1)}/done`);
      await printed("--vary", "lr=0.5,0.0025,0.001");
      const trained = here.started.map((words) => words.join(" ")).filter((words) => words.includes("--eval val"));
      assertEquals(trained.map((words) => /--seeds (\d).*--lr (\S+)/.exec(words)!.slice(1).join(" ")), [
        ...["2 0.5", "1 0.001", "2 0.001"],
      ]);
      assertEquals(await Deno.readTextFile(`${runOf("0.0025", 1)}/done`), before);
      assertEquals((await read()).settings.length, 3);
      here.started.length = 0;
      const text = await printed("--vary", "lr=0.5,0.0025,0.001", "--collect");
      assertEquals([here.started.length, text.includes("± is the population")], [0, true]);
      assertEquals(await printed("--vary", "lr=0.5,0.0025,0.001", "--emit", "commands"), "");
    });

    await t.step("--fresh starts the settings over, and not what was chosen of them", async () => {
      here.started.length = 0;
      await printed("--vary", "lr=0.5", "--seeds", "1", "--fresh");
      assertEquals(here.started.map((words) => [words.includes("val"), words.includes("--fresh")]), [
        [true, true],
        [false, false],
      ]);
      await assertRejects(
        () => printed("--vary", "lr=0.5", "--fresh", "--emit", "slurm"),
        UserError,
        "--fresh cannot be emitted",
      );
    });

    await t.step("other validation images under the same names are not chosen by", async () => {
      const { settings: [{ values: { lr } }] } = await read();
      const csv = await Deno.readTextFile(`${runOf(lr, 1)}/predictions-val.csv`);
      await Deno.writeTextFile(`images/${csv.split("\r\n")[1].split(",")[0]}`, "x", { append: true });
      here.started.length = 0;
      const plan = await printed("--vary", "lr=0.5,0.0025,0.001", "--dry-run");
      const seeds = plan.split("\n").filter((line) => line.startsWith("missing")).map((line) => line.at(-1));
      assert(seeds.length >= 3 && seeds.includes("1"), plan);
    });
  });
});

Deno.test("data without validation images is refused before anything starts", async () => {
  await inFolder(async () => {
    using here = withRunsHere();
    for (const part of ["train", "test"]) {
      for (const name of ["Lake", "River"]) {
        await Deno.mkdir(`parted/${part}/${name}`, { recursive: true });
        await Deno.copyFile(`images/${name}/grey.jpg`, `parted/${part}/${name}/grey.jpg`);
      }
    }
    await assertRejects(
      () => printed("--vary", "lr=1,2", "--data", "parted", "--shots", "1"),
      UserError,
      "This data set has no validation images beside its test images, and nothing is chosen on those",
    );
    assertEquals(here.started, []);
  });
});
