import { assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { adamwStep } from "../../src/optim/adamw.ts";

Deno.test("three steps are those of torch.optim.AdamW", () => {
  // torch 2.13, float64: AdamW([p], eps=1e-4, weight_decay=0.05) with these rates and gradients.
  const steps = [
    {
      lr: 0.1,
      gradient: [0.5, -1, 0, 2e-4],
      after: [0.8950199960007998, -1.8900099990001, 0.4975, -0.06666666666666665],
    },
    {
      lr: 0.05,
      gradient: [-0.25, -1, 1e-3, 2e-4],
      after: [0.8794689626078471, -1.8352899735026502, 0.46365830216012116, -0.09983333333333316],
    },
    {
      lr: 0.02,
      gradient: [3, 0, -2e-3, 0],
      after: [0.8652761666445987, -1.8179965192674532, 0.4690286479880724, -0.1093209801109703],
    },
  ];
  const p = Float64Array.of(1, -2, 0.5, 0);
  const state = { steps: 0, first: {}, second: {} };
  for (const { lr, gradient, after } of steps) {
    adamwStep({ p }, { p: Float64Array.from(gradient) }, { learningRate: lr, state, epsilon: 1e-4, weightDecay: 0.05 });
    after.forEach((value, i) => assertAlmostEquals(p[i], value, 1e-14));
  }
  assertEquals(state.steps, 3);
});

Deno.test("each parameter has means of its own", () => {
  const [a, b] = [Float64Array.of(1), Float64Array.of(1)];
  const state = { steps: 0, first: {}, second: {} };
  for (const g of [1, -1]) {
    adamwStep({ a, b }, { a: Float64Array.of(g), b: Float64Array.of(1) }, { learningRate: 0.1, state, weightDecay: 0 });
  }
  assertAlmostEquals(b[0], 0.8, 1e-7);
  assertAlmostEquals(a[0], 0.9 + 0.1 * 0.01 / 0.19, 1e-7);
});
