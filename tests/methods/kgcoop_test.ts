import { assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { kgcoopPrompt } from "../../src/methods/kgcoop.ts";
import { assertClose } from "./feature_cases.ts";
import { withEngine } from "../engine/ops_cases.ts";
import { baseMethod, fixture, hand_CE, lossesAt } from "./prompt_loss_cases.ts";

for (const [name, groups] of [["coop", 1], ["cocoop", 4]] as const) {
  Deno.test(`KgCoOp over ${name} has PyTorch's loss and gradient`, async () => {
    const { text, kgcoop: loss, kgcoopGradient } = fixture.cases[groups];
    const method = kgcoopPrompt(baseMethod(name), { handFeatures_CE: hand_CE });
    await withEngine("cpu", async (engine) => {
      const found = await lossesAt(engine, method, { groups, data: text });
      assertEquals(found.length, 1);
      assertAlmostEquals(found[0].loss, loss, 1e-5);
      assertClose(found[0].gradient, kgcoopGradient, 1e-5);
    });
  });
}

Deno.test("λ = 0 is the base method's loss", async () => {
  const { text, crossEntropy, crossEntropyGradient } = fixture.cases[1];
  const method = kgcoopPrompt(baseMethod("coop"), { handFeatures_CE: hand_CE, weight: 0 });
  await withEngine("cpu", async (engine) => {
    const [found] = await lossesAt(engine, method, { groups: 1, data: text });
    assertAlmostEquals(found.loss, crossEntropy, 1e-5);
    assertClose(found.gradient, crossEntropyGradient, 1e-5);
  });
});

Deno.test("names say what it goes over, and all else is the base method's", () => {
  const base = baseMethod("cocoop");
  const method = kgcoopPrompt(base, { handFeatures_CE: hand_CE });
  assertEquals([method.name, kgcoopPrompt(baseMethod("coop"), { handFeatures_CE: hand_CE }).name], [
    "kgcoop-cocoop",
    "kgcoop",
  ]);
  assertEquals([method.params, method.shape, method.contexts], [base.params, base.shape, base.contexts]);
});
