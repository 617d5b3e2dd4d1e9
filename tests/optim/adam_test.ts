import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { adamStep } from "../../src/optim/adam.ts";
import fixture from "../fixtures/torch_adam.json" with { type: "json" };

/** Big-endian float32 bits in hexadecimal, as the fixture has them. */
function floats(hex: string): Float32Array {
  const view = new DataView(Uint8Array.fromHex(hex).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i));
}

// tests/fixtures/torch_adam.py: torch 2.13.0 on a CPU, five steps of 64 numbers with one epsilon and decay for each kind.
for (const kind of ["adam", "adamw"] as const) {
  Deno.test(`five steps give PyTorch's bits: ${kind}`, () => {
    const { eps: epsilon, weight_decay: weightDecay, after, ...means } = fixture[kind];
    const ctx = floats(fixture.start);
    const [first, second]: Record<string, Float32Array>[] = [{}, {}];
    const options = { first, second, epsilon, weightDecay, decoupled: kind === "adamw" };
    fixture.lr.forEach((learningRate, steps) => {
      adamStep({ ctx }, { ctx: floats(fixture.gradients[steps]) }, { ...options, learningRate, steps });
      assertEquals(ctx, floats(after[steps]), `step ${steps + 1}`);
    });
    assertEquals([first.ctx, second.ctx], [floats(means.first), floats(means.second)]);
  });
}

const adamw = () => ({ first: {}, second: {}, epsilon: 1e-8, weightDecay: 0, decoupled: true });

Deno.test("three steps in float64 are those of torch.optim.AdamW", () => {
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
  const options = { ...adamw(), epsilon: 1e-4, weightDecay: 0.05 };
  for (const [at, { lr, gradient, after }] of steps.entries()) {
    adamStep({ p }, { p: Float64Array.from(gradient) }, { ...options, learningRate: lr, steps: at });
    after.forEach((value, i) => assertAlmostEquals(p[i], value, 1e-14));
  }
});

Deno.test("each parameter has means of its own", () => {
  const [a, b] = [Float64Array.of(1), Float64Array.of(1)];
  const options = adamw();
  for (const [steps, g] of [1, -1].entries()) {
    const gradients = { a: Float64Array.of(g), b: Float64Array.of(1) };
    adamStep({ a, b }, gradients, { ...options, learningRate: 0.1, steps });
  }
  assertAlmostEquals(b[0], 0.8, 1e-7);
  assertAlmostEquals(a[0], 0.9 + 0.1 * 0.01 / 0.19, 1e-7);
});

Deno.test("a missing or misshapen gradient is a defect that is named", () => {
  const parameters = { ctx: new Float32Array(2) };
  const options = { ...adamw(), learningRate: 1, steps: 0 };
  assertThrows(() => adamStep(parameters, {}, options), RangeError, '"ctx" has no numbers');
  assertThrows(() => adamStep(parameters, { ctx: new Float32Array(3) }, options), RangeError, "3 numbers, not 2");
});
