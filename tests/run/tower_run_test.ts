/** Runs of methods inside the towers: prompted image features are stored, and where their images come from. */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { coop } from "../../src/methods/coop.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { maple } from "../../src/methods/maple.ts";
import { learnsPrompts, publishedValues } from "../../src/methods/method.ts";
import type { Given } from "../../src/run/config.ts";
import { openInputs } from "../../src/run/inputs.ts";
import { openRun } from "../../src/run/run.ts";
import { openStoredData, openStoredFeatures } from "../../src/run/stored_data.ts";
import { otherWeights } from "../small_run.ts";
import { inFolder, linesInto, runHere } from "./run_here.ts";

const SMALL = { data: "images", shots: 2, batchSize: 2, epochs: 1, views: 1, depth: 2 };

/** Who ran the image tower, as the run said it. */
const towerLines = (said: readonly string[]) => said.filter((line) => line.startsWith("Image features"));

Deno.test("a second evaluation of a prompt runs no image tower, nor do other class names of the same images", async () => {
  await inFolder(async () => {
    const first = await runHere(maple, { ...SMALL, train: "all", eval: ["all"] });
    assertEquals(towerLines(first.said), [
      "Image features, all test images: 12 computed, 0 from the cache in .cache/features.",
      "Image features, training images: 8 computed, 0 from the cache in .cache/features.",
    ]);
    const again = await runHere(maple, { ...SMALL, train: "all", eval: ["all"] });
    const notRun = (what: string, count: number) =>
      `Image features, ${what}: all ${count} from the cache in .cache/features, the image tower did not run.`;
    assertEquals(towerLines(again.said), [notRun("all test images", 12), notRun("training images", 8)]);
    const { timing: _, ...report } = again.reports[0];
    const { timing: __, ...before } = first.reports[0];
    assertEquals(report, before);

    // The same images under other names of their classes.
    await Deno.mkdir("renamed");
    const names = ["Acre", "Grove", "Mere", "Stream"];
    for (const [i, name] of ["Field", "Forest", "Lake", "River"].entries()) {
      await Deno.symlink(await Deno.realPath(`images/${name}`), `renamed/${names[i]}`);
    }
    const renamed = await runHere(maple, { ...SMALL, train: "all", eval: ["./renamed:all"] });
    assertEquals(renamed.reports[0].run.classNames, names);
    assertEquals(towerLines(renamed.said)[0], notRun("renamed, all test images", 12));
  });
});

Deno.test("another prompt of the same images runs the tower, and frozen features stay what they are", async () => {
  await inFolder(async () => {
    // The first epoch has the warm-up's rate.
    const two = { ...SMALL, epochs: 2 };
    await runHere(maple, { ...two, train: "base", eval: ["base"] });
    const { said } = await runHere(maple, { ...two, lr: 0.01, train: "base", eval: ["base"] });
    const [test] = towerLines(said);
    assertEquals(test, "Image features, base test images: 6 computed, 0 from the cache in .cache/features.");
  });
});

Deno.test("without --data a method that needs images takes the sample's, and so does another with --data sample", async () => {
  await inFolder(async () => {
    const one: Given = { shots: 1, epochs: 1, views: 1, train: "base", eval: ["base"] };
    const { reports: [report], folders, said } = await runHere(maple, { ...one, depth: 2 });
    assertEquals(report.on.data.source, "images in data/sample (a part of the test images)");
    assertEquals(
      report.on.data.splitOrigin,
      "of the sample: drawn with 16 shots, and 100 test images a class, which are a part of the published test images",
    );
    assertEquals([report.on.data.images, report.results.metrics.total], [1594, 500]);
    assertEquals(folders, ["runs/eurosat/maple/maple-cvpr23+epochs=1+views=1+depth=2/sample-on-images/shots1/seed1"]);
    assert(said.some((line) => line.startsWith("Data: EuroSAT, 1,594 images in ")), said.join("\n"));
    assert(
      said.some((line) => line.startsWith("The sample holds the published 16-shot draw; 1 shot is")),
      said.join("\n"),
    );
    for (const file of ["report.html", "MODEL_CARD.md"]) {
      const text = await Deno.readTextFile(`${folders[0]}/${file}`);
      assert(/a part of the\s+(published )?test images/.test(text), file);
    }

    const other = await runHere(coop, { ...one, data: "sample" });
    assertEquals([other.reports[0].on.data, other.reports[0].results.metrics.total], [report.on.data, 500]);
    const ofCoop = "Image features, 1 training views: 5 computed, 0 from the cache in .cache/features.";
    assertEquals(towerLines(other.said)[0], ofCoop);
    await assertRejects(() => runHere(maple, { ...one, seeds: [7] }), UserError, "seed");
    await assertRejects(() => runHere(maple, { ...one, shots: 17 }), UserError, "--data EuroSAT.zip");
  });
});

Deno.test("another data set of which the sample has features is evaluated on its images where the tower is prompted", async () => {
  await inFolder(async () => {
    const { reports, said } = await runHere(maple, { ...SMALL, train: "base", eval: ["eurosat:new"] });
    assertEquals(reports[0].on.data.source, "images in data/sample (a part of the test images)");
    assertEquals(reports[0].results.metrics.total, 500);
    assert(towerLines(said).some((line) => line.includes("500 computed")), said.join("\n"));
  });
  const data = openStoredData(await openStoredFeatures(), linesInto([]));
  const { test } = data.draw({ shots: 16, seed: 1, classes: "base" });
  const encoder = { id: "prompt", encode: () => Promise.reject(new Error("never")) };
  await assertRejects(async () => await data.features(test, { what: "", seed: 1, encoder }), Error, "encoded anew");
});

Deno.test("with other weights and no --data, every method that needs images says in a sentence what is missing", async () => {
  await inFolder(async (folder) => {
    await otherWeights(`${folder}/mine.safetensors`);
    const needing = KIT_METHODS.filter(learnsPrompts).filter((method) =>
      method.needsImages?.(publishedValues(method, Object.keys(method.presets)[0], 16))
    );
    assertEquals(needing.map(({ name }) => name), ["ivlp", "maple", "promptsrc", "prometar", "mmrl"]);
    for (const method of needing) {
      const given: Given = { model: "mine.safetensors", engine: "onnx", train: "base", eval: ["base"] };
      const error = await assertRejects(() => openRun(method, given), UserError, "give the images with --data");
      assert(!error.message.includes("\n"), error.message);
    }
  });
});

Deno.test("the sample's images have their data set's own template for other weights, and the sample's for its own", async () => {
  await inFolder(async (folder) => {
    await otherWeights(`${folder}/mine.safetensors`);
    const templates: string[] = [];
    for (const model of ["mine.safetensors", "sample"]) {
      const inputs = await openInputs({ model, data: "sample", engine: "onnx" }, { progress: linesInto([]) });
      templates.push(inputs.data.template);
      await inputs.close();
    }
    assertEquals(templates, ["a centered satellite photo of {}.", "a photo of a {}."]);
  });
});
