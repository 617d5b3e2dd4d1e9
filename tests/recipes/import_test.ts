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
import { inTempFolder } from "../temp_folder.ts";

const FIXTURES = `${ROOT}tests/fixtures/published/`;

Deno.test("class names come from a list or from a file with one a line, at least two and each once", async () => {
  assertEquals(await readClassNames("river, forest ,sea"), ["river", "forest", "sea"]);
  await assertRejects(() => readClassNames("river"), UserError, "has one name");
  await assertRejects(() => readClassNames("a,b,a"), UserError, 'names "a" twice');
  await assertRejects(
    () => readClassNames("none.txt"),
    UserError,
    "the list of class names none.txt: it does not exist",
  );
  await inTempFolder(async (folder) => {
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
  inTempFolder(async (folder) => {
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

/** A published file in folders of its trainer's. */
async function published(folder: string, { file, path }: { file: string; path: string }): Promise<string> {
  await Deno.mkdir(`${folder}/${path}/prompt_learner`, { recursive: true });
  await Deno.copyFile(`${FIXTURES}${file}`, `${folder}/${path}/prompt_learner/model.pth.tar-50`);
  return path;
}

/** What the only prompt below a folder says of itself. */
async function metadataIn(run: string): Promise<Record<string, string>> {
  const [path] = [...Deno.readDirSync(run)].filter(({ name }) => name.endsWith(".safetensors"));
  return decodeCheckpoint(await Deno.readFile(join(run, path.name)), path.name).metadata;
}

Deno.test("KgCoOp's, ProGrad's and CoOp's files are alike: their folders say whose a prompt is, and with how many shots", () =>
  inTempFolder(async (folder) => {
    const file = "coop.pth.tar-50";
    for (
      const [path, place, told] of [
        [
          "output/base2new/train_base/eurosat/shots_4_8.0/KgCoOp/vit_b16_ep100_ctxv1/seed2",
          "kgcoop/kgcoop-cvpr23+epochs=50+context-tokens=16+init-words=none/sample/shots4/seed2",
          // The configuration file is the preset's, so that its rates are known.
          { method: "kgcoop", lambda: "8", lr: "0.002", preset: "kgcoop-cvpr23", "trained-on": "base" },
        ],
        [
          "output/base2new/train_base/eurosat/shots_8_4.0/KgCoOp/mine/seed2",
          "kgcoop/seed-notebook+epochs=50+lambda=4/sample/shots8/seed2",
          { method: "kgcoop", lambda: "4", lr: undefined, preset: undefined, "trained-on": "base" },
        ],
        [
          "output/base2new/train_base/eurosat/shots_1/ProGrad/mine/seed3",
          "prograd/seed-notebook+epochs=50/sample/shots1/seed3",
          { method: "prograd", lambda: undefined, lr: undefined, preset: undefined, "trained-on": "base" },
        ],
        [
          "output/eurosat/CoOp/mine_2shots/nctx16_cscFalse_ctpmiddle/seed1",
          "coop/seed-notebook+epochs=50+class-token-position=middle/sample/shots2-all/seed1",
          { method: "coop", "class-token-position": "middle", lr: undefined, "trained-on": "all" },
        ],
      ] as const
    ) {
      const given = [await published(folder, { file, path }), "--model", "sample"];
      const { code, out, err } = await runImport(given, folder);
      assertEquals([code, err], [0, ""]);
      if ("lambda" in told && told.lambda !== undefined) assertStringIncludes(out, `, lambda ${told.lambda}\n`);
      else assertEquals(/lambda \d/.test(out), false);
      const { shots, seed, ...said } = await metadataIn(`${folder}/runs/eurosat/${place}`);
      assertEquals([`shots${shots}`, `seed${seed}`], [/shots\d+/.exec(place)![0], /seed\d/.exec(place)![0]]);
      for (const [name, value] of Object.entries(told)) assertEquals(said[name], value, `${place}: ${name}`);
      assertEquals([said.epochs, said["context-tokens"], said.views], ["50", "16", said.lr && "epochs"]);
    }
  }));

Deno.test("a run of all classes is evaluated by the command that import prints, and keeps what is known of it", () =>
  inTempFolder(async (folder) => {
    const path = "output/eurosat/KgCoOp/mine_4shots/seed1";
    const { out } = await runImport(
      [await published(folder, { file: "coop.pth.tar-50", path }), "--model", "sample"],
      folder,
    );
    assertStringIncludes(out, "nothing tells where the class name stands, so it is taken to be last");
    const run = `${folder}/${/→ (.*)/.exec(out)![1]}`;
    const config = await Deno.readTextFile(`${run}/config.yaml`);
    const [, recipe, flags] = /evaluate: deno task (\S+) (.*)/.exec(out)!;
    assertEquals(flags, "--train all --eval all --preset seed-notebook --epochs 50 --shots 4 --seed 1");
    const args = [...flags.split(" "), "--engine", "onnx", "--quiet", "--json"];
    const evaluated = await runRecipe(folder, { recipe, args });
    assertEquals(evaluated.code, 0, evaluated.stderr);
    const { run: ran } = JSON.parse(evaluated.stdout) as Report;
    assertEquals([ran.method, ran.shots, ran.trainedOn, ran.preset], ["kgcoop", 4, "all", null]);
    assertEquals(ran.hyperparameters, { epochs: 50, contextTokens: 16, classSpecific: false });
    // Nothing that is written later says more.
    assertEquals(await Deno.readTextFile(`${run}/config.yaml`), config);
    assertEquals([...Deno.readDirSync(run)].some(({ name }) => name === "identity.json"), false);
  }));

Deno.test("what import misses is asked for in a sentence", () =>
  inTempFolder(async (folder) => {
    const file = `${FIXTURES}coop.pth.tar-50`;
    const known = ["--model", "sample", "--method", "coop"];
    const all = [...known, "--dataset", "eurosat", "--shots", "16", "--seed", "1", "--train", "base"];
    await Deno.mkdir(join(folder, "two"));
    for (const epoch of [5, 10]) await Deno.copyFile(file, join(folder, `two/model.pth.tar-${epoch}`));
    const tcp = await published(folder, { file: "coop.pth.tar-50", path: "eurosat/shots_16_8.0/TCP/vit/seed1" });
    for (
      const [args, message] of [
        [[], "Name a checkpoint"],
        [[file], "Name the model that the prompt was trained with"],
        [[file, "--model", "sample"], "say --method coop, kgcoop or prograd"],
        [
          [file, ...known],
          "does not tell its data set, shots, seed, classes (base or all): say what it was trained with, as in " +
          "--dataset eurosat --shots 16 --seed 1 --train base.",
        ],
        [[file, ...all.slice(0, -2)], "does not tell its classes (base or all): say what it was trained with"],
        [[file, ...all, "--classes", "a,b,c"], 'class 1 is not "a"'],
        [[file, ...all, "--preset", "cocoop-cvpr22"], 'no preset "cocoop-cvpr22" of CoOp'],
        [[tcp, ...all], "was trained by TCP, as its folder says, and not by CoOp: leave --method out"],
        [[folder, "--model", "sample"], 'no file "checkpoint"'],
        [[join(folder, "two"), "--model", "sample"], "names one of model.pth.tar-10, model.pth.tar-5: name it"],
        [[file, "--modell", "sample"], 'Did you mean "--model"?'],
      ] as const
    ) {
      const { code, err } = await runImport([...args], folder);
      assertEquals(code, 2, err);
      assertStringIncludes(err, message);
    }
  }));
