/** Methods on image features in a run: what they say of every test image is what the methods themselves say. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { chooseClasses } from "../../src/data/few_shot.ts";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import type { Sample } from "../../src/data/split.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { outcomeOf } from "../../src/eval/outcome.ts";
import { readReport } from "../../src/eval/report_file.ts";
import type { FeatureClassifier, FeatureTask } from "../../src/methods/feature_method.ts";
import { learnGda } from "../../src/methods/gda.ts";
import {
  clipAdapter,
  gda,
  KIT_METHODS,
  linearProbe,
  lpPlusPlus,
  tipAdapter,
  tipAdapterF,
  zeroShot,
} from "../../src/methods/kit.ts";
import { learnLinearProbe } from "../../src/methods/linear_probe.ts";
import { drawsImages, learnsPrompts, type Method } from "../../src/methods/method.ts";
import { decimal } from "../../src/methods/setting.ts";
import { zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import type { Given } from "../../src/run/config.ts";
import { ROOT } from "../tasks.ts";
import { inFolder, runHere } from "./run_here.ts";

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

Deno.test("runs of GDA and of the linear probe say of every test image what the methods say", async () => {
  await inFolder(async () => {
    for (const method of [gda, linearProbe]) {
      const isGda = method.name === "gda";
      const { folders: [folder], missing, said } = await runHere(method as Method, { seeds: [2], engine: "cpu" });
      assertEquals(folder, `runs/eurosat/${method.name}/published/sample/shots16/seed2`);
      const expected = await byHand(isGda ? (task) => learnGda(task, { variant: "base-to-new" }) : learnLinearProbe);
      const base = await readReport(`${folder}/report-base.json`);
      assertEquals(base.results.predictions.predictions, expected.base);
      assert(base.results.metrics.accuracy > 85, `${base.results.metrics.accuracy}`);
      assertEquals([base.run.trainedOn, base.on.data.train, base.on.data.val], ["base", 80, 20]);
      assertEquals([base.run.preset, base.run.changed, base.run.seed, base.run.shots], [null, [], 2, 16]);
      assert(said.some((line) => line.startsWith(`${method.label}, seed 2: learned in `)), said.join("\n"));
      const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
        !/-new\.(json|csv)$/.test(name)
      );
      assertEquals(files.sort(), [
        ".lock",
        "config.yaml",
        "done",
        "identity.json",
        "plots",
        "predictions-base.csv",
        "report-base.json",
        "report.html",
      ]);
      const done = JSON.parse(await Deno.readTextFile(`${folder}/done`));
      if (!isGda) {
        assertEquals(missing.length, 1);
        assertStringIncludes(missing[0], "Linear probe has no result on new classes, which it has no images of: ");
        assertEquals([done.evaluatedOn, typeof done.chosen.C], [["base"], "number"]);
        assertEquals(typeof base.run.hyperparameters.C, "number");
        assertEquals(base.run.prompts.flat(), base.run.classNames);
        continue;
      }
      const fresh = await readReport(`${folder}/report-new.json`);
      assertEquals(fresh.results.predictions.predictions, expected.new);
      assertEquals(fresh.run.hyperparameters, base.run.hyperparameters);
      const { tuneOn, views, templates, alpha } = base.run.hyperparameters;
      assertEquals([tuneOn, views, templates, typeof alpha], ["few-shot", 10, "single", "number"]);
      assertEquals(base.run.learnedNumbers, 5 * (base.on.model.config.embedding + 1));
      assertEquals(base.run.prompts[0], ["a photo of a Annual Crop Land."]);
      assertEquals([done.evaluatedOn, done.chosen], [["base", "new"], { alpha }]);
      assertEquals(missing, []);
    }
  });
});

Deno.test("what the stored features cannot give is told before anything is learned", async () => {
  await inFolder(async () => {
    const refused = (method: unknown, given: Given, words: string) =>
      assertRejects(() => runHere(method as Method, given), UserError, words);
    await refused(gda, { tuneOn: "full" }, "--data EuroSAT.zip");
    await refused(lpPlusPlus, { eval: ["new"] }, "LP++ has no result on new classes");
    await refused(gda, { shots: 32 }, "The sample holds 16 training images a class and not 32");
    assertEquals([...Deno.readDirSync(".")].map(({ name }) => name), ["images"]);
  });
});

Deno.test("what a method chooses has another name than its settings, since reports list both", async () => {
  await inFolder(async () => {
    const alpha = decimal({ help: "", default: 1 });
    const mine = { ...gda, name: "mine", label: "Mine", settings: { ...gda.settings, alpha }, variants: undefined };
    await assertRejects(
      () => runHere(mine as Method, { eval: ["base"] }),
      UserError,
      'The method Mine chooses "alpha"',
    );
  });
});

Deno.test("with images, α is chosen on all validation images where asked for, in a method of its own", async () => {
  await inFolder(async () => {
    const given: Given = { data: "images", eval: ["all"], shots: 1, views: 3 };
    const runs = [await runHere(gda, given), await runHere(gda, { ...given, tuneOn: "full" })];
    const reports = runs.map(({ reports }) => reports[0]);
    assertEquals(reports.map(({ run }) => run.method), ["gda", "gda-full-val"]);
    // Of ten images a class, half are for training and a fifth for validation.
    assertEquals(reports.map(({ on }) => [on.data.train, on.data.val]), [[4, 4], [4, 8]]);
    assertEquals(reports.map(({ run }) => run.hyperparameters.tuneOn), ["few-shot", "full"]);
    assertEquals(runs[1].folders, ["runs/images/gda-full-val/published+views=3/sample-on-images/shots1-all/seed1"]);
    assertEquals(reports[1].run.classNames, ["Field", "Forest", "Lake", "River"]);
    assertEquals(reports[1].run.label, "GDA, full validation");
  });
});

Deno.test("nothing is chosen on test images where there are no others", async () => {
  await inFolder(async () => {
    for (const part of ["train", "test"]) {
      for (const name of ["Lake", "River"]) {
        await Deno.mkdir(`parted/${part}/${name}`, { recursive: true });
        for (const image of ["grey.jpg", "keep_rgb.jpg"]) {
          await Deno.copyFile(`images/${name}/${image}`, `parted/${part}/${name}/${image}`);
        }
      }
    }
    const given: Given = { data: "parted", eval: ["all"], shots: 2 };
    await assertRejects(() => runHere(tipAdapter, given), UserError, "no validation images");
    assertEquals((await runHere(zeroShot, given)).reports.length, 1);
  });
});

Deno.test("training views are crops of half an image and more, but CLIP-Adapter's, which are CoOp's", async () => {
  await inFolder(async () => {
    const given: Given = { eval: ["base"], views: 2, shots: 2 };
    const isTold = async (method: unknown, more: Given) =>
      (await runHere(method as Method, { ...given, ...more })).said.some((line) => line.includes("at least 50 %"));
    assertEquals([await isTold(tipAdapterF, { epochs: 1 }), await isTold(gda, {})], [true, true]);
    assertEquals(await isTold(clipAdapter, { epochs: 1 }), false);
  });
});

Deno.test("every method on features is evaluated on another data set's new words where it can, and says why not", async () => {
  await inFolder(async () => {
    for (const method of KIT_METHODS.filter((one) => !learnsPrompts(one))) {
      const has = (name: string, value: unknown) => name in method.settings ? { [name]: value } : {};
      const { reports, missing, folders: [folder] } = await runHere(method, {
        ...{ data: "images", shots: 2, eval: ["base", "./images:all"] },
        ...has("views", 1),
        ...has("epochs", 1),
      });
      const isWords = ["zeroshot", "gda", "clip-adapter"].includes(method.name);
      assertEquals(
        reports.map(({ run }) => run.trainedOnData),
        isWords ? [undefined, "images"] : [undefined],
        method.name,
      );
      assertEquals(missing.length, isWords ? 0 : 1, method.name);
      if (!isWords) {
        assertStringIncludes(
          missing[0],
          `${method.label} has no result on images, all classes, which it has no images`,
        );
        continue;
      }
      const other = await readReport(`${folder}/report-images-all.json`);
      assertEquals([other.run.classNames.length, other.on.data.test], [4, 12]);
      assertEquals(other.run.trainedOn, drawsImages(method) ? "base" : null);
      // What it was learned from is not the other data set's.
      assertEquals(other.on.data.train, drawsImages(method) ? 4 : 0);
    }
  });
});
