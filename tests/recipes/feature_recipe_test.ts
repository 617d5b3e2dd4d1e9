import { assert, assertEquals, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { featurePart, featurePath, featureYaml, resolveFeatureConfig } from "../../recipes/cli/feature_config.ts";
import { settingsFromYaml } from "../../recipes/cli/config.ts";
import { readFlags } from "../../recipes/cli/flags.ts";
import { templatesOf } from "../../recipes/cli/templates.ts";
import { recipe as learnTipAdapterF } from "../../recipes/tip_adapter_f.ts";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { chooseClasses } from "../../src/data/few_shot.ts";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import type { Sample } from "../../src/data/split.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { outcomeOf } from "../../src/eval/report.ts";
import { readReport } from "../../src/eval/report_file.ts";
import type { FeatureClassifier, FeatureTask } from "../../src/methods/feature_method.ts";
import { learnGda } from "../../src/methods/gda.ts";
import { learnLinearProbe } from "../../src/methods/linear_probe.ts";
import { zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import { assertSentence, runRecipe, smallFolder } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

const config = (line: string) =>
  resolveFeatureConfig(readFlags(line === "" ? [] : line.split(" "), tipAdapterF.settings), tipAdapterF.defaults);

Deno.test("methods on features: base and new unless told otherwise, every change in the folder's name", () => {
  const { train, eval: subsets, tuneOn, hyper, changed } = config("");
  assertEquals({ train, subsets, tuneOn, hyper, changed }, {
    train: "base",
    subsets: ["base", "new"],
    tuneOn: "few-shot",
    hyper: { views: 10, epochs: 100, batchSize: 256, lr: 0.001 },
    changed: [],
  });
  assertEquals([config("--eval all").train, config("--train all").eval, config("--eval new").train], [
    "all",
    ["all"],
    "base",
  ]);
  const other = config("--epochs 20 --views 10 --templates ensemble --shots 4 --out x --eval all");
  assertEquals(featurePart(other), "published+epochs=20+templates=ensemble");
  const run = { method: "tip-adapter-f", dataset: "EuroSAT", backbone: "ViT-B/16", seed: 2 };
  assertEquals(
    featurePath(other, run),
    "x/eurosat/tip-adapter-f/published+epochs=20+templates=ensemble/ViT-B-16/shots4-all/seed2",
  );
  const names = tipAdapterF.settings;
  const yaml = featureYaml(other, { task: "tip-adapter-f", names, seed: 2 });
  const again = resolveFeatureConfig(settingsFromYaml(yaml, { where: "", names }), tipAdapterF.defaults);
  assertEquals(again, { ...other, seeds: [2] });
});

Deno.test("what methods on features cannot do is refused in a sentence", () => {
  assertThrows(() => config("--train base --eval all"), UserError, "give --train all");
  assertThrows(() => config("--train all --eval new"), UserError, "give --train new");
  assertThrows(() => config("--views epochs"), UserError, "number with --views");
  assertThrows(() => config("--eval caltech101:all"), UserError, "--data");
  assertThrows(() => config("--momentum 0.9"), UserError, "not a flag of this recipe");
});

Deno.test("templates: the data set's, the ensemble, or any list of one's own", () => {
  const set = { template: "a {}.", ensemble: ["b {}.", "c {}."] };
  assertEquals(templatesOf("single", set), ["a {}."]);
  assertEquals(templatesOf("ensemble", set), ["b {}.", "c {}."]);
  assertEquals(templatesOf("one {}. | two {}.|", set), ["one {}.", "two {}."]);
  assertThrows(() => templatesOf(" | ", set), UserError, "no template");
});

/** The task of seed 2 from the sample's file alone, and the classifier's word on test images. */
async function byHand(
  learn: (task: FeatureTask) => FeatureClassifier,
): Promise<{ base: number[]; new?: number[] }> {
  const stored = readSampleFeatures(await Deno.readFile(`${ROOT}data/sample/features.safetensors`), "the sample");
  const engine = await openEngine("cpu");
  const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
  try {
    const [own, other] = (["base", "new"] as const).map((classes) => chooseClasses(stored.split(2), classes));
    const texts = (classNames: string[]) => zeroShotFeatures(model, { classNames, templates: ["a photo of a {}."] });
    const labels = (samples: Sample[]) => Int32Array.from(samples, ({ label }) => label);
    const features_NE = stored.plain(own.train, 2);
    const views = Array.from({ length: 10 }, (_, view) => [...stored.view(own.train, { seed: 2, view }).data]);
    const classifier = learn({
      classNames: own.classNames,
      logitScale: model.logitScale,
      textFeatures_CE: await texts(own.classNames),
      train: {
        features_NE,
        views_VNE: { shape: [10, ...features_NE.shape], data: Float32Array.from(views.flat()) },
        labels: labels(own.train),
      },
      val: { features_NE: stored.plain(own.val, 2), labels: labels(own.val) },
      seed: 2,
    });
    const { newClasses } = classifier;
    return {
      base: outcomeOf(classifier.logits(stored.plain(own.test, 2))).predictions,
      new: typeof newClasses === "function"
        ? outcomeOf(newClasses(await texts(other.classNames)).logits(stored.plain(other.test, 2))).predictions
        : undefined,
    };
  } finally {
    await model.dispose();
    await engine.dispose();
  }
}

Deno.test("the recipes of GDA and of the linear probe say of every test image what the methods say", async () => {
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  try {
    for (const recipe of ["gda", "linear_probe"]) {
      const { code, stderr, stdout } = await runRecipe(folder, { recipe, args: ["--seeds", "2", "--engine", "cpu"] });
      assertEquals(code, 0, stderr);
      const run = `${folder}/runs/eurosat/${recipe.replace("_", "-")}/published/sample/shots16/seed2`;
      const expected = await byHand(
        recipe === "gda" ? (task) => learnGda(task, { variant: "base-to-new" }) : linearProbe,
      );
      const base = await readReport(`${run}/report-base.json`);
      assertEquals(base.results.predictions.predictions, expected.base);
      assert(base.results.metrics.accuracy > 85, `${base.results.metrics.accuracy}`);
      assertEquals([base.run.trainedOn, base.on.data.train, base.on.data.val], ["base", 80, 20]);
      const files = (await Array.fromAsync(Deno.readDir(run))).map(({ name }) => name);
      for (const name of ["config.yaml", "report.html", "done"]) assert(files.includes(name), name);
      if (expected.new === undefined) {
        assertStringIncludes(stderr, "Linear probe has no result on new classes");
        assert(!files.includes("report-new.json"));
        assertEquals(typeof base.run.hyperparameters.C, "number");
      } else {
        const fresh = await readReport(`${run}/report-new.json`);
        assertEquals(fresh.results.predictions.predictions, expected.new);
        assertEquals(fresh.run.hyperparameters, base.run.hyperparameters);
        const { tuneOn, views, templates, alpha } = base.run.hyperparameters;
        assertEquals([tuneOn, views, templates, typeof alpha], ["few-shot", 10, "single", "number"]);
        assertEquals(base.run.learnedNumbers, 5 * (base.on.model.config.embedding + 1));
        assertStringIncludes(stdout, "H (harmonic mean of base and new)");
      }
    }
    const full = await runRecipe(folder, { recipe: "gda", args: ["--tune-on", "full"] });
    assertSentence(full, "--data EuroSAT.zip");
    const alone = await runRecipe(folder, { recipe: "lp_plus_plus", args: ["--eval", "new"] });
    assertSentence(alone, "LP++ has no result on new classes");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("with images, α is chosen on all validation images where asked for, in a method of its own", async () => {
  const folder = await smallFolder();
  try {
    const args = ["--data", "images", "--eval", "all", "--shots", "1", "--views", "3", "--threads", "1", "--json"];
    const few = await runRecipe(folder, { recipe: "gda", args });
    const full = await runRecipe(folder, { recipe: "gda", args: [...args, "--tune-on", "full"] });
    assertEquals([few.code, full.code], [0, 0], full.stderr);
    const reports = [few, full].map(({ stdout }) => JSON.parse(stdout));
    assertEquals(reports.map(({ run }) => run.method), ["gda", "gda-full-val"]);
    // Of ten images a class, half are for training and a fifth for validation.
    assertEquals(reports.map(({ on }) => [on.data.train, on.data.val]), [[4, 4], [4, 8]]);
    assertEquals(reports[1].run.hyperparameters.tuneOn, "full");
    const report = await readReport(
      `${folder}/runs/images/gda-full-val/published+views=3/sample-on-images/shots1-all/seed1/report-all.json`,
    );
    assertEquals(report.run.classNames, ["Field", "Forest", "Lake", "River"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("nothing is chosen on test images where there are no others", async () => {
  const folder = await smallFolder();
  try {
    for (const part of ["train", "test"]) {
      await Deno.mkdir(`${folder}/parted/${part}`, { recursive: true });
      for (const name of ["Lake", "River"]) {
        await Deno.mkdir(`${folder}/parted/${part}/${name}`);
        for (const image of ["grey.jpg", "keep_rgb.jpg"]) {
          await Deno.copyFile(`${folder}/images/${name}/${image}`, `${folder}/parted/${part}/${name}/${image}`);
        }
      }
    }
    const args = ["--data", "parted", "--eval", "all", "--shots", "2", "--threads", "1", "--quiet"];
    assertSentence(await runRecipe(folder, { recipe: "tip_adapter", args }), "no validation images");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
