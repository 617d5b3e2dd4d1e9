/**
 * Constant folding for eager engines: what depends only on frozen numbers is computed in the first run and kept.
 *
 * A program is the same sequence of operations for the same shapes and the same frozen inputs, so a value is identified
 * by its position in that sequence. Engines that compile a graph fold constants themselves.
 */
import type { AttentionRows, Kernels, Ops } from "./ops.ts";

/** Constant results of a program, by their position in the sequence. */
export type Folded<T> = Map<number, T | { normalized: T; rstd: T }>;

/**
 * The algebra of one run of a program: `ops` computes what is not yet known, `folded` holds the constants of earlier
 * runs, `keep` lets a tensor outlive the run.
 */
export function foldConstants<T extends object>(
  ops: Ops<T>,
  options: { folded: Folded<T>; keep: (x: T) => void },
): Ops<T> {
  const { folded, keep } = options;
  const constant = new Set<T>();
  let position = 0;

  function fold<R extends T | { normalized: T; rstd: T }>(operands: readonly T[], compute: () => R): R {
    const at = position++;
    if (!operands.every((x) => constant.has(x))) return compute();
    let result = folded.get(at) as R | undefined;
    const isNew = result === undefined;
    if (result === undefined) folded.set(at, result = compute());
    const tensors = "normalized" in result ? [result.normalized, result.rstd] : [result as T];
    for (const x of tensors) {
      if (isNew) keep(x);
      constant.add(x);
    }
    return result;
  }

  const unary = (op: (x: T) => T) => (x: T) => fold([x], () => op(x));
  const binary = (op: (a: T, b: T) => T) => (a: T, b: T) => fold([a, b], () => op(a, b));
  return {
    shape: (x) => ops.shape(x),
    constant: (value) => fold([], () => ops.constant(value)),
    frozen: (value) => fold([], () => ops.frozen(value)),
    linear: (x, weight, bias) => fold([x], () => ops.linear(x, weight, bias)),
    linearPullback: (dy, weight) => fold([dy], () => ops.linearPullback(dy, weight)),
    matMul: (a, b, options) => fold([a, b], () => ops.matMul(a, b, options)),
    add: binary(ops.add),
    sub: binary(ops.sub),
    mul: binary(ops.mul),
    scale: (x, factor) => fold([x], () => ops.scale(x, factor)),
    shift: (x, term) => fold([x], () => ops.shift(x, term)),
    sigmoid: unary(ops.sigmoid),
    erf: unary(ops.erf),
    relu: unary(ops.relu),
    step: unary(ops.step),
    exp: unary(ops.exp),
    log: unary(ops.log),
    rsqrt: unary(ops.rsqrt),
    softmax: unary(ops.softmax),
    logSoftmax: unary(ops.logSoftmax),
    sum: (x, axis) => fold([x], () => ops.sum(x, axis)),
    mean: (x, axis) => fold([x], () => ops.mean(x, axis)),
    standardize: (x, epsilon) => fold([x], () => ops.standardize(x, epsilon)),
    reshape: (x, shape) => fold([x], () => ops.reshape(x, shape)),
    transpose: (x, permutation) => fold([x], () => ops.transpose(x, permutation)),
    concat: (parts, axis) => fold(parts, () => ops.concat(parts, axis)),
    slice: (x, begin, size) => fold([x], () => ops.slice(x, begin, size)),
    broadcastTo: (x, shape) => fold([x], () => ops.broadcastTo(x, shape)),
    ...(ops.kernels && { kernels: foldKernels(ops.kernels, fold) }),
  };
}

function foldKernels<T>(kernels: Kernels<T>, fold: (operands: readonly T[], compute: () => T) => T): Kernels<T> {
  const given = (...operands: (T | undefined)[]) => operands.filter((x) => x !== undefined);
  const operands = ({ query, key, value, shared, mask }: AttentionRows<T>) =>
    given(query.of, key.of, value.of, shared?.keys, shared?.values, mask);
  return {
    maxKeys: kernels.maxKeys,
    standardize: (x, epsilon) => fold([x], () => kernels.standardize(x, epsilon)),
    standardizePullback: (dy, at) => fold(given(dy, at.x, at.plus), () => kernels.standardizePullback(dy, at)),
    silu: (z) => fold([z], () => kernels.silu(z)),
    siluPullback: (dy, z) => fold([dy, z], () => kernels.siluPullback(dy, z)),
    pickRows: (matrix, x, transpose) => fold([matrix, x], () => kernels.pickRows(matrix, x, transpose)),
    attention: (rows) => fold(operands(rows), () => kernels.attention(rows)),
    attentionScores: (rows, dAttended) =>
      fold([...operands(rows), dAttended], () => kernels.attentionScores(rows, dAttended)),
    attentionPullback: (rows, at) =>
      fold([...operands(rows), at.scores, at.dAttended], () => kernels.attentionPullback(rows, at)),
    sgd: (at, constants) => fold([at.state, at.gradient, at.numbers], () => kernels.sgd(at, constants)),
    adam: (at, constants) => fold([at.state, at.gradient, at.numbers], () => kernels.adam(at, constants)),
  };
}
