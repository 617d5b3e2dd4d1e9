/** Options of every prompt method, end to end: what is kept of a prompt, whose contexts it goes over, where it goes. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { probabilities } from "../../recipes/cli/answer_table.ts";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { patchesOf } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { chooseClasses, fewShot } from "../../src/data/few_shot.ts";
import { getFeatures } from "../../src/data/feature_cache.ts";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { outcomeOf } from "../../src/eval/outcome.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { coopPrompt } from "../../src/methods/coop.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { openStoredPrompt, storedPrompt } from "../../src/prompt/stored_prompt.ts";
import { relativeL2 } from "../engine/ops_cases.ts";
import { assertSentence, runRecipe, smallFolder, writeImages } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

Deno.test("a share of 0 keeps the initial words: zero-shot CLIP, image by image", async () => {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  try {
    const engine = ["--engine", "onnx", "--threads", "1", "--quiet"];
    const words = ["--init-words", "a photo of a", "--epochs", "2", "--views", "1"];
    const zero = await runRecipe(folder, { recipe: "zero_shot", args: ["--eval", "new", ...engine] });
    const run = (share: string) =>
      runRecipe(folder, { args: ["--train", "base", "--eval", "new", "--wise", share, ...words, ...engine] });
    const [initial, half, learned] = [await run("0"), await run("0.5"), await run("1")];
    for (const { code, stderr } of [zero, initial, half, learned]) assertEquals(code, 0, stderr);
    const base = `${folder}/runs/eurosat/coop/seed-notebook+epochs=2+views=1+init-words=a-photo-of-a`;
    const read = async (part: string) => {
      const { results, run } = await readReport(`${base}${part}/sample/shots16/seed1/report-new.json`);
      return { ...run, ...results.predictions };
    };
    const start = await read("+wise=0");
    const { results } = await readReport(`${folder}/runs/eurosat/zeroshot/single/sample/report-new.json`);
    assertEquals(start.predictions, results.predictions.predictions);
    assertEquals([start.hyperparameters.wise, start.changed.includes("wise")], [0, true]);
    const middle = await read("+wise=0.5");
    const end = await read("");
    assert(
      middle.predictions.join() !== start.predictions.join() && middle.predictions.join() !== end.predictions.join(),
    );
    assertEquals(end.hyperparameters.wise, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("KgCoOp and ProGrad go over CoCoOp's contexts in folders and reports of their own", async () => {
  const folder = await smallFolder();
  try {
    const args =
      "--data images --train base --eval base,new --shots 2 --views 0 --epochs 3 --threads 1 --over cocoop " +
      "--prompt-average 2,1";
    for (const recipe of ["kgcoop", "prograd"]) {
      const { code, stderr } = await runRecipe(folder, { recipe, args: args.split(" ") });
      assertEquals(code, 0, stderr);
      const method = `${recipe}-cocoop`;
      const path =
        `${folder}/runs/images/${method}/seed-notebook+epochs=3+views=0+prompt-average=2-1/sample-on-images/shots2/seed1`;
      const report = await readReport(`${path}/report-new.json`);
      assertEquals(report.run.method, method);
      assertStringIncludes(report.run.command, `deno task ${recipe} `);
      assertEquals(report.run.hyperparameters.promptAverage, "2,1");
      assertEquals(report.run.hyperparameters.lambda, recipe === "kgcoop" ? 8 : 1);
      const { state } = decodeCheckpoint(await Deno.readFile(`${path}/checkpoint-0003.safetensors`), path);
      assert("meta_net.linear1.weight" in state.params);
    }
    const specific = await runRecipe(folder, { recipe: "kgcoop", args: [...args.split(" "), "--class-specific"] });
    assertSentence(specific, "--class-specific is fixed for KgCoOp over CoCoOp");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a head is kept with the prompt: it counts on the classes that were trained on, later too, and in classify", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  const engine = await openEngine("onnx", { threads: 1 });
  const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
  try {
    const run = async (more: string, recipe = "coop") => {
      const args = `${more} --engine onnx --threads 1 --quiet`.split(" ");
      const { code, stdout, stderr } = await runRecipe(folder, { recipe, args });
      assertEquals(code, 0, stderr);
      return stdout;
    };
    const changes = "--epochs 2 --views 1 --batch-size 8";
    await run(`--head dept ${changes} --train base --eval base`);
    const path = `${folder}/runs/eurosat/coop-dept/seed-notebook+epochs=2+batch-size=8+views=1/sample/shots16/seed1`;
    // The head's rows are found by the names in the file: in another order they are the same.
    const file = `${path}/checkpoint-0002.safetensors`;
    const { state, metadata } = decodeCheckpoint(await Deno.readFile(file), file);
    const seen: string[] = JSON.parse(metadata["classes-seen"]);
    const { data: rows } = state.params["linear_probe_proj.weight"];
    const E = rows.length / seen.length;
    rows.set(seen.flatMap((_, c) => [...rows.subarray((4 - c) * E, (5 - c) * E)]));
    state.params["linear_probe_proj.bias"].data.reverse();
    const reversed = { ...metadata, "classes-seen": JSON.stringify(seen.toReversed()) };
    const before = await readReport(`${path}/report-base.json`);
    await Deno.writeFile(file, encodeCheckpoint(state, reversed));
    await run(`--head dept ${changes} --eval all,new,base`);
    assertEquals((await readReport(`${path}/report-base.json`)).results, before.results);
    const prompt = storedPrompt({ state, metadata: reversed }, path);
    const features = readSampleFeatures(await Deno.readFile(`${ROOT}data/sample/features.safetensors`), "features");
    for (const [subset, isHeaded] of [["base", true], ["new", false], ["all", false]] as const) {
      const { run: ran, results } = await readReport(`${path}/report-${subset}.json`);
      assertEquals([ran.method, ran.label, "head" in ran.hyperparameters], ["coop-dept", "CoOp with DePT", false]);
      assertEquals(ran.learnedNumbers, Object.values(prompt.params).reduce((sum, { data }) => sum + data.length, 0));
      const { test, classNames } = chooseClasses(features.split(1), subset);
      const images = features.plain(test.filter((_, i) => i % 40 === 0), 1);
      const session = await openStoredPrompt(prompt, { model, classNames });
      const logits = await session.logits(images);
      const { predictions } = outcomeOf(logits);
      assertEquals(results.predictions.predictions.filter((_, i) => i % 40 === 0), predictions, subset);
      const bare = await openStoredPrompt({ ...prompt, method: "coop", params: { ctx: prompt.params.ctx } }, {
        model,
        classNames,
      });
      const apart = relativeL2((await bare.logits(normalizeRows(images))).data, logits.data);
      assertEquals([apart < 1e-5, apart > 0.1], [!isHeaded, isHeaded], `${subset}: ${apart}`);
      await session.dispose();
      await bare.dispose();
    }
    const image = `${ROOT}tests/fixtures/images/sampling_444.jpg`;
    const said = JSON.parse(await run(`--prompt ${path} --json ${image}`, "classify"));
    assertEquals(said.by.method, "coop-dept");
    const patches = await patchesOf([{ path: image }], {
      ...model.config.image,
      images: { read: Deno.readFile },
      recipe: { kind: "test" },
    });
    const session = await openStoredPrompt(prompt, { model, classNames: prompt.classesSeen });
    const logits = await session.logits(await model.encodeImages(patches));
    const [{ probabilities: wanted }] = probabilities(logits, { images: [image], classNames: prompt.classesSeen });
    said.answers[0].probabilities.forEach((value: number, c: number) => assertAlmostEquals(value, wanted[c], 1e-6));
    await session.dispose();
  } finally {
    await model.dispose();
    await engine.dispose();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a prompt of one data set is evaluated on another, with that one's own names, as by hand", async () => {
  const folder = await smallFolder();
  try {
    await writeImages(`${folder}/data/caltech101/101_ObjectCategories`);
    await Deno.rename(
      `${folder}/data/caltech101/101_ObjectCategories/River`,
      `${folder}/data/caltech101/101_ObjectCategories/airplanes`,
    );
    const train =
      "--data images --train base --shots 2 --views 0 --epochs 2 --context-tokens 4 --engine onnx --threads 1";
    const run = (more: string) => runRecipe(folder, { args: `${train} ${more}`.split(" ") });
    const { code, stdout, stderr } = await run("--eval base,caltech101:all,./data/caltech101:new");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "Caltech101 all: accuracy");
    const path =
      `${folder}/runs/images/coop/seed-notebook+epochs=2+views=0+context-tokens=4/sample-on-images/shots2/seed1`;
    const report = await readReport(`${path}/report-caltech101-all.json`);
    const { run: ran, on } = report;
    assertEquals([ran.trainedOn, ran.trainedOnData, ran.evaluatedOn, on.data.name], [
      "base",
      "images",
      "all",
      "Caltech101",
    ]);
    assertEquals(ran.classNames, ["Field", "Forest", "Lake", "airplane"]);
    assertEquals(
      ran.prompts.map(([text]) => text.toLowerCase()),
      ran.classNames.map((name) => `x x x x ${name.toLowerCase()}.`),
    );
    assertEquals((await readReport(`${path}/report-base.json`)).run.trainedOnData, undefined);
    assert((await Deno.stat(`${path}/caltech101-all/report.html`)).isFile);

    // By hand, from the stored prompt and the other data set's images alone.
    const engine = await openEngine("cpu");
    const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    const other = await openDataset({ data: `${folder}/data/caltech101`, dataset: "caltech101" });
    const { test, classNames } = fewShot(other.split, { shots: 1, seed: 5, classes: "all" });
    const { features_VNE: { shape: [, N, E], data } } = await getFeatures({
      folder: `${folder}/features`,
      modelId: "test",
      imageSize: model.config.image.size,
      patch: model.config.image.patch,
      samples: test,
      images: other.images,
      views: [{ kind: "test" }],
      encode: (patches) => model.encodeImages(patches),
    });
    const { state } = decodeCheckpoint(await Deno.readFile(`${path}/checkpoint-0002.safetensors`), path);
    const random = { normal: () => 0 };
    const shape = {
      classes: classNames.length,
      classSpecific: false,
      classTokenPosition: "end" as const,
      contextTokens: 4,
    };
    const session = await openPrompt(model, { method: coopPrompt({ model, random, ...shape }), classNames });
    session.params.ctx.data.set(state.params.ctx.data);
    const { predictions } = outcomeOf(await session.logits(normalizeRows({ shape: [N, E], data })));
    assertEquals(report.results.predictions.predictions, predictions);
    assertEquals(report.results.predictions.labels, test.map(({ label }) => label));
    await session.dispose();
    await other.images.close();
    await model.dispose();
    await engine.dispose();

    assertSentence(await run("--eval dtd:all"), 'There is no data/dtd to evaluate on: run "deno task download dtd"');
    assertSentence(await run("--eval caltech1:all"), 'Did you mean "caltech101"?');
    assertSentence(await run("--eval caltech101:most"), "base, new or all");
    assertSentence(await run("--class-specific --eval caltech101:all"), "without --class-specific");
    const stored = await run("--eval eurosat:new --json");
    assertEquals(JSON.parse(stored.stdout).results.predictions.labels.length, 3900);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
