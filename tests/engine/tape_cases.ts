/**
 * Functions for every operation of the algebra, whose first and second derivatives are compared with differences.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../../src/engine/ops.ts";
import { randomTensor } from "./ops_cases.ts";

/** Frozen numbers that the functions may use. */
export interface CaseWeights {
  /** [3, 4] */
  matrix: Frozen;
  /** [3] */
  bias: Frozen;
}

/** A function of tensors whose shapes are `shapes`. */
export interface TapeCase {
  /** Which use of the operation, where there are several. */
  name?: string;
  fn: <T>(ops: Ops<T>, x: readonly T[], weights: CaseWeights) => T;
  shapes: readonly (readonly number[])[];
  /** Where the operation is defined or smooth: `positive` is above 0.5, `awayFromZero` more than 0.3 on either side. */
  range?: "positive" | "awayFromZero";
}

/** What every algebra has. */
type Operation = Exclude<keyof Ops<unknown>, "kernels">;

/** Each operation's cases. Its values are squared, so that linear operations have second derivatives as well. */
export const CASES: Record<Operation, readonly TapeCase[]> = {
  shape: [{ shapes: [[2, 3]], fn: (o, [a]) => o.reshape(a, [...o.shape(a)].reverse()) }],
  constant: [{ shapes: [[5]], fn: (o, [a]) => o.mul(a, o.constant(randomTensor([5], 31))) }],
  frozen: [{ shapes: [[2, 3]], fn: (o, [a], { bias }) => o.mul(a, o.frozen(bias)) }],
  linear: [
    { shapes: [[2, 2, 4]], fn: (o, [a], { matrix, bias }) => o.linear(a, matrix, bias) },
    { name: "without a bias", shapes: [[2, 4]], fn: (o, [a], { matrix }) => o.linear(a, matrix) },
  ],
  linearPullback: [{ shapes: [[2, 2, 3]], fn: (o, [a], { matrix }) => o.linearPullback(a, matrix) }],
  matMul: [
    { shapes: [[2, 3, 4], [2, 4, 5]], fn: (o, [a, b]) => o.matMul(a, b) },
    { name: "Aᵀ", shapes: [[4, 3], [4, 5]], fn: (o, [a, b]) => o.matMul(a, b, { transposeA: true }) },
    { name: "Bᵀ", shapes: [[3, 4], [5, 4]], fn: (o, [a, b]) => o.matMul(a, b, { transposeB: true }) },
    {
      name: "AᵀBᵀ broadcast",
      shapes: [[1, 4, 3], [2, 5, 4]],
      fn: (o, [a, b]) => o.matMul(a, b, { transposeA: true, transposeB: true }),
    },
  ],
  add: [{ name: "broadcast", shapes: [[3, 4], [4]], fn: (o, [a, b]) => o.add(a, b) }],
  sub: [{ name: "broadcast", shapes: [[3, 1], [2, 3, 4]], fn: (o, [a, b]) => o.sub(a, b) }],
  mul: [
    { name: "broadcast", shapes: [[3, 4], [3, 1]], fn: (o, [a, b]) => o.mul(a, b) },
    { name: "of itself", shapes: [[5]], fn: (o, [a]) => o.mul(a, o.mul(a, a)) },
  ],
  scale: [{ shapes: [[5]], fn: (o, [a]) => o.scale(a, 1.5) }],
  shift: [{ shapes: [[5]], fn: (o, [a]) => o.mul(o.shift(a, 2), a) }],
  sigmoid: [{ shapes: [[6]], fn: (o, [a]) => o.sigmoid(a) }],
  erf: [{ shapes: [[6]], fn: (o, [a]) => o.erf(a) }],
  relu: [{ shapes: [[6]], range: "awayFromZero", fn: (o, [a]) => o.relu(a) }],
  step: [{ shapes: [[6], [6]], range: "awayFromZero", fn: (o, [a, b]) => o.mul(o.step(a), o.mul(a, b)) }],
  exp: [{ shapes: [[6]], fn: (o, [a]) => o.exp(a) }],
  log: [{ shapes: [[6]], range: "positive", fn: (o, [a]) => o.log(a) }],
  rsqrt: [{ shapes: [[6]], range: "positive", fn: (o, [a]) => o.rsqrt(a) }],
  softmax: [{ shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.softmax(a), b) }],
  logSoftmax: [{ shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.logSoftmax(a), b) }],
  sum: [
    { shapes: [[2, 3]], fn: (o, [a]) => o.mul(o.sum(a, 0), a) },
    { name: "over the last axis", shapes: [[2, 3]], fn: (o, [a]) => o.sum(a, -1) },
  ],
  mean: [
    { shapes: [[2, 3]], fn: (o, [a]) => o.mul(o.mean(a, -1), a) },
    { name: "over the first axis", shapes: [[2, 3]], fn: (o, [a]) => o.mean(a, 0) },
  ],
  standardize: [
    { shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.standardize(a, 1e-5).normalized, b) },
    { name: "rstd", shapes: [[2, 5], [5]], fn: (o, [a, b]) => o.mul(o.standardize(a, 1e-5).rstd, b) },
    {
      name: "both results",
      shapes: [[2, 5], [5]],
      fn(o, [a, b]) {
        const { normalized, rstd } = o.standardize(a, 1e-2);
        return o.mul(o.mul(normalized, b), rstd);
      },
    },
    {
      name: "in a LayerNorm before a gate",
      shapes: [[2, 2, 4], [4], [4]],
      fn(o, [a, gain, bias], weights) {
        const normed = o.add(o.mul(o.standardize(a, 1e-5).normalized, gain), bias);
        const up = o.linear(normed, weights.matrix, weights.bias);
        return o.add(a, o.linearPullback(o.mul(up, o.sigmoid(up)), weights.matrix));
      },
    },
  ],
  reshape: [{ shapes: [[2, 6], [3, 4]], fn: (o, [a, b]) => o.mul(o.reshape(a, [3, 4]), b) }],
  transpose: [{ shapes: [[2, 3, 4], [4, 2, 3]], fn: (o, [a, b]) => o.mul(o.transpose(a, [2, 0, 1]), b) }],
  concat: [
    { shapes: [[2, 3], [2, 2], [2, 5]], fn: (o, [a, b, c]) => o.mul(o.concat([a, b], 1), c) },
    { name: "of a tensor with itself", shapes: [[2, 3]], fn: (o, [a]) => o.concat([a, o.mul(a, a), a], -1) },
  ],
  slice: [{ shapes: [[4, 5], [2, 2]], fn: (o, [a, b]) => o.mul(o.slice(a, [1, 2], [2, 2]), b) }],
  broadcastTo: [{ shapes: [[1, 3], [2, 4, 3]], fn: (o, [a, b]) => o.mul(o.broadcastTo(a, [2, 4, 3]), b) }],
};

/** Every case with a name for messages. */
export function namedCases(): { operation: Operation; name: string; tested: TapeCase }[] {
  return Object.entries(CASES).flatMap(([operation, cases]) =>
    cases.map((tested) => ({
      operation: operation as Operation,
      name: tested.name === undefined ? operation : `${operation} ${tested.name}`,
      tested,
    }))
  );
}

/** Numbers to differentiate a case at. */
export function caseInputs({ shapes, range }: TapeCase): HostTensor[] {
  return shapes.map((shape, i) => {
    const { data } = randomTensor(shape, 7 + i);
    if (range === "positive") return { shape, data: data.map((x) => 0.5 + Math.abs(x)) };
    if (range === "awayFromZero") return { shape, data: data.map((x) => x + 0.3 * Math.sign(x)) };
    return { shape, data };
  });
}

/** Freezes the cases' weights; the engine releases them when it is disposed. */
export function freezeWeights(engine: Engine): CaseWeights {
  return {
    matrix: engine.freeze("matrix", randomTensor([3, 4], 41)),
    bias: engine.freeze("bias", randomTensor([3], 42)),
  };
}

/** `Σ w · (y + y²)` with fixed numbers `w`: a scalar whose slope depends on `y`. */
export function scalarOf<T>(ops: Ops<T>, y: T): T {
  const weights = ops.constant(randomTensor(ops.shape(y), 99));
  let out = ops.mul(weights, ops.add(y, ops.mul(y, y)));
  ops.shape(out).forEach((_, axis) => out = ops.sum(out, axis));
  return out;
}

/** The same algebra; the names of the operations that are called are added to `called`. */
export function watched<T>(ops: Ops<T>, called: Set<string>): Ops<T> {
  return new Proxy(ops, {
    get(target, name) {
      called.add(String(name));
      return Reflect.get(target, name);
    },
  });
}

/** The partial derivative of `value` in each number of each input, from five points: off by `step⁴` only. */
export async function differences(
  value: (inputs: readonly HostTensor[]) => Promise<number>,
  { at, step }: { at: readonly HostTensor[]; step: number },
): Promise<Float64Array[]> {
  const out: Float64Array[] = [];
  for (const [i, input] of at.entries()) {
    const slopes = new Float64Array(input.data.length);
    for (let j = 0; j < slopes.length; j++) {
      const moved = (by: number) =>
        value(
          at.map((other, k) => k === i ? { ...input, data: input.data.map((x, n) => n === j ? x + by : x) } : other),
        );
      const near = await moved(step) - await moved(-step);
      const far = await moved(2 * step) - await moved(-2 * step);
      slopes[j] = (8 * near - far) / (12 * step);
    }
    out.push(slopes);
  }
  return out;
}
