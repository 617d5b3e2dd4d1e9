/**
 * Reverse-mode differentiation of anything written against {@linkcode Ops}.
 *
 * A tape is itself an `Ops<Var<T>>`: a method written once runs plain for evaluation and taped for training, eagerly or
 * as part of an emitted graph. Only values that depend on a {@linkcode TapeOps.variable} are recorded. A tape over a
 * tape gives second derivatives.
 */
import { standardizePullback } from "./fused.ts";
import type { Frozen, HostTensor, Ops } from "./ops.ts";

/** A value on a tape. */
export interface Var<T> {
  /** The tensor. */
  readonly value: T;
  /** Index on the tape, or -1 where no gradient flows. */
  readonly node: number;
}

/** The algebra with recording, and the gradients of what is recorded. */
export interface TapeOps<T> extends Ops<Var<T>> {
  /** A value that gradients are wanted for. */
  variable(value: T): Var<T>;
  /** A value that no gradient flows to. */
  fixed(value: T): Var<T>;
  /**
   * A value calculated outside the tape, with its pull-back written by hand: one cotangent for each input.
   *
   * Over another tape, both have to be calculated with that tape's operations, because second derivatives go through
   * them. Throws {@linkcode Error} for a value or a cotangent that the other tape has not recorded.
   */
  custom(inputs: readonly Var<T>[], value: T, pullback: (cotangent: T) => readonly T[]): Var<T>;
  /** Gradients of a scalar (all axes of size 1) at the given variables, in their order. */
  gradients(scalar: Var<T>, at: readonly Var<T>[]): T[];
}

interface Entry<T> {
  inputs: readonly Var<T>[];
  pullback: (cotangent: T) => readonly (T | undefined)[];
}

/**
 * Starts a tape over `ops`, the algebra that values and gradients are calculated with. Its `gradients` throws
 * {@linkcode Error} for anything but a scalar.
 */
export function tape<T>(ops: Ops<T>): TapeOps<T> {
  const entries: Entry<T>[] = [];

  const fixed = (value: T): Var<T> => ({ value, node: -1 });

  function record(inputs: readonly Var<T>[], value: T, pullback: Entry<T>["pullback"]): Var<T> {
    if (inputs.every((input) => input.node < 0)) return fixed(value);
    entries.push({ inputs, pullback });
    return { value, node: entries.length - 1 };
  }

  /** The pull-back of broadcasting: sums over the axes that were stretched. */
  function unbroadcast(cotangent: T, like: T): T {
    const shape = ops.shape(like);
    let out = cotangent;
    while (ops.shape(out).length > shape.length) out = ops.reshape(ops.sum(out, 0), ops.shape(out).slice(1));
    shape.forEach((size, axis) => {
      if (size === 1 && ops.shape(out)[axis] !== 1) out = ops.sum(out, axis);
    });
    return out;
  }

  const unary = (x: Var<T>, value: T, pullback: (cotangent: T) => T): Var<T> =>
    record([x], value, (cotangent) => [pullback(cotangent)]);

  /** A value of two operands that broadcast, with the pull-backs to them as they are after broadcasting. */
  const binary = (operands: readonly Var<T>[], value: T, pullbacks: readonly ((dy: T) => T)[]): Var<T> =>
    record(
      operands,
      value,
      (dy) => operands.map((x, i) => x.node < 0 ? undefined : unbroadcast(pullbacks[i](dy), x.value)),
    );

  /** The tape that `ops` is; undefined for any other algebra. Its values are then the `T` of this one. */
  const outer = "gradients" in ops ? ops as unknown as TapeOps<unknown> : undefined;

  function custom(inputs: readonly Var<T>[], value: T, pullback: (cotangent: T) => readonly T[]): Var<T> {
    if (outer === undefined) return record(inputs, value, pullback);
    if (inputs.some((input) => isRecorded(input.value))) assertRecorded(value, "value");
    return record(inputs, value, (dy) => {
      // The check below works only with a cotangent that the outer tape records.
      const parts = pullback(isRecorded(dy) ? dy : outer.variable((dy as Var<unknown>).value) as T);
      parts.forEach((part, i) => inputs[i].node >= 0 && assertRecorded(part, "pull-back"));
      return parts;
    });
  }

  function matMul(a: Var<T>, b: Var<T>, options: { transposeA?: boolean; transposeB?: boolean } = {}): Var<T> {
    const { transposeA = false, transposeB = false } = options;
    const toA = (dy: T) =>
      transposeA
        ? ops.matMul(b.value, dy, { transposeA: transposeB, transposeB: true })
        : ops.matMul(dy, b.value, { transposeB: !transposeB });
    const toB = (dy: T) =>
      transposeB
        ? ops.matMul(dy, a.value, { transposeA: true, transposeB: transposeA })
        : ops.matMul(a.value, dy, { transposeA: !transposeA });
    return binary([a, b], ops.matMul(a.value, b.value, options), [toA, toB]);
  }

  const zeros = (shape: readonly number[]): T =>
    ops.broadcastTo(ops.constant({ shape: shape.map(() => 1), data: new Float32Array(1) }), shape);

  /** The pull-back of a slice: zeros before and after, axis by axis. */
  function unslice(cotangent: T, shape: readonly number[], begin: readonly number[]): T {
    let out = cotangent;
    shape.forEach((size, axis) => {
      const now = ops.shape(out);
      const pad = (count: number) => count > 0 ? [zeros(now.with(axis, count))] : [];
      const parts = [...pad(begin[axis]), out, ...pad(size - begin[axis] - now[axis])];
      if (parts.length > 1) out = ops.concat(parts, axis);
    });
    return out;
  }

  return {
    variable(value) {
      entries.push({ inputs: [], pullback: () => [] });
      return { value, node: entries.length - 1 };
    },
    fixed,
    custom,
    gradients(scalar, at) {
      if (ops.shape(scalar.value).some((size) => size !== 1)) {
        throw new Error(`gradients() needs a scalar, got shape [${ops.shape(scalar.value)}]`);
      }
      const cotangents = new Array<T | undefined>(entries.length);
      const one = ops.constant({ shape: [...ops.shape(scalar.value)], data: Float32Array.of(1) });
      if (scalar.node >= 0) cotangents[scalar.node] = one;
      for (let node = scalar.node; node >= 0; node--) {
        const cotangent = cotangents[node];
        if (cotangent === undefined) continue;
        const { inputs, pullback } = entries[node];
        pullback(cotangent).forEach((part, i) => {
          const { node } = inputs[i];
          if (node < 0 || part === undefined) return;
          const before = cotangents[node];
          cotangents[node] = before === undefined ? part : ops.add(before, part);
        });
      }
      return at.map(({ node, value }) => cotangents[node] ?? zeros(ops.shape(value)));
    },

    shape: (x) => ops.shape(x.value),
    constant: (value: HostTensor) => fixed(ops.constant(value)),
    frozen: (value: Frozen) => fixed(ops.frozen(value)),
    linear: (x, weight, bias) => unary(x, ops.linear(x.value, weight, bias), (dy) => ops.linearPullback(dy, weight)),
    linearPullback: (dy, weight) => unary(dy, ops.linearPullback(dy.value, weight), (d) => ops.linear(d, weight)),
    matMul,
    add: (a, b) => binary([a, b], ops.add(a.value, b.value), [(dy) => dy, (dy) => dy]),
    sub: (a, b) => binary([a, b], ops.sub(a.value, b.value), [(dy) => dy, (dy) => ops.scale(dy, -1)]),
    mul: (a, b) =>
      binary([a, b], ops.mul(a.value, b.value), [(dy) => ops.mul(dy, b.value), (dy) => ops.mul(dy, a.value)]),
    scale: (x, factor) => unary(x, ops.scale(x.value, factor), (dy) => ops.scale(dy, factor)),
    shift: (x, term) => unary(x, ops.shift(x.value, term), (dy) => dy),
    sigmoid(x) {
      const y = ops.sigmoid(x.value);
      return unary(x, y, (dy) => ops.mul(dy, ops.mul(y, ops.shift(ops.scale(y, -1), 1))));
    },
    // 2/√π · e^(−x²)
    erf: (x) =>
      unary(
        x,
        ops.erf(x.value),
        (dy) => ops.mul(dy, ops.scale(ops.exp(ops.scale(ops.mul(x.value, x.value), -1)), 2 / Math.sqrt(Math.PI))),
      ),
    relu: (x) => unary(x, ops.relu(x.value), (dy) => ops.mul(dy, ops.step(x.value))),
    step: (x) => fixed(ops.step(x.value)),
    exp(x) {
      const y = ops.exp(x.value);
      return unary(x, y, (dy) => ops.mul(dy, y));
    },
    // 1/x as 1/√(x²): the logarithm's argument is positive.
    log: (x) => unary(x, ops.log(x.value), (dy) => ops.mul(dy, ops.rsqrt(ops.mul(x.value, x.value)))),
    rsqrt(x) {
      const y = ops.rsqrt(x.value);
      return unary(x, y, (dy) => ops.mul(dy, ops.scale(ops.mul(y, ops.mul(y, y)), -0.5)));
    },
    softmax(x) {
      const y = ops.softmax(x.value);
      return unary(x, y, (dy) => ops.mul(y, ops.sub(dy, ops.sum(ops.mul(dy, y), -1))));
    },
    logSoftmax(x) {
      const y = ops.logSoftmax(x.value);
      return unary(x, y, (dy) => ops.sub(dy, ops.mul(ops.exp(y), ops.sum(dy, -1))));
    },
    sum: (x, axis) => unary(x, ops.sum(x.value, axis), (dy) => ops.broadcastTo(dy, ops.shape(x.value))),
    mean(x, axis) {
      const shape = ops.shape(x.value);
      const size = shape[axis < 0 ? axis + shape.length : axis];
      return unary(x, ops.mean(x.value, axis), (dy) => ops.broadcastTo(ops.scale(dy, 1 / size), shape));
    },
    standardize(x, epsilon) {
      const { normalized, rstd } = ops.standardize(x.value, epsilon);
      return {
        normalized: unary(x, normalized, (dy) => standardizePullback(ops, dy, { normalized, rstd })),
        rstd: unary(x, rstd, (dy) => rstdPullback(ops, dy, { normalized, rstd })),
      };
    },
    reshape: (x, shape) => unary(x, ops.reshape(x.value, shape), (dy) => ops.reshape(dy, ops.shape(x.value))),
    transpose: (x, permutation) =>
      unary(
        x,
        ops.transpose(x.value, permutation),
        (dy) => ops.transpose(dy, permutation.map((_, axis) => permutation.indexOf(axis))),
      ),
    concat(parts, axis) {
      const shapes = parts.map((part) => ops.shape(part.value));
      const along = axis < 0 ? axis + shapes[0].length : axis;
      return record(parts, ops.concat(parts.map((part) => part.value), along), (dy) => {
        let at = 0;
        return parts.map((part, i) => {
          const begin = shapes[i].map((_, axis) => axis === along ? at : 0);
          at += shapes[i][along];
          return part.node < 0 ? undefined : ops.slice(dy, begin, shapes[i]);
        });
      });
    },
    slice: (x, begin, size) =>
      unary(x, ops.slice(x.value, begin, size), (dy) => unslice(dy, ops.shape(x.value), begin)),
    broadcastTo: (x, shape) => unary(x, ops.broadcastTo(x.value, shape), (dy) => unbroadcast(dy, x.value)),
  };
}

/** Whether a tape has recorded one of its values. */
const isRecorded = (value: unknown): boolean => (value as Var<unknown>).node >= 0;

function assertRecorded(value: unknown, what: string): void {
  if (isRecorded(value)) return;
  throw new Error(
    `custom() over another tape got a ${what} that is not recorded there: calculate it with that tape's operations`,
  );
}

/** The pull-back of `rstd` of {@linkcode Ops.standardize}, D numbers a row: `rstd² · dy · y · (−1/D)`. */
function rstdPullback<T>(ops: Ops<T>, dy: T, at: { normalized: T; rstd: T }): T {
  const D = ops.shape(at.normalized).at(-1)!;
  return ops.mul(ops.scale(ops.mul(dy, ops.mul(at.rstd, at.rstd)), -1 / D), at.normalized);
}
