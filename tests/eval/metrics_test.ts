import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { evaluatePredictions, harmonicMean, mean, populationStd } from "../../src/eval/metrics.ts";
import published from "../fixtures/sklearn_metrics.json" with { type: "json" };

Deno.test("metrics equal scikit-learn's, classes without images and never predicted ones included", () => {
  for (const { labels, predictions, classes, accuracy, macroF1, confusion } of published) {
    const classNames = Array.from({ length: classes }, (_, label) => `class ${label}`);
    const metrics = evaluatePredictions(predictions, { labels, classNames });
    assertAlmostEquals(metrics.accuracy, 100 * accuracy, 1e-10);
    assertAlmostEquals(metrics.error, 100 - 100 * accuracy, 1e-10);
    assertAlmostEquals(metrics.macroF1, 100 * macroF1, 1e-10);
    assertEquals(metrics.confusion, confusion);
    assertEquals(metrics.total, labels.length);
  }
});

Deno.test("a class without images is left out of the means and has no accuracy of its own", () => {
  const metrics = evaluatePredictions([0, 2, 1, 1], { labels: [0, 0, 1, 1], classNames: ["a", "b", "c"] });
  assertEquals(metrics.perClass[2], { name: "c", total: 0, correct: 0, accuracy: null, f1: null });
  assertEquals(metrics.meanClassAccuracy, 75);
  assertAlmostEquals(metrics.macroF1, 100 * (2 / 3 + 1) / 2, 1e-12);
  assertEquals([metrics.correct, metrics.total, metrics.accuracy, metrics.error], [3, 4, 75, 25]);
});

Deno.test("the seed notebook's counts give its accuracies", () => {
  const predictions = Array.from({ length: 4200 }, (_, i) => i < 3813 ? 0 : 1);
  const metrics = evaluatePredictions(predictions, { labels: new Array(4200).fill(0), classNames: ["a", "b"] });
  assertEquals(metrics.accuracy.toFixed(1), "90.8");
});

Deno.test("predictions that cannot be right are a defect, not a number", () => {
  const classNames = ["a", "b"];
  assertThrows(() => evaluatePredictions([0], { labels: [0, 1], classNames }), Error, "1 predictions for 2");
  assertThrows(() => evaluatePredictions([], { labels: [], classNames }), Error);
  assertThrows(() => evaluatePredictions([2], { labels: [0], classNames }), Error, "prediction 2");
  assertThrows(() => evaluatePredictions([NaN], { labels: [0], classNames }), Error, "prediction NaN");
});

Deno.test("H and the spread are those of the papers", () => {
  assertEquals(harmonicMean(92.19, 54.74).toFixed(2), "68.69");
  assertEquals(harmonicMean(87.49, 60.04).toFixed(2), "71.21");
  assertEquals(harmonicMean(0, 0), 0);
  assertAlmostEquals(mean([44.0, 75.4, 69.4]), 62.9333, 1e-4);
  assertAlmostEquals(populationStd([44.0, 75.4, 69.4]), 13.6101, 1e-4);
});
