import { assert, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { sgdStep, type Velocity } from "../../src/optim/sgd.ts";
import fixture from "../fixtures/torch_sgd.json" with { type: "json" };

/** Big-endian float32 bits in hexadecimal, as the fixture has them. */
function floats(hex: string): Float32Array {
  const view = new DataView(Uint8Array.fromHex(hex).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i));
}

// tests/fixtures/torch_sgd.json: torch 2.13.0 on a CPU, torch.optim.SGD(momentum=0.9, weight_decay=5e-4), four steps of
// 64 numbers with the learning rates in the file; parameters 0.02 · randn, gradients 0.3 · randn.
Deno.test("four steps give PyTorch's bits", () => {
  const parameters = { ctx: { shape: [64], data: floats(fixture.start) } };
  const velocity: Velocity = {};
  fixture.lr.forEach((learningRate, step) => {
    const gradients = { ctx: floats(fixture.gradients[step]) };
    sgdStep(parameters, gradients, { learningRate, momentum: 0.9, weightDecay: 5e-4, velocity });
    assertEquals(parameters.ctx.data, floats(fixture.after[step]), `step ${step + 1}`);
  });
  assertEquals(velocity.ctx, floats(fixture.momentum));
});

Deno.test("a rate of its own is that of its parameter alone", () => {
  const step = (options: { learningRate: number; rates?: Record<string, number> }) => {
    const parameters = { ctx: floats(fixture.start), head: floats(fixture.start) };
    const tensors = Object.fromEntries(Object.entries(parameters).map(([name, data]) => [name, { shape: [64], data }]));
    const gradients = { ctx: floats(fixture.gradients[0]), head: floats(fixture.gradients[0]) };
    sgdStep(tensors, gradients, { momentum: 0.9, weightDecay: 5e-4, velocity: {}, ...options });
    return parameters;
  };
  const [slow, fast] = [step({ learningRate: 0.0035 }), step({ learningRate: 0.02275 })];
  const { ctx, head } = step({ learningRate: 0.0035, rates: { head: 0.02275 } });
  assertEquals([ctx, head], [slow.ctx, fast.head]);
  assert(ctx.some((value, i) => value !== head[i]));
});

Deno.test("parameters keep their arrays, and each has momentum of its own", () => {
  const a = Float32Array.of(1);
  const parameters = { a: { shape: [1], data: a }, b: { shape: [1], data: Float32Array.of(2) } };
  const velocity: Velocity = {};
  const options = { learningRate: 0.5, momentum: 0.5, weightDecay: 0, velocity };
  sgdStep(parameters, { a: Float32Array.of(1), b: Float32Array.of(0) }, options);
  sgdStep(parameters, { a: Float32Array.of(0), b: Float32Array.of(1) }, options);
  assertEquals([a[0], parameters.b.data[0]], [0.25, 1.5]);
  assertEquals(velocity, { a: Float32Array.of(0.5), b: Float32Array.of(1) });
});

Deno.test("a missing or misshapen gradient is a defect that is named", () => {
  const parameters = { ctx: { shape: [2], data: new Float32Array(2) } };
  const options = { learningRate: 1, momentum: 0, weightDecay: 0, velocity: {} };
  assertThrows(() => sgdStep(parameters, {}, options), RangeError, '"ctx" has no numbers');
  assertThrows(() => sgdStep(parameters, { ctx: new Float32Array(3) }, options), RangeError, "3 numbers, not 2");
});
