/**
 * Moving rows: ranges of an axis, rows picked by a matrix, each with its pull-back.
 */
import type { Ops, RowRange } from "./ops.ts";

/** A range of an axis. */
export function rangeOf<T>(ops: Ops<T>, x: T, { from, count }: RowRange, axis = 0): T {
  const shape = ops.shape(x);
  return ops.slice(x, shape.map((_, i) => i === axis ? from : 0), shape.with(axis, count));
}

/** An axis without a range of it. */
export function withoutRange<T>(ops: Ops<T>, x: T, { from, count }: RowRange, axis = 0): T {
  const after = from + count;
  const rest = [{ from: 0, count: from }, { from: after, count: ops.shape(x)[axis] - after }];
  return ops.concat(rest.filter(({ count }) => count > 0).map((range) => rangeOf(ops, x, range, axis)), axis);
}

/** The pull-back of {@linkcode withoutRange}, with `part` in the place of what was left out; zeros when absent. */
export function withRange<T>(ops: Ops<T>, x: T, { from, count }: RowRange, { axis = 0, part }: {
  axis?: number;
  part?: T;
} = {}): T {
  const shape = ops.shape(x);
  const zero = () => ops.constant({ shape: shape.map(() => 1), data: new Float32Array(1) });
  const parts = [
    ...from > 0 ? [rangeOf(ops, x, { from: 0, count: from }, axis)] : [],
    part ?? ops.broadcastTo(zero(), shape.with(axis, count)),
    ...from < shape[axis] ? [rangeOf(ops, x, { from, count: shape[axis] - from }, axis)] : [],
  ];
  return ops.concat(parts, axis);
}

/** [N, L, D] to [L, N, D], and back. */
export function swapped<T>(ops: Ops<T>, x: T): T {
  return ops.transpose(x, [1, 0, 2]);
}

/** Rows of [L, N, D] picked by a 0/1 matrix [N or 1, R, L]: [R, N, D]. */
export function pickRows<T>(ops: Ops<T>, matrix_NRL: T, x_LND: T): T {
  return ops.kernels?.pickRows(matrix_NRL, x_LND, false) ??
    swapped(ops, ops.matMul(matrix_NRL, swapped(ops, x_LND)));
}

/** The pull-back of {@linkcode pickRows}: rows [R, N, D] put back among `L` rows of zeros, [L, N, D]. */
export function spreadRows<T>(ops: Ops<T>, matrix_NRL: T, x_RND: T): T {
  return ops.kernels?.pickRows(matrix_NRL, x_RND, true) ??
    swapped(ops, ops.matMul(matrix_NRL, swapped(ops, x_RND), { transposeA: true }));
}
