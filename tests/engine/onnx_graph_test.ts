import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertRejects,
  assertThrows,
} from "jsr:@std/assert@1.0.19";
import { loadOnnxRuntime } from "../../src/deps.ts";
import { writeGraph } from "../../src/engine/onnx_graph.ts";
import { onnxModel } from "../../src/engine/onnx_model.ts";
import type { WrittenGraph } from "../../src/engine/onnx_nodes.ts";
import { broadcastShape, type Symbol } from "../../src/engine/onnx_symbol.ts";
import type { Frozen, HostTensor, Ops } from "../../src/engine/ops.ts";

/** A frozen tensor that carries its own numbers. */
interface Weight extends Frozen {
  host: HostTensor;
}

const tensor = (shape: number[], ...numbers: number[]): HostTensor => ({ shape, data: Float32Array.from(numbers) });

function weight(name: string, shape: number[], ...numbers: number[]): Weight {
  return { name, shape, host: tensor(shape, ...numbers) };
}

type Fn = (ops: Ops<Symbol>, x: Symbol[]) => readonly Symbol[];

function written(shapes: readonly (readonly number[])[], fn: Fn): WrittenGraph {
  const writer = writeGraph();
  return writer.finish("small", fn(writer.ops, shapes.map((shape) => writer.input(shape))));
}

const nodesOf = ({ graph }: WrittenGraph) => graph.nodes.map(({ op }) => op);

/** Runs a graph in ONNX Runtime, which also checks it. */
async function run({ graph, frozen }: WrittenGraph, inputs: readonly HostTensor[]): Promise<HostTensor[]> {
  const runtime = await loadOnnxRuntime();
  const session = await runtime.InferenceSession.create(onnxModel(graph), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    externalData: [...frozen].map(([path, value]) => ({
      path,
      data: new Uint8Array((value as Weight).host.data.buffer),
    })),
  });
  const feeds = inputs.map(({ shape, data }, i) => [`in${i}`, new runtime.Tensor("float32", data, shape)]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return graph.outputs.map(({ name }) => ({
    shape: [...results[name].dims],
    data: results[name].data as Float32Array,
  }));
}

const W = weight("W", [2, 3], 1, 2, 3, -1, 0, 1);
const b = weight("b", [2], 10, 20);
const e = Math.E;

interface Known {
  fn: (ops: Ops<Symbol>, x: Symbol[]) => Symbol;
  inputs: HostTensor[];
  expected: HostTensor;
}

/** Every operation on numbers that are checked by hand. */
const KNOWN: Record<Exclude<keyof Ops<unknown>, "kernels">, Known[]> = {
  shape: [{
    fn: (o, [x]) => o.reshape(x, [...o.shape(x)].reverse()),
    inputs: [tensor([1, 2], 5, 6)],
    expected: tensor([2, 1], 5, 6),
  }],
  constant: [{
    fn: (o, [x]) => o.add(x, o.constant(tensor([2], 10, 20))),
    inputs: [tensor([2, 2], 1, 2, 3, 4)],
    expected: tensor([2, 2], 11, 22, 13, 24),
  }],
  frozen: [{ fn: (o, [x]) => o.mul(x, o.frozen(b)), inputs: [tensor([2], 3, -1)], expected: tensor([2], 30, -20) }],
  linear: [
    {
      fn: (o, [x]) => o.linear(x, W, b),
      inputs: [tensor([2, 1, 3], 1, 1, 1, 0, 2, 5)],
      expected: tensor([2, 1, 2], 16, 20, 29, 25),
    },
    { fn: (o, [x]) => o.linear(x, W), inputs: [tensor([1, 3], 1, 1, 1)], expected: tensor([1, 2], 6, 0) },
  ],
  linearPullback: [{
    fn: (o, [dy]) => o.linearPullback(dy, W),
    inputs: [tensor([2, 1, 2], 1, 0, 2, 1)],
    expected: tensor([2, 1, 3], 1, 2, 3, 1, 4, 7),
  }],
  matMul: [
    {
      fn: (o, [x, y]) => o.matMul(x, y),
      inputs: [tensor([2, 1, 2], 1, 2, 3, 4), tensor([1, 2, 1], 5, 7)],
      expected: tensor([2, 1, 1], 19, 43),
    },
    {
      fn: (o, [x, y]) => o.matMul(x, y, { transposeA: true }),
      inputs: [tensor([2, 1], 1, 2), tensor([2, 2], 1, 2, 3, 4)],
      expected: tensor([1, 2], 7, 10),
    },
    {
      fn: (o, [x, y]) => o.matMul(x, y, { transposeB: true }),
      inputs: [tensor([1, 2], 1, 2), tensor([2, 2], 1, 2, 3, 4)],
      expected: tensor([1, 2], 5, 11),
    },
    {
      fn: (o, [x, y]) => o.matMul(x, y, { transposeA: true, transposeB: true }),
      inputs: [tensor([2, 1], 1, 2), tensor([2, 2], 1, 2, 3, 4)],
      expected: tensor([1, 2], 5, 11),
    },
  ],
  add: [{
    fn: (o, [x, y]) => o.add(x, y),
    inputs: [tensor([2, 1], 1, 2), tensor([3], 10, 20, 30)],
    expected: tensor([2, 3], 11, 21, 31, 12, 22, 32),
  }],
  sub: [{ fn: (o, [x, y]) => o.sub(x, y), inputs: [tensor([2], 1, 2), tensor([1], 5)], expected: tensor([2], -4, -3) }],
  mul: [{
    fn: (o, [x, y]) => o.mul(x, y),
    inputs: [tensor([2], 3, 2), tensor([2], 5, -1)],
    expected: tensor([2], 15, -2),
  }],
  scale: [{ fn: (o, [x]) => o.scale(x, -2), inputs: [tensor([2], 1, 3)], expected: tensor([2], -2, -6) }],
  shift: [{ fn: (o, [x]) => o.shift(x, 0.5), inputs: [tensor([2], 1, 3)], expected: tensor([2], 1.5, 3.5) }],
  sigmoid: [{
    fn: (o, [x]) => o.sigmoid(x),
    inputs: [tensor([3], 0, Math.log(3), -Math.log(3))],
    expected: tensor([3], 0.5, 0.75, 0.25),
  }],
  erf: [{
    fn: (o, [x]) => o.erf(x),
    inputs: [tensor([3], -1, 0, 2)],
    expected: tensor([3], -0.8427007929, 0, 0.9953222650),
  }],
  relu: [{ fn: (o, [x]) => o.relu(x), inputs: [tensor([3], -2, 0, 3)], expected: tensor([3], 0, 0, 3) }],
  step: [{ fn: (o, [x]) => o.step(x), inputs: [tensor([3], -2, 0, 3)], expected: tensor([3], 0, 0, 1) }],
  exp: [{ fn: (o, [x]) => o.exp(x), inputs: [tensor([2], 0, 1)], expected: tensor([2], 1, e) }],
  log: [{ fn: (o, [x]) => o.log(x), inputs: [tensor([2], 1, e)], expected: tensor([2], 0, 1) }],
  rsqrt: [{ fn: (o, [x]) => o.rsqrt(x), inputs: [tensor([2], 4, 0.25)], expected: tensor([2], 0.5, 2) }],
  softmax: [{
    fn: (o, [x]) => o.softmax(x),
    inputs: [tensor([2, 2], 0, Math.log(3), 5, 5)],
    expected: tensor([2, 2], 0.25, 0.75, 0.5, 0.5),
  }],
  logSoftmax: [{
    fn: (o, [x]) => o.logSoftmax(x),
    inputs: [tensor([1, 2], 0, Math.log(3))],
    expected: tensor([1, 2], Math.log(0.25), Math.log(0.75)),
  }],
  sum: [
    { fn: (o, [x]) => o.sum(x, 0), inputs: [tensor([2, 2], 1, 2, 3, 4)], expected: tensor([1, 2], 4, 6) },
    { fn: (o, [x]) => o.sum(x, -1), inputs: [tensor([2, 2], 1, 2, 3, 4)], expected: tensor([2, 1], 3, 7) },
  ],
  mean: [
    { fn: (o, [x]) => o.mean(x, 0), inputs: [tensor([2, 2], 1, 2, 3, 4)], expected: tensor([1, 2], 2, 3) },
    { fn: (o, [x]) => o.mean(x, -1), inputs: [tensor([2, 2], 1, 2, 3, 4)], expected: tensor([2, 1], 1.5, 3.5) },
  ],
  standardize: [
    {
      fn: (o, [x]) => o.standardize(x, 0).normalized,
      inputs: [tensor([2, 2], 1, 3, 10, 2)],
      expected: tensor([2, 2], -1, 1, 1, -1),
    },
    // The variances are 1 and 16; 9 is added to them.
    {
      fn: (o, [x]) => o.standardize(x, 9).rstd,
      inputs: [tensor([2, 2], 1, 3, 10, 2)],
      expected: tensor([2, 1], 1 / Math.sqrt(10), 0.2),
    },
  ],
  reshape: [{
    fn: (o, [x]) => o.reshape(x, [4]),
    inputs: [tensor([2, 2], 1, 2, 3, 4)],
    expected: tensor([4], 1, 2, 3, 4),
  }],
  transpose: [{
    fn: (o, [x]) => o.transpose(x, [2, 0, 1]),
    inputs: [tensor([1, 2, 3], 1, 2, 3, 4, 5, 6)],
    expected: tensor([3, 1, 2], 1, 4, 2, 5, 3, 6),
  }],
  concat: [{
    fn: (o, [x, y]) => o.concat([x, y, x], -1),
    inputs: [tensor([2, 1], 1, 2), tensor([2, 2], 3, 4, 5, 6)],
    expected: tensor([2, 4], 1, 3, 4, 1, 2, 5, 6, 2),
  }],
  slice: [{
    fn: (o, [x]) => o.slice(x, [1, 0], [1, 2]),
    inputs: [tensor([2, 3], 1, 2, 3, 4, 5, 6)],
    expected: tensor([1, 2], 4, 5),
  }],
  broadcastTo: [{
    fn: (o, [x]) => o.broadcastTo(x, [2, 2, 2]),
    inputs: [tensor([2, 1], 7, 8)],
    expected: tensor([2, 2, 2], 7, 7, 8, 8, 7, 7, 8, 8),
  }],
};

Deno.test("ONNX Runtime gets the known numbers and shapes from the graph of every operation", async () => {
  const { ops } = writeGraph();
  assertEquals(Object.keys(KNOWN).sort(), Object.keys(ops).sort());
  for (const [operation, cases] of Object.entries(KNOWN)) {
    assert(cases.length > 0, operation);
    for (const { fn, inputs, expected } of cases) {
      const graph = written(inputs.map(({ shape }) => shape), (ops, x) => [fn(ops, x)]);
      const [found] = await run(graph, inputs);
      assertEquals(graph.graph.outputs.map(({ shape }) => [...shape]), [[...expected.shape]], operation);
      assertEquals(found.shape, [...expected.shape], operation);
      expected.data.forEach((number, i) => assertAlmostEquals(found.data[i], number, 1e-6, operation));
    }
  }
});

Deno.test("each of a graph's numbers is written once, and by its bits", async () => {
  const zeros = tensor([2], 0, 0);
  const minusZero = tensor([2], 0, -0);
  const graph = written([[2]], (ops, [x]) => {
    const [a, again, other, tall] = [zeros, tensor([2], 0, 0), minusZero, tensor([2, 1], 0, 0)].map(ops.constant);
    assertEquals(again, a);
    assert(other.name !== a.name && tall.name !== a.name);
    const scaled = ops.scale(ops.scale(ops.shift(x, 2), 3), 2);
    return [ops.add(scaled, a), ops.slice(ops.slice(ops.concat([x, x], 0), [1], [3]), [1], [2]), other];
  });
  assertEquals(
    graph.graph.initializers.map((value) => [
      value.name,
      [...value.shape],
      "floats" in value ? [...value.floats] : "integers" in value ? [...value.integers] : value.file,
    ]),
    [
      ["c0", [2], [0, 0]],
      ["c1", [2], [0, -0]],
      ["c2", [2, 1], [0, 0]],
      ["c3", [], [2]],
      ["c4", [], [3]],
      ["c5", [1], [1]],
      ["c6", [1], [4]],
      ["c7", [1], [3]],
    ],
  );
  const [sum, part, last] = await run(graph, [tensor([2], 1, 5)]);
  assertEquals([...sum.data], [18, 42]);
  assertEquals([...part.data], [1, 5]);
  assert(Object.is(last.data[1], -0));
  // Long constants are not compared.
  const long = written([[1]], (ops) => [1, 2].map(() => ops.constant({ shape: [65], data: new Float32Array(65) })));
  assertEquals(long.graph.initializers.map(({ name }) => name), ["c0", "c1"]);
});

Deno.test("a constant keeps its numbers when the caller changes them after the call", async () => {
  const host = tensor([1], 4);
  const graph = written([[1]], (ops, [x]) => [ops.mul(x, ops.constant(host))]);
  host.data[0] = 9;
  const [{ data }] = await run(graph, [tensor([1], 2)]);
  assertEquals([...data], [8]);
});

Deno.test("frozen weights stay outside the model, in one external file each", async () => {
  const size = 128;
  const big: Weight = {
    name: "big",
    shape: [size, size],
    host: { shape: [size, size], data: Float32Array.from({ length: size * size }, (_, i) => i % (size + 1) ? 0 : 3) },
  };
  const graph = written([[1, size]], (ops, [x]) => [ops.linearPullback(ops.linear(x, big), big), ops.frozen(b)]);
  assertEquals(graph.graph.initializers, [
    { name: "w0", shape: [size, size], file: "w0", bytes: 4 * size * size },
    { name: "w1", shape: [2], file: "w1", bytes: 8 },
  ]);
  assertEquals([...graph.frozen.keys()], ["w0", "w1"]);
  assert(graph.frozen.get("w0") === big && graph.frozen.get("w1") === b);
  assertLess(onnxModel(graph.graph).length, 1000);
  const x = Float32Array.from({ length: size }, (_, i) => i - 7);
  const [y] = await run(graph, [{ shape: [1, size], data: x }]);
  assertEquals([...y.data], [...x].map((number) => 9 * number));
  await assertRejects(() => run({ ...graph, frozen: new Map() }, [{ shape: [1, size], data: x }]), Error, "w0");
});

Deno.test("reshapes are written where a node needs the shape, and once", async () => {
  const x = tensor([2, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8);
  const cases: { fn: Fn; nodes: string[]; expected: number[] }[] = [
    { fn: (o, [x]) => [o.reshape(o.reshape(x, [8]), [2, 2, 2])], nodes: [], expected: [1, 2, 3, 4, 5, 6, 7, 8] },
    {
      fn: (o, [x]) => [o.reshape(o.scale(o.shift(o.reshape(x, [8]), 1), 2), [2, 2, 2])],
      nodes: ["Add", "Mul"],
      expected: [4, 6, 8, 10, 12, 14, 16, 18],
    },
    {
      fn: (o, [x]) => [o.scale(o.reshape(x, [8]), 2)],
      nodes: ["Mul", "Reshape"],
      expected: [2, 4, 6, 8, 10, 12, 14, 16],
    },
    {
      fn: (o, [x]) => [o.add(o.reshape(x, [4, 2]), o.scale(o.reshape(x, [4, 2]), 10))],
      nodes: ["Mul", "Add", "Reshape"],
      expected: [11, 22, 33, 44, 55, 66, 77, 88],
    },
    {
      fn(o, [x]) {
        const turned = o.transpose(o.reshape(x, [4, 2]), [1, 0]);
        return [o.add(turned, o.transpose(o.reshape(x, [4, 2]), [1, 0]))];
      },
      nodes: ["Reshape", "Transpose", "Transpose", "Add"],
      expected: [2, 6, 10, 14, 4, 8, 12, 16],
    },
    {
      fn(o, [x]) {
        const swapped = o.linear(x, weight("swap", [2, 2], 0, 1, 1, 0));
        return [o.mul(swapped, o.sum(swapped, -1))];
      },
      nodes: ["Reshape", "Gemm", "ReduceSum", "Mul", "Reshape"],
      expected: [6, 3, 28, 21, 66, 55, 120, 105],
    },
    // A product makes rows; what works on each row by itself stays with them.
    {
      fn: (o, [x]) => [o.sum(o.linear(o.reshape(x, [2, 1, 2, 2]), weight("two", [1, 2], 1, 1)), -1)],
      nodes: ["Reshape", "Gemm", "ReduceSum", "Reshape"],
      expected: [3, 7, 11, 15],
    },
  ];
  for (const { fn, nodes, expected } of cases) {
    const graph = written([x.shape], fn);
    assertEquals(nodesOf(graph), [...nodes, "Identity"]);
    assertEquals([...(await run(graph, [x]))[0].data], expected);
  }
});

Deno.test("what changes nothing writes no node", () => {
  const graph = written([[2, 3]], (ops, [x]) => {
    const same = [
      ops.transpose(x, [0, 1]),
      ops.slice(x, [0, 0], [2, 3]),
      ops.broadcastTo(x, [2, 3]),
      ops.concat([x], 1),
      ops.reshape(x, [2, 3]),
    ];
    same.forEach((y) => assert(y === x));
    return [x];
  });
  assertEquals(nodesOf(graph), ["Identity"]);
});

Deno.test("outputs may be inputs, frozen, and the same twice", async () => {
  const graph = written([[2]], (ops, [x]) => {
    const y = ops.scale(x, 2);
    return [x, y, y, ops.frozen(b)];
  });
  assertEquals(graph.graph.outputs.map(({ name }) => name), ["out0", "out1", "out2", "out3"]);
  const outputs = await run(graph, [tensor([2], 1, 2)]);
  assertEquals(outputs.map(({ data }) => [...data]), [[1, 2], [2, 4], [2, 4], [10, 20]]);
});

Deno.test("the floating-point operations of products are counted", () => {
  const flops = (shapes: number[][], fn: Fn) => written(shapes, fn).flops;
  assertEquals(flops([[5, 4, 3]], (o, [x]) => [o.linear(x, W, b)]), 2 * 20 * 3 * 2);
  assertEquals(flops([[5, 4, 2]], (o, [x]) => [o.linearPullback(x, W)]), 2 * 20 * 2 * 3);
  assertEquals(flops([[7, 1, 4, 3], [2, 3, 5]], (o, [x, y]) => [o.matMul(x, y)]), 2 * 7 * 2 * 4 * 3 * 5);
  assertEquals(flops([[4, 3], [4, 5]], (o, [x, y]) => [o.matMul(x, y, { transposeA: true })]), 2 * 3 * 4 * 5);
  assertEquals(flops([[4, 3]], (o, [x]) => [o.softmax(x)]), 0);
});

Deno.test("operands that do not fit are refused while the graph is written", () => {
  const refused = (shapes: number[][], message: string, fn: (ops: Ops<Symbol>, x: Symbol[]) => Symbol) =>
    assertThrows(() => written(shapes, (ops, x) => [fn(ops, x)]), Error, message);
  refused([[2, 3], [2]], "Shapes [2,3] and [2] do not broadcast", (o, [x, y]) => o.add(x, y));
  refused([[2, 3]], "Cannot reshape [2,3] to [4]", (o, [x]) => o.reshape(x, [4]));
  refused([[2, 2]], "W [2,3] does not fit rows of [2,2]", (o, [x]) => o.linear(x, W));
  refused([[2, 3]], "W [2,3] does not fit rows of [2,3]", (o, [x]) => o.linearPullback(x, W));
  refused([[2, 3], [2, 3]], "Cannot multiply [2,3] and [2,3]", (o, [x, y]) => o.matMul(x, y));
  refused([[3], [3, 2]], "Cannot multiply [3] and [3,2]", (o, [x, y]) => o.matMul(x, y));
  refused([[2, 4, 3], [3, 3, 4]], "Shapes [2] and [3] do not broadcast", (o, [x, y]) => o.matMul(x, y));
});

Deno.test("shapes broadcast as NumPy's do", () => {
  assertEquals(broadcastShape([], []), []);
  assertEquals(broadcastShape([3, 1], [4]), [3, 4]);
  assertEquals(broadcastShape([2, 1, 4], [3, 1]), [2, 3, 4]);
  assertThrows(() => broadcastShape([2], [3]), Error, "[2] and [3]");
});
