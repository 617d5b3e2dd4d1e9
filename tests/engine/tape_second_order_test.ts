/**
 * Second derivatives: a tape over a tape gives the gradient of (gradient · vector), for every operation.
 */
import { assert, assertEquals, assertLess, assertThrows } from "jsr:@std/assert@1.0.19";
import { block } from "../../src/clip/block.ts";
import { freezeBlock, type FrozenBlock } from "../../src/clip/block_weights.ts";
import type { Activation } from "../../src/clip/config.ts";
import type { Engine, HostTensor, Ops, ProgramFunction } from "../../src/engine/ops.ts";
import { tape, type TapeOps, type Var } from "../../src/engine/tape.ts";
import { awayFromDifferences, twoLayers } from "../clip/tower_cases.ts";
import { ENGINES, randomTensor, relativeL2, runOnce, withEngine } from "./ops_cases.ts";
import { caseInputs, CASES, differences, freezeWeights, namedCases, scalarOf } from "./tape_cases.ts";

/** A scalar of some tensors; `below` is the algebra under the tape that it is differentiated with. */
type Scalar = <T>(ops: TapeOps<T>, x: readonly Var<T>[], below: Ops<T>) => Var<T>;

/** Gradients of a scalar. */
function gradientOf<T>(ops: Ops<T>, scalar: Scalar, x: readonly T[]): T[] {
  const taped = tape(ops);
  const variables = x.map((value) => taped.variable(value));
  return taped.gradients(scalar(taped, variables, ops), variables);
}

/** Gradients of (gradient · vector): the matrix of second derivatives times the vector. */
function curvatureAlong<T>(ops: Ops<T>, scalar: Scalar, x: readonly T[], along: readonly T[]): T[] {
  const outer = tape(ops);
  const variables = x.map((value) => outer.variable(value));
  const products = gradientOf(outer, scalar, variables).map((gradient, i) => {
    let product = outer.mul(gradient, outer.fixed(along[i]));
    outer.shape(product).forEach((_, axis) => product = outer.sum(product, axis));
    return outer.reshape(product, []);
  });
  return outer.gradients(products.reduce((sum, product) => outer.add(sum, product)), variables);
}

const vectorsLike = (inputs: readonly HostTensor[]) => inputs.map(({ shape }, i) => randomTensor(shape, 70 + i));

/** Matrix times vector on an engine. */
async function curvatureOn(engine: Engine, scalar: Scalar, inputs: readonly HostTensor[]): Promise<HostTensor[]> {
  const fn: ProgramFunction = (ops, x) =>
    curvatureAlong(ops, scalar, x.slice(0, inputs.length), x.slice(inputs.length));
  return await runOnce(engine, fn, [...inputs, ...vectorsLike(inputs)]);
}

/** Gradient · vector as a function of the inputs, summed in double precision. */
function slopeAlong(engine: Engine, scalar: Scalar, inputs: readonly HostTensor[]) {
  const vectors = vectorsLike(inputs);
  const program = engine.program("slope", (ops, x) => gradientOf(ops, scalar, x));
  return async (x: readonly HostTensor[]): Promise<number> => {
    const gradients = await program.run(x);
    return gradients.reduce(
      (sum, { data }, i) => data.reduce((sum, g, j) => sum + g * vectors[i].data[j], sum),
      0,
    );
  };
}

const numbersOf = (tensors: readonly { data: ArrayLike<number> }[]) => tensors.flatMap(({ data }) => Array.from(data));

/** Fails unless the second derivatives are those of central differences on the first ones, on two kinds of engine. */
async function assertSecondOrder(scalarFor: (engine: Engine) => Scalar, inputs: readonly HostTensor[]): Promise<void> {
  let expected: number[] = [];
  await withEngine("cpu", async (engine) => {
    const value = slopeAlong(engine, scalarFor(engine), inputs);
    expected = (await differences(value, { at: inputs, step: 2e-2 })).flatMap((slopes) => [...slopes]);
  });
  assert(expected.some((number) => Math.abs(number) > 0.01), "the case has no second derivatives");
  for (const name of ENGINES) {
    await withEngine(name, async (engine) => {
      const found = await curvatureOn(engine, scalarFor(engine), inputs);
      assertEquals(found.map(({ shape }) => shape), inputs.map(({ shape }) => [...shape]));
      assertLess(relativeL2(numbersOf(found), expected), 1e-3, name);
    });
  }
}

for (const { name, tested } of namedCases()) {
  Deno.test(`a tape over a tape: ${name} equals central differences of the gradient`, () =>
    assertSecondOrder((engine) => {
      const weights = freezeWeights(engine);
      return (ops, x) => scalarOf(ops, tested.fn(ops, x, weights));
    }, caseInputs(tested)));
}

Deno.test("every operation of the tape has a case", async () => {
  // Every case uses the first three; `custom` has its own tests below.
  const elsewhere = ["variable", "fixed", "gradients", "custom"];
  await withEngine("cpu", async (engine) => {
    await runOnce(engine, (ops, x) => {
      const operations = Object.keys(tape(ops)).filter((name) => !elsewhere.includes(name));
      assertEquals(operations.sort(), Object.keys(CASES).sort());
      assertEquals(operations.sort(), Object.keys(ops).sort());
      return x;
    }, [randomTensor([1], 1)]);
  });
  for (const [operation, cases] of Object.entries(CASES)) assert(cases.length > 0, operation);
});

/** `x³` with its pull-back by hand, both calculated with `ops`. */
function cube<T>(ops: Ops<T>, x: T): { y: T; pullback(dy: T): T } {
  const square = ops.mul(x, x);
  return { y: ops.mul(square, x), pullback: (dy) => ops.mul(dy, ops.scale(square, 3)) };
}

Deno.test("a tape over a tape: custom equals differences when its pull-back is calculated with the outer tape", async () => {
  const scalar: Scalar = (ops, [x, factor], below) => {
    const { y, pullback } = cube(below, x.value);
    return scalarOf(ops, ops.mul(ops.custom([x], y, (dy) => [pullback(dy)]), factor));
  };
  await assertSecondOrder(() => scalar, [randomTensor([5], 3), randomTensor([5], 4)]);
  // Here the cotangent of x³ is constant; the second derivative is 6x.
  await withEngine("cpu", async (engine) => {
    const x = randomTensor([4], 5);
    const sum: Scalar = (ops, [x], below) => {
      const { y, pullback } = cube(below, x.value);
      return ops.sum(ops.custom([x], y, (dy) => [pullback(dy)]), 0);
    };
    const [found] = await curvatureOn(engine, sum, [x]);
    const [vector] = vectorsLike([x]);
    assertLess(relativeL2(found.data, x.data.map((number, i) => 6 * number * vector.data[i])), 1e-6);
  });
});

Deno.test("a tape over a tape: custom refuses what was calculated without the outer tape", async () => {
  await withEngine("cpu", async (engine) => {
    await runOnce(engine, (ops, [x]) => {
      const outer = tape(ops);
      const inner = tape(outer);
      const variable = inner.variable(outer.variable(x));
      const { y, pullback } = cube(ops, x);
      assertThrows(
        () => inner.custom([variable], outer.fixed(y), (dy) => [dy]),
        Error,
        "custom() over another tape got a value that is not recorded there",
      );
      const taped = cube(outer, variable.value);
      const half = inner.custom([variable], taped.y, (dy) => [outer.fixed(pullback(dy.value))]);
      assertThrows(
        () => inner.gradients(inner.sum(half, 0), [variable]),
        Error,
        "custom() over another tape got a pull-back that is not recorded there",
      );
      return [x];
    }, [randomTensor([3], 1)]);
  });
});

/** A block of CLIP's text tower: LayerNorm, attention under a causal mask, LayerNorm, perceptron. */
const [N, L] = [1, 3];

function frozenBlock(engine: Engine, activation: Activation): FrozenBlock {
  const clip = twoLayers();
  return freezeBlock(engine, (name) => clip.tensor(name), {
    prefix: "transformer.resblocks.0",
    tower: { ...clip.config.text, activation },
  });
}

const causal: HostTensor = {
  shape: [1, 1, L, L],
  data: Float32Array.from({ length: L * L }, (_, i) => i % L > Math.floor(i / L) ? -1e9 : 0),
};

/** Through the operations of the block's forward pass, and through its pull-back by hand. */
const BLOCKS: { name: string; scalarFor(weights: FrozenBlock): Scalar }[] = [
  {
    name: "differentiated by the tape",
    scalarFor: (weights) => (ops, [x]) => scalarOf(ops, block(ops, x, weights, { mask: ops.constant(causal) }).y),
  },
  {
    name: "with its pull-back by hand",
    scalarFor: (weights) => (ops, [x], below) => {
      const { y, pullback } = block(below, x.value, weights, { mask: below.constant(causal) });
      return scalarOf(ops, ops.custom([x], y, (dy) => [pullback(dy)]));
    },
  },
];

for (const activation of ["quickgelu", "gelu"] as const) {
  Deno.test(`a tape over a tape: a whole block with ${activation} equals differences, by the tape and by hand`, () =>
    assertWholeBlock(activation));
}

async function assertWholeBlock(activation: Activation): Promise<void> {
  const x = randomTensor([L, N, 128], 11);
  const found: HostTensor[] = [];
  for (const { name, scalarFor } of BLOCKS) {
    await withEngine("cpu", async (engine) => {
      const scalar = scalarFor(frozenBlock(engine, activation));
      const [curvature] = await curvatureOn(engine, scalar, [x]);
      found.push(curvature);
      const value = slopeAlong(engine, scalar, [x]);
      const away = await awayFromDifferences((x) => value([x]), { at: x, gradient: curvature.data });
      assertLess(away, 1e-3, name);
    });
    await withEngine("onnx", async (engine) => {
      const [curvature] = await curvatureOn(engine, scalarFor(frozenBlock(engine, activation)), [x]);
      assertLess(relativeL2(curvature.data, found.at(-1)!.data), 1e-4, name);
    });
  }
  assertLess(relativeL2(found[1].data, found[0].data), 1e-4);
}
