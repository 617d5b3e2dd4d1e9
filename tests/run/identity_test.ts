/** What decides a run's numbers, and that results of two runs never come together. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { SAMPLE_MODEL_SHA256 } from "../../src/clip/weights/known.ts";
import { UserError } from "../../src/errors.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { coop, gda, kgcoop, zeroShot } from "../../src/methods/kit.ts";
import type { Method } from "../../src/methods/method.ts";
import { completeSettings, type Given } from "../../src/run/config.ts";
import { openData } from "../../src/run/open_data.ts";
import { difference, identityOfReport, requireSameRun, runIdentity } from "../../src/run/identity.ts";
import { modelFacts } from "../../src/run/inputs.ts";
import { SILENT } from "../../src/run/progress.ts";
import { openRun, type RunOptions } from "../../src/run/run.ts";
import { decodeCheckpoint } from "../../src/train/checkpoint.ts";
import { assertSentence, otherWeights, runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";
import { inFolder, linesInto, runHere } from "./run_here.ts";

const OTHER_IMAGE = `${ROOT}tests/fixtures/images/cmyk.jpg`;

/** The images of a folder under the same names in another, some of them other pictures. */
async function copyOf(from: string, to: string, isOther: (path: string) => boolean): Promise<void> {
  for await (const { name } of Deno.readDir(from)) {
    await Deno.mkdir(`${to}/${name}`, { recursive: true });
    for await (const { name: image } of Deno.readDir(`${from}/${name}`)) {
      const path = `${name}/${image}`;
      await Deno.copyFile(isOther(path) ? OTHER_IMAGE : `${from}/${path}`, `${to}/${path}`);
    }
  }
}

async function drawOf(data: string) {
  const opened = await openData({ data }, { sample: true, progress: SILENT });
  await opened.close();
  return opened.draw({ shots: 2, seed: 1, classes: "base" });
}

/** A run of each kind: each trains on two images a class of `images`, or needs none. */
const KINDS: { method: unknown; given: Given }[] = [
  { method: coop, given: { train: "base", shots: 2, views: 0, epochs: 1, contextTokens: 2 } },
  { method: gda, given: { train: "base", shots: 2, views: 0 } },
  { method: zeroShot, given: {} },
];

Deno.test("a run is what it learns from, byte by byte, and its settings; not where things lie, nor what computes", async () => {
  const data = await openData({}, { sample: true, progress: SILENT });
  const model = await modelFacts({});
  const of = <S>(method: Method<S>, given: Given & Partial<S>, seed: number | null, more = {}) =>
    runIdentity(completeSettings(method, given), { model, data, seed, ...more });
  const found = await of(kgcoop, { over: "cocoop", epochs: 3, shots: 2, train: "new" }, 2, { engine: "cpu" });
  const { train } = data.draw({ shots: 2, seed: 2, classes: "new" });
  assertEquals(found, {
    method: "kgcoop-cocoop",
    model: "sample",
    "model-sha256": SAMPLE_MODEL_SHA256,
    activation: "quickgelu",
    dataset: "EuroSAT",
    "data-source": "stored features in data/sample",
    "split-sha256": data.about.splitSha256,
    "images-sha256": await data.sha256(train),
    "trained-on": "new",
    shots: "2",
    seed: "2",
    epochs: "3",
    "batch-size": "4",
    lr: "0.0025",
    momentum: "0.9",
    "weight-decay": "0.0005",
    "warmup-epochs": "1",
    "warmup-lr": "0.00001",
    views: "epochs",
    "context-tokens": "4",
    "init-words": "a photo of a",
    "class-token-position": "end",
    "class-specific": "false",
    "prompt-average": "",
    wise: "1",
    lambda: "8",
    engine: "cpu",
  });
  // A method on features also chooses on validation images.
  const sample = data.draw({ shots: 16, seed: 1, classes: "base" });
  const learned = await of(gda, {}, 1, { methodSha256: "12" });
  assertEquals(learned["images-sha256"], await data.sha256([...sample.train, ...sample.val]));
  assertEquals([learned["method-sha256"], learned["tune-on"], "engine" in learned], ["12", "few-shot", false]);
  assertEquals(Object.keys(await of(zeroShot, {}, null)), [
    "method",
    "model",
    "model-sha256",
    "activation",
    "dataset",
    "data-source",
    "split-sha256",
    "templates",
  ]);
  // What a model computes otherwise than most is a part of it; of most, nothing is said but the activation.
  const { image, text } = model.config;
  const config = {
    ...model.config,
    image: { ...image, heads: 2, epsilon: 1e-6 },
    text: { ...text, activation: "gelu" as const },
  };
  const other = await runIdentity(completeSettings(zeroShot, {}), { model: { ...model, config }, data, seed: null });
  assertEquals([other.activation, other["model-rules"]], [
    "quickgelu in the image tower, gelu in the text tower",
    "2 image heads, image epsilon 0.000001",
  ]);
  const usual = await of(zeroShot, {}, null);
  assertEquals(
    difference(usual, other),
    "heads or LayerNorm of the model as usual and not 2 image heads, image epsilon 0.000001, activation quickgelu and not " +
      "quickgelu in the image tower, gelu in the text tower",
  );
  await data.close();
});

Deno.test("differences are told in words; where things lie and which engine computed is none", () => {
  const hash = (digit: string) => digit.repeat(64);
  const stored = {
    method: "coop",
    "split-sha256": hash("1"),
    epochs: "2",
    engine: "cpu",
    model: "a",
    "data-source": "x",
  };
  assertEquals(difference(stored, { ...stored, engine: "onnx", model: "b", "data-source": "y", kit: "9" }), undefined);
  // What one of the two does not say is no difference: 0.1.0 said less.
  assertEquals(difference(stored, { ...stored, "images-sha256": hash("2") }), undefined);
  assertEquals(difference({ ...stored, step: "40" }, stored), undefined);
  const wanted = { ...stored, "split-sha256": hash("2"), epochs: "3" };
  assertEquals(difference(stored, wanted), "split 111111111111… and not 222222222222…, epochs 2 and not 3");
  requireSameRun(stored, { wanted: stored, path: "runs/x" });
  assertThrows(
    () => requireSameRun(stored, { wanted, path: "runs/x" }),
    UserError,
    "runs/x holds results with split 111111111111… and not 222222222222…, epochs 2 and not 3: take the same again, start " +
      "over with --fresh, or give another folder with --out.",
  );
});

Deno.test("other pixels under the same names are other images, for every kind of method and in every step", async (t) => {
  await inFolder(async () => {
    const { train, test } = await drawOf("images");
    const isTrain = (path: string) => train.some((sample) => sample.path === path);
    const isTest = (path: string) => test.some((sample) => sample.path === path);
    await copyOf("images", "trained-on-others/images", isTrain);
    await copyOf("images", "tested-on-others/images", isTest);
    for (const { method, given } of KINDS) {
      const { name } = method as Method;
      await t.step(name, async () => {
        const run = (more: Given) => runHere(method as Method, { ...given, eval: ["base", "new"], ...more });
        const refused = (more: Given, words: string) => assertRejects(() => run(more), UserError, words);
        const { folders: [folder] } = await run({ data: "images" });
        const trained = name === "zeroshot" ? [] : ["trained-on-others/images"];
        for (const data of trained) {
          await refused({ data }, `${folder} holds results with training images (their bytes)`);
        }
        await refused({ data: "tested-on-others/images" }, `${folder} holds results with test images (their bytes)`);
        // One report alone would stand beside another data set's.
        await refused({ data: "tested-on-others/images", eval: ["base"] }, "test images (their bytes)");
        if (name === "coop") {
          const evaluated = { train: undefined, eval: ["new" as const], data: "trained-on-others/images" };
          await refused(evaluated, "training images (their bytes)");
        }
        const [before] = (await run({ data: "images", eval: ["base"] })).reports;
        const fresh = await run({ data: "tested-on-others/images", eval: ["base"], fresh: true });
        assert(fresh.reports[0].on.data.testImagesSha256 !== before.on.data.testImagesSha256);
        await assertRejects(() => readReport(`${folder}/report-new.json`), UserError, "does not exist");
      });
    }
  });
});

Deno.test("another split, other weights of the same name, and another data set of the same name are told apart", async (t) => {
  await inFolder(async (folder) => {
    await copyOf("images", "other/images", () => false);
    await Deno.remove("other/images/Field/grey.jpg");
    const { train, val, test } = await drawOf("images");
    const lines = (samples: typeof train) => samples.map(({ path, label, className }) => [path, label, className]);
    const split = { train: lines([...train, ...test.slice(1)]), val: lines(val), test: lines(test.slice(0, 1)) };
    await Deno.writeTextFile("other_split.json", JSON.stringify(split));
    await otherWeights(`${folder}/a/clip.safetensors`, 0.25);
    await otherWeights(`${folder}/b/clip.safetensors`, 0.5);
    for (const { method, given } of KINDS) {
      const { name } = method as Method;
      const run = (more: Given) => runHere(method as Method, { ...given, eval: ["base"], data: "images", ...more });
      await t.step(name, async () => {
        await run({});
        await assertRejects(() => run({ split: "other_split.json" }), UserError, "holds results with split ");
        await assertRejects(() => run({ data: "other/images" }), UserError, "holds results with split ");
        await run({ model: "a/clip.safetensors" });
        await assertRejects(() => run({ model: "b/clip.safetensors" }), UserError, "holds results with model ");
        // The same weights from elsewhere are the same.
        await Deno.mkdir("c", { recursive: true });
        await Deno.copyFile("a/clip.safetensors", "c/clip.safetensors");
        await run({ model: "c/clip.safetensors" });
      });
    }
  });
});

Deno.test("a run that failed before its first result is in nobody's way: its images may be mended", async () => {
  await inFolder(async () => {
    const { train: [{ path }] } = await drawOf("images");
    const image = await Deno.readFile(`images/${path}`);
    for (const { method, given } of KINDS) {
      await Deno.writeTextFile(`images/${path}`, "no picture");
      const run = () => runHere(method as Method, { ...given, data: "images", eval: ["base"] });
      if ((method as Method).name !== "zeroshot") await assertRejects(run, UserError, path);
      await Deno.writeFile(`images/${path}`, image);
      assertEquals((await run()).reports.length, 1);
    }
  });
});

Deno.test("a user's method file that changed is another method", async () => {
  await inFolder(async () => {
    const [before, after] = ["1", "2"].map((digit) => ({ methodSha256: digit.repeat(64) }));
    for (const { method, given } of KINDS) {
      const own = method as Method;
      const mine = { ...own, name: `my-${own.name}` };
      const run = (options: RunOptions) => runHere(mine, { ...given, data: "images", eval: ["base"] }, options);
      const { reports: [report] } = await run(before);
      assertEquals([report.run.methodSha256, report.run.method], [before.methodSha256, mine.name]);
      await run(before);
      // A file whose method has the name of one of the kit's.
      const same = (options: RunOptions) => runHere(own, { ...given, data: "images", eval: ["base"] }, options);
      await same({});
      await assertRejects(
        () => same(before),
        UserError,
        "holds results with method file of the kit and not 111111111111…",
      );
      await assertRejects(
        () => run(after),
        UserError,
        "holds results with method file 111111111111… and not 222222222222…",
      );
    }
  });
});

Deno.test("a recipe ends with code 2 and names the images; nothing of the earlier run is touched", async () => {
  await inFolder(async (folder) => {
    const { train } = await drawOf("images");
    await copyOf("images", "elsewhere/images", (path) => train.some((sample) => sample.path === path));
    const args = "--shots 2 --views 0 --epochs 1 --context-tokens 2 --engine onnx --threads 1 --quiet".split(" ");
    const first = await runRecipe(folder, { args: [...args, "--data", "images", "--train", "base", "--eval", "base"] });
    assertEquals(first.code, 0, first.stderr);
    const run = "runs/images/coop/seed-notebook+epochs=1+views=0+context-tokens=2/sample-on-images/shots2/seed1";
    const report = await Deno.readTextFile(`${run}/report-base.json`);
    const other = [...args, "--data", "elsewhere/images"];
    assertSentence(await runRecipe(folder, { args: [...other, "--eval", "new"] }), "training images (their bytes)");
    assertSentence(await runRecipe(folder, { args: [...other, "--train", "base"] }), "training images (their bytes)");
    assertEquals(await Deno.readTextFile(`${run}/report-base.json`), report);
    assertEquals([...Deno.readDirSync(run)].some(({ name }) => name === "report-new.json"), false);
  });
});

Deno.test("data sets with names in any script have folders and reports of their own", async () => {
  await inFolder(async () => {
    for (const name of ["日本", "中国"]) await copyOf("images", name, () => name === "中国");
    const folders: string[] = [];
    for (const data of ["日本", "中国"]) folders.push(...(await runHere(zeroShot, { data, eval: ["base"] })).folders);
    assertEquals(folders, ["日本", "中国"].map((name) => `runs/${name}/zeroshot/single/sample-on-images`));
    const eval_ = ["./日本:all", "./中国:all"] as Given["eval"];
    const { reports, folders: [folder] } = await runHere(zeroShot, { data: "images", eval: eval_ });
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("report-"));
    assertEquals(names.sort(), ["report-中国-all.json", "report-日本-all.json"]);
    assertEquals(reports.map(({ on }) => on.data.name), ["日本", "中国"]);
    assert(reports[0].on.data.testImagesSha256 !== reports[1].on.data.testImagesSha256);
  });
});

Deno.test("a run that goes on with another engine says so; its checkpoint and its reports name both", async () => {
  await inFolder(async () => {
    const given: Given = { train: "base", eval: ["base"], shots: 2, views: 0, epochs: 3, batchSize: 2 };
    const settings = (engine: string) => ({ ...given, engine });
    const stopped = async (engine: string, step: number, said: string[] = []) => {
      const progress = {
        ...linesInto(said),
        update({ what, done }: { what: string; done: number }) {
          if (what.startsWith("training") && done === step) throw new Error("stopped here");
        },
      };
      await using run = await openRun(coop, settings(engine), { progress });
      await assertRejects(() => run.learn(1), Error, "stopped here");
    };
    await stopped("onnx", 7);
    const said: string[] = [];
    await stopped("cpu", 12, said);
    assert(
      said.some((line) =>
        line.includes("was computed by the engine onnx, and the rest will be by cpu: results repeat bit by bit on one")
      ),
      said.join("\n"),
    );
    const { reports: [own], folders: [folder], said: last } = await runHere(coop, settings("cpu"));
    assertEquals(last.some((line) => line.includes("results repeat bit by bit")), false);
    const path = `${folder}/checkpoint-0003.safetensors`;
    const { metadata, state } = decodeCheckpoint(await Deno.readFile(path), path);
    assertEquals([metadata.engine, state.step], ["onnx, then cpu", 15]);
    assertEquals([own.on.engine.name, own.run.trainedWithEngine], ["cpu", "onnx, then cpu"]);
    // Evaluated anywhere, it is told where the prompt comes from.
    const { reports: [later] } = await runHere(coop, { ...given, train: undefined, eval: ["new"], engine: "wasm" });
    assertEquals([later.on.engine.name, later.run.trainedWithEngine], ["wasm", "onnx, then cpu"]);
    assertStringIncludes(identityOfReport(later)["images-sha256"], own.run.imagesSha256!);
  });
});
