import { assert, assertAlmostEquals, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { describeDataset, ensembleTemplates } from "../../src/data/catalogue.ts";
import { chooseClasses } from "../../src/data/few_shot.ts";
import { readSampleFeatures } from "../../src/data/sample_features.ts";
import { namedStream } from "../../src/data/random.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { UserError } from "../../src/errors.ts";
import { readReport } from "../../src/eval/report_file.ts";
import { featureLogits, fillTemplate, zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import { assertSentence, runRecipe } from "../small_run.ts";
import { ROOT } from "../tasks.ts";

const E = 6;

/** A tower whose features are random numbers of each text, of any length. */
function toyFeatures(text: string): number[] {
  const random = namedStream(3, text);
  return Array.from({ length: E }, () => Math.fround(5 * random.normal()));
}

const toy = {
  config: { embedding: E } as Parameters<typeof zeroShotFeatures>[0]["config"],
  encodeTexts: (texts: string[]) =>
    Promise.resolve({ shape: [texts.length, E], data: Float32Array.from(texts.flatMap(toyFeatures)) }),
};

const unit = (x: number[]) => x.map((value) => value / Math.hypot(...x));

/** The formula in float64: normalise each text's feature, average over templates, normalise again. */
function ensemble(features: number[][]): number[] {
  const units = features.map(unit);
  return unit(units[0].map((_, e) => units.reduce((sum, one) => sum + one[e], 0) / units.length));
}

Deno.test("one template: normalised; the ensemble of seven and any list: averaged between two normalisations", async () => {
  const classNames = ["River", "Sea_or_Lake"];
  const seven = ensembleTemplates(describeDataset("eurosat"));
  for (const templates of [["a photo of a {}."], seven, ["{} one", "two {}", "three {} and {}"]]) {
    const { shape, data } = await zeroShotFeatures(toy, { classNames, templates });
    assertEquals(shape, [2, E]);
    classNames.forEach((name, c) => {
      const texts = templates.map((template) => template.replaceAll("{}", name.replaceAll("_", " ")));
      const expected = ensemble(texts.map(toyFeatures));
      expected.forEach((value, e) => assertAlmostEquals(data[c * E + e], value, 1e-6));
    });
  }
  assert(seven.length >= 7);
});

Deno.test("templates without a place for the name are refused; names may hold anything", async () => {
  await assertRejects(() => zeroShotFeatures(toy, { classNames: ["a"], templates: ["a photo."] }), UserError, "no {}");
  assertEquals(fillTemplate("a {} and a {}.", "$& $1 x_y"), "a $& $1 x y and a $& $1 x y.");
});

Deno.test("logits are scaled cosines", () => {
  const images = { shape: [2, 2], data: Float32Array.of(1, 0, 0.6, 0.8) };
  const texts = { shape: [3, 2], data: Float32Array.of(1, 0, 0, 1, -0.6, 0.8) };
  const { shape, data } = featureLogits(images, texts, { logitScale: 10 });
  assertEquals(shape, [2, 3]);
  [10, 0, -6, 6, 8, 2.8].forEach((value, i) => assertAlmostEquals(data[i], value, 1e-6));
});

Deno.test("the recipe with templates of one's own says of every test image what float64 says", async () => {
  const templates = ["a photo of a {}.", "a satellite photo of {}."];
  const folder = await Deno.makeTempDir({ prefix: "clip-prompts-" });
  const engine = await openEngine("cpu");
  try {
    const args = ["--templates", templates.join("|"), "--eval", "new", "--engine", "cpu", "--quiet"];
    const { code, stderr } = await runRecipe(folder, { recipe: "zero_shot", args });
    assertEquals(code, 0, stderr);
    const kind = "a-photo-of-a-.-a-satellite-photo-of-.";
    const { run, results } = await readReport(`${folder}/runs/eurosat/zeroshot/${kind}/sample/report-new.json`);
    assertEquals(run.prompts[0], templates.map((template) => template.replace("{}", run.classNames[0])));

    const stored = readSampleFeatures(await Deno.readFile(`${ROOT}data/sample/features.safetensors`), "the sample");
    const { test, classNames } = chooseClasses(stored.split(1), "new");
    const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    const rows = ({ shape: [N, width], data }: { shape: readonly number[]; data: Float32Array }) =>
      Array.from({ length: N }, (_, n) => [...data.subarray(n * width, (n + 1) * width)]);
    const encoded = rows(
      await model.encodeTexts(templates.flatMap((one) => classNames.map((name) => one.replace("{}", name)))),
    );
    const texts = classNames.map((_, c) => ensemble(templates.map((_, t) => encoded[t * classNames.length + c])));
    let near = 0;
    rows(stored.plain(test, 1)).map(unit).forEach((image, n) => {
      const cosines = texts.map((text) => text.reduce((sum, value, e) => sum + value * image[e], 0));
      const [first, second] = cosines.toSorted((a, b) => b - a);
      // Float32 may decide otherwise where two classes are all but equal.
      if (first - second < 1e-5) near++;
      else assertEquals(results.predictions.predictions[n], cosines.indexOf(first), test[n].path);
    });
    assert(near < 5, `${near} of ${test.length}`);
    await model.dispose();

    assertSentence(
      await runRecipe(folder, { recipe: "zero_shot", args: ["--templates", "a photo.", "--quiet"] }),
      "no {} for the class name",
    );
  } finally {
    await engine.dispose();
    await Deno.remove(folder, { recursive: true });
  }
});
