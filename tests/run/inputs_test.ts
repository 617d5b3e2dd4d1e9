/** What a run computes on: the sample's weights and features, and images, by their known bytes and sizes. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { SAMPLE_MODEL_SHA256 } from "../../src/clip/weights/known.ts";
import { STORED_SOURCE } from "../../src/data/sample_features.ts";
import { UserError } from "../../src/errors.ts";
import { zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import { backbonePart, modelFacts, openInputs, weightsFile } from "../../src/run/inputs.ts";
import { ROOT } from "../tasks.ts";
import { otherWeights } from "../small_run.ts";
import { inFolder, linesInto } from "./run_here.ts";

const ON = { engine: "onnx", threads: 1 };
const SAMPLE = { name: "sample", sha256: SAMPLE_MODEL_SHA256, sample: true };
const factsOf = async (model?: string) => {
  const { config: _, ...facts } = await modelFacts({ model });
  return facts;
};

Deno.test("the weights that settings name: the sample's by default, by its word and by any path, others by their file", async () => {
  await inFolder(async (folder) => {
    const path = `${ROOT}data/sample/model.safetensors`;
    assertEquals(await weightsFile(undefined), { path, name: "sample" });
    assertEquals(await weightsFile("sample"), { path, name: "sample" });
    assertEquals(await factsOf(), SAMPLE);
    // Wherever it lies and whatever it is called.
    await Deno.copyFile(path, `${folder}/copy.safetensors`);
    assertEquals(await weightsFile("copy.safetensors"), { path: "copy.safetensors", name: "copy" });
    assertEquals(await factsOf("copy.safetensors"), SAMPLE);
    await otherWeights(`${folder}/mine/model.safetensors`);
    const { sha256, ...rest } = await factsOf("mine/model.safetensors");
    assertEquals(rest, { name: "mine", sample: false });
    assert(/^[0-9a-f]{64}$/.test(sha256) && sha256 !== SAMPLE_MODEL_SHA256);
    await assertRejects(() => modelFacts({ model: "none.safetensors" }), UserError, "no weights none.safetensors");
    await assertRejects(() => weightsFile("ViT-B/16"), UserError, "deno task download ViT-B/16");
  });
});

Deno.test("the model's part of a path tells images from the sample's stored features", () => {
  const on = (name: string, sample: boolean, source: string) => backbonePart({ name, sample }, { source });
  assertEquals([on("sample", true, STORED_SOURCE), on("sample", true, "images"), on("ViT-B/16", false, "images")], [
    "sample",
    "sample-on-images",
    "ViT-B-16",
  ]);
});

Deno.test("the sample: a model on the engine that was asked for, EuroSAT's stored features, and what reports say", async () => {
  await inFolder(async () => {
    const said: string[] = [];
    const inputs = await openInputs(ON, { progress: linesInto(said) });
    try {
      const { model, engine } = inputs.on;
      assertEquals({ name: model.name, sha256: model.sha256, sample: model.sample }, SAMPLE);
      assertEquals([model.config.embedding, model.config.image.size, model.config.text.layers], [128, 64, 4]);
      assertEquals([engine.name, engine.threads], ["onnx", 1]);
      assertEquals(inputs.data.about, {
        name: "EuroSAT",
        source: STORED_SOURCE,
        splitOrigin: "stored with the sample's features, drawn with 16 shots",
        splitSha256: "541503a77d0b26b735d85ec7a3e672804fe0aa466c2e5f07da772cc6c0af8ad2",
        images: 27_000,
      });
      assertEquals(said, [
        "Data: EuroSAT, 27,000 images; features of the sample model are stored, so no image is read.",
      ]);
      // The model reads words, and the features are of this model: a text is nearest to the images of its class.
      const { classNames, test } = inputs.data.draw({ shots: 16, seed: 1, classes: "new" });
      const texts = await zeroShotFeatures(inputs.model, { classNames, templates: [inputs.data.template] });
      assertEquals(texts.shape, [5, 128]);
      assertAlmostEquals(Math.hypot(...texts.data.subarray(0, 128)), 1, 1e-5);
      const twins = ["Sun_Glasses", "Dog", "sun glasses", "Dog"];
      const { data } = await zeroShotFeatures(inputs.model, {
        classNames: twins,
        templates: ["a photo of a {}.", "{}"],
      });
      const row = (c: number) => data.slice(128 * c, 128 * (c + 1));
      assertEquals([row(2), row(3)], [row(0), row(1)], "equal words have equal bits");
      assertNotEquals(row(0), row(1));
      const { shape } = await inputs.data.features(test, { what: "test images", seed: 1 });
      assertEquals(shape, [3900, 128]);
    } finally {
      await inputs.close();
    }
  });
});

Deno.test("images: their own features, and another data set under the same model, closed with it", async () => {
  await inFolder(async () => {
    const said: string[] = [];
    const inputs = await openInputs({ ...ON, data: "images" }, { progress: linesInto(said) });
    assertEquals([inputs.data.about.name, inputs.data.about.images, inputs.on.model.name], ["images", 40, "sample"]);
    const { classNames, train, test } = inputs.data.draw({ shots: 2, seed: 1, classes: "base" });
    assertEquals([classNames, train.length, test.length], [["Field", "Forest"], 4, 6]);
    const features = await inputs.data.features(train, { what: "training images", seed: 1 });
    assertEquals(features.shape, [4, 128]);
    assert(features.data.every(Number.isFinite) && features.data.some((value) => value !== 0));
    assert(
      said.some((line) => line === "Image features, training images: 4 computed, 0 from the cache in .cache/features."),
    );
    const other = await inputs.other("./images");
    assertEquals([other.about.name, other.featureSeconds()], ["images", 0]);
    const stored = await inputs.other("eurosat");
    assertEquals(stored.about.source, STORED_SOURCE);
    await inputs.close();
  });
});

Deno.test("what is missing or does not fit is a sentence, not a defect", async () => {
  await inFolder(async (folder) => {
    const refused = (settings: Record<string, unknown>, words: string) =>
      assertRejects(() => openInputs({ ...ON, ...settings }, { progress: linesInto([]) }), UserError, words);
    await refused({ engine: "onyx" }, 'Did you mean "onnx"?');
    await refused({ model: "none.safetensors" }, "none.safetensors");
    await refused({ data: "nowhere" }, "nowhere");
    await otherWeights(`${folder}/mine/model.safetensors`);
    await refused({ model: "mine/model.safetensors" }, "The stored features belong to the sample model, not to mine/");
    await Deno.writeTextFile(`${folder}/mine/broken.safetensors`, "no weights");
    await refused({ model: "mine/broken.safetensors" }, "broken.safetensors");
  });
});
