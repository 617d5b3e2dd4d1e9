import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { toMatrix } from "../../src/methods/feature_method.ts";
import { learnLinearProbe, logisticRegression, searchStrength } from "../../src/methods/linear_probe.ts";
import { assertClose, fixture, rows, task, test_NE } from "./feature_cases.ts";

const images_NE = toMatrix(task.train.features_NE);
const { labels } = task.train;

// Weak penalties stop early, at a point that only the same steps reach.
for (const { C, weights, bias } of fixture.probe.fits) {
  Deno.test(`C = ${C} gives scikit-learn's weights`, () => {
    const head = logisticRegression(images_NE, { labels, classes: 3, strength: C });
    assertClose(head.weights_CE.to1DArray(), weights, 1e-6);
    assertClose(head.bias_C, bias, 1e-6);
  });
}

Deno.test("two classes have one row of weights, as in scikit-learn", () => {
  const { C, weights, bias } = fixture.probe.binary;
  const two = toMatrix(rows(fixture.clean.slice(0, 8 * 12), 12));
  const head = logisticRegression(two, { labels: labels.slice(0, 8), classes: 2, strength: C });
  assertClose(head.weights_CE.getRow(1), weights, 1e-6);
  assertAlmostEquals(head.bias_C[1], bias[0], 1e-6);
  assertEquals(head.weights_CE.getRow(0), new Array(12).fill(0));
});

Deno.test("the published search ends at scikit-learn's C", () => {
  const probe = learnLinearProbe(task);
  assertAlmostEquals(probe.chosen.C / fixture.probe.C, 1, 1e-9);
  assertEquals(probe.logits(test_NE).shape, [10, 3]);
  assert(typeof probe.newClasses !== "function" && probe.newClasses.impossible.includes("no text"));
});

Deno.test("the search goes to the better end and halves the way to it", () => {
  // Best at 10^2.6: the sweep finds 10^2, and the ends close in from 10^1 … 10^3.
  const tried: number[] = [];
  const found = searchStrength((strength) => {
    tried.push(Math.log10(strength));
    return { strength, correct: -Math.abs(Math.log10(strength) - 2.6) };
  });
  assertEquals(tried.slice(0, 11).map((x) => Math.round(x * 100) / 100), [6, 4, 2, 0, -2, -4, -6, 1, 3, 2, 3]);
  assertEquals(tried.length, 7 + 16);
  assertAlmostEquals(Math.log10(found.strength), 2.6, 0.05);
});
