import { assert, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import type { HostTensor, Ops } from "../../src/engine/ops.ts";
import { tape } from "../../src/engine/tape.ts";
import { randomTensor, relativeL2, runOnce, withEngine } from "./ops_cases.ts";

type Fn = <T>(ops: Ops<T>, x: readonly T[]) => T;

/** Functions that together use every operation of the algebra; each is held against central differences. */
const CASES: { name: string; fn: Fn; shapes: number[][]; positive?: boolean }[] = [
  { name: "add broadcasts", shapes: [[3, 4], [4]], fn: (o, [a, b]) => o.mul(o.add(a, b), o.add(a, b)) },
  { name: "sub broadcasts", shapes: [[3, 1], [2, 3, 4]], fn: (o, [a, b]) => o.mul(o.sub(a, b), o.sub(a, b)) },
  { name: "mul of itself", shapes: [[5]], fn: (o, [a]) => o.mul(a, o.mul(a, a)) },
  { name: "scale and shift", shapes: [[5]], fn: (o, [a]) => o.mul(o.scale(a, 3), o.shift(a, 2)) },
  { name: "sigmoid", shapes: [[6]], fn: (o, [a]) => o.sigmoid(a) },
  { name: "relu", shapes: [[6]], fn: (o, [a]) => o.mul(o.relu(a), a) },
  { name: "exp", shapes: [[6]], fn: (o, [a]) => o.exp(a) },
  { name: "log", shapes: [[6]], positive: true, fn: (o, [a]) => o.log(a) },
  { name: "rsqrt", shapes: [[6]], positive: true, fn: (o, [a]) => o.rsqrt(a) },
  { name: "softmax", shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.softmax(a), b) },
  { name: "logSoftmax", shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.logSoftmax(a), b) },
  { name: "sum", shapes: [[2, 3]], fn: (o, [a]) => o.mul(o.sum(a, 0), a) },
  { name: "mean", shapes: [[2, 3]], fn: (o, [a]) => o.mul(o.mean(a, -1), a) },
  { name: "standardize", shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.standardize(a, 1e-5).normalized, b) },
  { name: "reshape", shapes: [[2, 6], [3, 4]], fn: (o, [a, b]) => o.mul(o.reshape(a, [3, 4]), b) },
  { name: "transpose", shapes: [[2, 3, 4], [4, 2, 3]], fn: (o, [a, b]) => o.mul(o.transpose(a, [2, 0, 1]), b) },
  { name: "concat", shapes: [[2, 3], [2, 2], [2, 5]], fn: (o, [a, b, c]) => o.mul(o.concat([a, b], 1), c) },
  { name: "slice", shapes: [[4, 5], [2, 2]], fn: (o, [a, b]) => o.mul(o.slice(a, [1, 2], [2, 2]), b) },
  { name: "broadcastTo", shapes: [[1, 3], [4, 3]], fn: (o, [a, b]) => o.mul(o.broadcastTo(a, [4, 3]), b) },
  { name: "matMul", shapes: [[2, 3, 4], [2, 4, 5]], fn: (o, [a, b]) => o.matMul(a, b) },
  { name: "matMul Aᵀ", shapes: [[4, 3], [4, 5]], fn: (o, [a, b]) => o.matMul(a, b, { transposeA: true }) },
  { name: "matMul Bᵀ", shapes: [[3, 4], [5, 4]], fn: (o, [a, b]) => o.matMul(a, b, { transposeB: true }) },
  {
    name: "matMul AᵀBᵀ broadcast",
    shapes: [[1, 4, 3], [2, 5, 4]],
    fn: (o, [a, b]) => o.matMul(a, b, { transposeA: true, transposeB: true }),
  },
];

function scalarOf<T>(ops: Ops<T>, value: T): T {
  const weights = randomTensor(ops.shape(value), 99);
  let out = ops.mul(value, ops.constant(weights));
  ops.shape(out).forEach((_, axis) => out = ops.sum(out, axis));
  return out;
}

for (const { name, fn, shapes, positive } of CASES) {
  Deno.test(`tape: ${name} equals central differences`, async () => {
    await withEngine("cpu", async (engine) => {
      const inputs = shapes.map((shape, i) => {
        const tensor = randomTensor(shape, 7 + i);
        return positive ? { shape, data: tensor.data.map((x) => 0.5 + Math.abs(x)) } : tensor;
      });
      const gradients = await runOnce(engine, (ops, x) => {
        const taped = tape(ops);
        const variables = x.map((value) => taped.variable(value));
        return taped.gradients(scalarOf(taped, fn(taped, variables)), variables);
      }, inputs);
      const value = async (x: readonly HostTensor[]) =>
        (await runOnce(engine, (ops, t) => [scalarOf(ops, fn(ops, t))], x))[0].data[0];
      const h = 1e-2;
      for (let i = 0; i < inputs.length; i++) {
        const expected = new Float64Array(inputs[i].data.length);
        for (let j = 0; j < expected.length; j++) {
          const moved = (by: number) =>
            inputs.map((input, k) =>
              k === i ? { ...input, data: input.data.map((x, n) => n === j ? x + by : x) } : input
            );
          expected[j] = (await value(moved(h)) - await value(moved(-h))) / (2 * h);
        }
        assertLess(relativeL2(gradients[i].data, expected), 3e-3);
      }
    });
  });
}

Deno.test("tape: a variable that the scalar does not depend on has a gradient of zeros", async () => {
  await withEngine("cpu", async (engine) => {
    const [gradient] = await runOnce(engine, (ops, [x, y]) => {
      const taped = tape(ops);
      const [used, unused] = [taped.variable(x), taped.variable(y)];
      return taped.gradients(taped.sum(taped.mul(used, used), 0), [unused]);
    }, [randomTensor([3], 1), randomTensor([2, 2], 2)]);
    assert(gradient.data.every((value) => value === 0) && gradient.data.length === 4);
  });
});

Deno.test("tape: gradients of more than one number are refused", async () => {
  await withEngine("cpu", async (engine) => {
    await runOnce(engine, (ops, [x]) => {
      const taped = tape(ops);
      const variable = taped.variable(x);
      assertThrows(() => taped.gradients(variable, [variable]), Error, "scalar");
      return [x];
    }, [randomTensor([3], 1)]);
  });
});
