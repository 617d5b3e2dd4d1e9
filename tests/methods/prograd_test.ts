import { assert, assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { fromTemplate, nameLast, prograd, progradPrompt, projected } from "../../src/methods/prograd.ts";
import { completeSettings } from "../../src/run/config.ts";
import { ROOT } from "../tasks.ts";
import { assertClose } from "./feature_cases.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { baseMethod, fixture, hand_CE, lossesAt } from "./prompt_loss_cases.ts";

const options = { handFeatures_CE: hand_CE };

for (const [name, groups] of [["coop", 1], ["cocoop", 4]] as const) {
  Deno.test(`ProGrad over ${name} has PyTorch's two losses and gradients`, async () => {
    const expected = fixture.cases[groups];
    await withEngine("cpu", async (engine) => {
      const at = { groups, data: expected.text };
      const [own, general] = await lossesAt(engine, progradPrompt(baseMethod(name), options), at);
      assertAlmostEquals(own.loss, expected.crossEntropy, 1e-5);
      assertClose(own.gradient, expected.crossEntropyGradient, 1e-5);
      assertAlmostEquals(general.loss, expected.distillation, 1e-5);
      assertClose(general.gradient, expected.distillationGradient, 1e-5);
      const [, soft] = await lossesAt(engine, progradPrompt(baseMethod(name), { ...options, temperature: 2 }), at);
      assertAlmostEquals(soft.loss, expected.softened, 1e-5);
      assertClose(soft.gradient, expected.softenedGradient, 1e-5);
    });
  });
}

Deno.test("a gradient that goes against zero-shot knowledge loses just that part", () => {
  const { own, against, orthogonal, half } = fixture.rule;
  const [g, k] = [Float32Array.from(own), Float32Array.from(against)];
  assertClose(projected(g, k), orthogonal, 1e-6);
  assertClose(projected(g, k, 0.5), half, 1e-6);
  assertAlmostEquals(projected(g, k).reduce((sum, value, i) => sum + value * k[i], 0), 0, 1e-5);
});

Deno.test("a gradient that agrees with zero-shot knowledge stays, and each learned tensor is judged alone", () => {
  const { own, against } = fixture.rule;
  const [g, k] = [Float32Array.from(own), Float32Array.from(against)];
  const agrees = k.map((value) => -value);
  assertEquals(projected(g, agrees), g);
  assertEquals(projected(g, new Float32Array(g.length)), g);
  const combined = progradPrompt(baseMethod("cocoop"), options).combine!([{ a: g, b: g }, { a: k, b: agrees }]);
  assert(combined.a.some((value, i) => value !== g[i]));
  assertEquals(combined.b, g);
});

Deno.test("the templates of all data sets are ProGrad's own", async () => {
  // CUSTOM_TEMPLATES of ProGrad's trainers/prograd.py.
  const published: Record<string, string> = {
    OxfordPets: "a type of pet, a photo of a {}.",
    OxfordFlowers: "a type of flower, a photo of a {}.",
    FGVCAircraft: "a type of aircraft, a photo of a {}.",
    DescribableTextures: "a texture of {}.",
    EuroSAT: "a centered satellite photo of {}.",
    StanfordCars: "a photo of a {}.",
    Food101: "a type of food, a photo of {}.",
    SUN397: "a photo of a {}.",
    Caltech101: "a photo of a {}.",
    UCF101: "a photo of a person doing {}.",
    ImageNet: "a photo of a {}.",
  };
  const ours: Record<string, string> = {};
  for await (const { name } of Deno.readDir(`${ROOT}data/datasets`)) {
    const about = JSON.parse(await Deno.readTextFile(`${ROOT}data/datasets/${name}`));
    ours[about.name] = nameLast(about.template);
  }
  assertEquals(ours, published);
  assertThrows(() => nameLast("a {} and a {}."), UserError, "once");
});

/** A model whose tokens are the lengths of words, and whose embeddings are those lengths. */
const words = {
  tokenizer: { encode: (text: string) => text.split(" ").map((word) => word.length) },
  tokenEmbedding: (id: number) => Float32Array.of(id, -id),
} as unknown as Parameters<typeof fromTemplate>[1]["model"];

Deno.test("a context starts at the template's words behind zeros, in every class's tokens", () => {
  const base = baseMethod("coop");
  const start = (shape: number[]) => {
    const ctx = { shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(7) };
    const at = { model: words, template: "a centered satellite_photo of {}." };
    return fromTemplate({ ...base, params: { ...base.params, ctx } }, at).params.ctx;
  };
  const one = [0, 0, 1, -1, 8, -8, 9, -9, 5, -5, 2, -2];
  assertEquals(start([6, 2]), { shape: [6, 2], data: Float32Array.from(one) });
  assertEquals(start([2, 6, 2]), { shape: [2, 6, 2], data: Float32Array.from([...one, ...one]) });
  assertThrows(() => start([4, 2]), UserError, "5 tokens, more than the 4");
});

Deno.test("a template's words and words of one's own do not go together", () => {
  const own = { preset: "prograd-iccv23", initWords: "a map of a" };
  assertThrows(() => completeSettings(prograd, own), UserError, "--context-start words");
  assertEquals(completeSettings(prograd, { ...own, contextStart: "words" }).changed, ["initWords", "contextStart"]);
  const over = { over: "cocoop", contextStart: "template" } as const;
  assertThrows(() => completeSettings(prograd, over), UserError, "--context-tokens 16");
  assertEquals(completeSettings(prograd, { ...over, contextTokens: 16 }).values.initWords, "");
});
