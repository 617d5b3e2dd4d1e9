import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { fitLpPlusPlus, learnLpPlusPlus, lpLogits } from "../../src/methods/lp_plus_plus.ts";
import { toUnitRows } from "../../src/methods/feature_method.ts";
import { assertClose, fixture, task, test_NE } from "./feature_cases.ts";

const cases = { present: fixture.lp_present, accumulated: fixture.lp_accumulated } as const;

for (const alphaGradient of ["present", "accumulated"] as const) {
  Deno.test(`LP++ with the ${alphaGradient} gradient of α has PyTorch's epoch and logits`, () => {
    const { bias, epochs, epoch, logits } = cases[alphaGradient];
    const fitted = fitLpPlusPlus(task, { epochs, alphaGradient, bias_C: bias });
    assertEquals(fitted.epoch, epoch);
    const found = lpLogits(fitted.head, toUnitRows(test_NE), toUnitRows(task.textFeatures_CE));
    assertClose(found.to1DArray(), logits, 1e-8);
  });
}

Deno.test("LP++ is the same on every run and has no new classes", () => {
  const one = learnLpPlusPlus(task, { epochs: 20 });
  assertEquals(one.logits(test_NE), learnLpPlusPlus(task, { epochs: 20 }).logits(test_NE));
  assert(typeof one.newClasses !== "function" && one.newClasses.impossible.includes("images of each class"));
});
