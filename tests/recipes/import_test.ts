/** Prompts of the published code, taken over into run folders by `deno task import`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { join } from "node:path";
import { readClassNames } from "../../recipes/cli/class_list.ts";
import { settingsFromYaml } from "../../recipes/cli/config_file.ts";
import { recipeSettings } from "../../recipes/cli/recipe.ts";
import { UserError } from "../../src/errors.ts";
import type { Report } from "../../src/eval/report.ts";
import { cocoop } from "../../src/methods/cocoop.ts";
import type { Method } from "../../src/methods/method.ts";
import { readPublishedPrompt } from "../../src/published/checkpoint.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

const FIXTURES = `${ROOT}tests/fixtures/published/`;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("class names come from a list or from a file with one a line, at least two and each once", async () => {
  assertEquals(await readClassNames("river, forest ,sea"), ["river", "forest", "sea"]);
  await assertRejects(() => readClassNames("river"), UserError, "has one name");
  await assertRejects(() => readClassNames("a,b,a"), UserError, 'names "a" twice');
  await assertRejects(() => readClassNames("none.txt"), UserError, "no file none.txt");
  await inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "names.txt"), "river, wide\r\n\nsea\n");
    assertEquals(await readClassNames(join(folder, "names.txt")), ["river, wide", "sea"]);
  });
});

async function runImport(args: string[], cwd: string): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      `--allow-read=${ROOT},${cwd}`,
      `--allow-write=${cwd}`,
      `${ROOT}recipes/import.ts`,
      ...args,
    ],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task import makes a run folder of a published folder, and does not write over one", () =>
  inFolder(async (folder) => {
    const published = join(folder, "output/base2new/train_base/eurosat/shots_16/CoCoOp/c4_ep10/seed2");
    await Deno.mkdir(join(published, "prompt_learner"), { recursive: true });
    await Deno.copyFile(`${FIXTURES}cocoop.pth.tar-10`, join(published, "prompt_learner/model.pth.tar-10"));
    await Deno.writeTextFile(join(published, "prompt_learner/checkpoint"), "model.pth.tar-10\n");
    const { code, out, err } = await runImport([published, "--model", "sample"], folder);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "trained on 3 classes: annual crop land, herbaceous vegetation land, river");
    assertStringIncludes(out, "deno task cocoop --eval base,new --preset cocoop-cvpr22 --seed 2");
    const run = join(folder, "runs/eurosat/cocoop/cocoop-cvpr22/sample/shots16/seed2");
    const config = { where: "config.yaml", settings: recipeSettings(cocoop as unknown as Method) };
    assertEquals(settingsFromYaml(await Deno.readTextFile(join(run, "config.yaml")), config).preset, "cocoop-cvpr22");
    const path = join(run, "checkpoint-0010.safetensors");
    const { state, metadata } = decodeCheckpoint(await Deno.readFile(path), path);
    assertEquals(state.params, readPublishedPrompt(`${FIXTURES}cocoop.pth.tar-10`).params);
    assertEquals([metadata.method, metadata.dataset, metadata.seed, metadata["trained-on"]], [
      "cocoop",
      "EuroSAT",
      "2",
      "base",
    ]);
    assertEquals(JSON.parse(metadata["classes-seen"]).length, 3);
    assert(/^[0-9a-f]{64}$/.test(metadata["model-sha256"]) && /^[0-9a-f]{64}$/.test(metadata["imported-sha256"]));

    const command = "--eval new --preset cocoop-cvpr22 --seed 2 --engine onnx --quiet --json".split(" ");
    const evaluated = await runRecipe(folder, { recipe: "cocoop", args: command });
    assertEquals(evaluated.code, 0, evaluated.stderr);
    const report = JSON.parse(evaluated.stdout) as Report;
    assertEquals([report.run.trainedOn, report.run.evaluatedOn, report.run.learnedNumbers], ["base", "new", 2696]);
    assertEquals([report.results.training, report.run.hyperparameters.epochs], [null, 10]);

    const again = await runImport([published, "--model", "sample"], folder);
    assertEquals(again.code, 2);
    assertStringIncludes(again.err, "holds a prompt already: replace it with --fresh");
    assertEquals((await runImport([published, "--model", "sample", "--fresh"], folder)).code, 0);
  }));

Deno.test("a head of DePT comes along, and KgCoOp's is told from CoOp's", () =>
  inFolder(async (folder) => {
    const published = join(folder, "outputs/train_base/eurosat/shots_16/ExtrasLinearProbeKgCoOp/ep10/seed1");
    await Deno.mkdir(join(published, "PromptLearner"), { recursive: true });
    await Deno.copyFile(`${FIXTURES}dept_kgcoop.pth.tar-10`, join(published, "PromptLearner/model.pth.tar-10"));
    await Deno.writeTextFile(join(published, "PromptLearner/checkpoint"), "model.pth.tar-10\n");
    const { code, out, err } = await runImport([published, "--model", "sample"], folder);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "kgcoop-dept, ");
    assertStringIncludes(out, "deno task kgcoop --eval base,new --head dept --preset dept-cvpr24 --seed 1");
    const run = join(folder, "runs/eurosat/kgcoop-dept/dept-cvpr24/sample/shots16/seed1/checkpoint-0010.safetensors");
    const { state, metadata } = decodeCheckpoint(await Deno.readFile(run), run);
    assertEquals(state.params, readPublishedPrompt(`${FIXTURES}dept_kgcoop.pth.tar-10`).params);
    assertEquals([metadata.method, metadata.lambda, metadata.epochs], ["kgcoop-dept", "2", "10"]);
    const args = "--head dept --eval new --preset dept-cvpr24 --seed 1 --engine onnx --quiet --json".split(" ");
    const { stdout, stderr } = await runRecipe(folder, { recipe: "kgcoop", args });
    assertEquals([stderr, (JSON.parse(stdout) as Report).run.label], ["", "KgCoOp with DePT"]);
  }));

Deno.test("what import misses is asked for in a sentence", () =>
  inFolder(async (folder) => {
    const file = `${FIXTURES}coop.pth.tar-50`;
    for (
      const [args, message] of [
        [[], "Name a checkpoint"],
        [[file], "Name the model that the prompt was trained with"],
        [[file, "--model", "sample"], "name it with --dataset"],
        [[file, "--model", "sample", "--dataset", "eurosat", "--classes", "a,b,c"], 'class 1 is not "a"'],
        [
          [file, "--model", "sample", "--dataset", "eurosat", "--preset", "cocoop-cvpr22"],
          'no preset "cocoop-cvpr22" of CoOp',
        ],
        [[folder, "--model", "sample"], 'no file "checkpoint"'],
        [[file, "--modell", "sample"], 'Did you mean "--model"?'],
      ] as const
    ) {
      const { code, err } = await runImport([...args], folder);
      assertEquals(code, 2, err);
      assertStringIncludes(err, message);
    }
  }));
