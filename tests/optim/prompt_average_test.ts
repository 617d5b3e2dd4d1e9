import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { addToAverage, gaussianWeights, interpolate } from "../../src/optim/prompt_average.ts";
import { assertClose } from "../methods/feature_cases.ts";

Deno.test("Gaussian weights are those of a normal density at the epochs, and sum to 1", () => {
  // NumPy: x = arange(1, 7); g = exp(-0.5 * ((x - 4) / 1.5) ** 2); g / g.sum()
  const expected = [
    0.03802584008921598,
    0.11551230280580961,
    0.22498724433549092,
    0.2809750656281829,
    0.22498724433549092,
    0.11551230280580961,
  ];
  assertClose(gaussianWeights(6, { mean: 4, deviation: 1.5 }), expected, 1e-14);
  assertAlmostEquals(gaussianWeights(200, { mean: 45, deviation: 5 }).reduce((a, b) => a + b), 1, 1e-12);
});

Deno.test("a Gaussian beside the run is refused", () => {
  assertThrows(() => gaussianWeights(10, { mean: 500, deviation: 1 }), UserError, "epochs 1 to 10");
  assertThrows(() => gaussianWeights(10, { mean: 2.5, deviation: 0 }), UserError);
});

Deno.test("a running average is the weighted sum of what it saw", () => {
  const average: Record<string, Float64Array> = {};
  const ctx = Float32Array.of(1, -2);
  addToAverage(average, { ctx: { data: ctx } }, 0.25);
  ctx.set([3, 8]);
  addToAverage(average, { ctx: { data: ctx } }, 0.75);
  assertEquals(average, { ctx: Float64Array.of(2.5, 5.5) });
});

Deno.test("interpolation goes from the start to what was learned", () => {
  const [start, learned] = [{ ctx: { data: Float32Array.of(0, 2) } }, { ctx: { data: Float32Array.of(4, -2) } }];
  assertEquals(interpolate(start, learned, 0).ctx, Float32Array.of(0, 2));
  assertEquals(interpolate(start, learned, 0.25).ctx, Float32Array.of(1, 1));
  assertEquals(interpolate(start, learned, 1).ctx, Float32Array.of(4, -2));
});
