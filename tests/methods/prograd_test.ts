import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { progradPrompt, projected } from "../../src/methods/prograd.ts";
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
