import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { cocoop, coop, kgcoop, prograd } from "../../src/methods/kit.ts";
import { withVariants } from "../../src/methods/method.ts";
import { epochsByShots, epochWeights } from "../../src/methods/prompt_settings.ts";

Deno.test("fewer shots take fewer epochs", () => {
  assertEquals([1, 2, 3, 4, 7, 8, 16, 32].map(epochsByShots), [50, 100, 100, 100, 100, 200, 200, 200]);
});

Deno.test("an average of prompts weighs epochs around its mean, and lies within the run", () => {
  assertEquals(epochWeights({ promptAverage: "", epochs: 20 }), undefined);
  const weights = epochWeights({ promptAverage: "15,1.5", epochs: 20 })!;
  assertEquals([weights.length, weights.indexOf(Math.max(...weights))], [20, 14]);
  assertAlmostEquals(weights.reduce((a, b) => a + b), 1, 1e-12);
  // A Gaussian: one deviation from the mean is exp(-1/2) of it, 1.5 epochs away on both sides.
  assertAlmostEquals(weights[13] / weights[14], Math.exp(-1 / (2 * 1.5 ** 2)), 1e-12);
  assertAlmostEquals(weights[13], weights[15], 1e-15);
  for (const method of [coop, cocoop, ...[kgcoop, prograd].flatMap((one) => withVariants(one as never))]) {
    const values = { promptAverage: "500,1", epochs: 10 };
    assertThrows(() => method.check!(values as never), UserError, "epochs 1 to 10");
  }
});
