/**
 * The algebra on tfjs's eager tensors, and frozen numbers as such.
 *
 * Frozen matrices keep both orientations, because a product with `transposeB` is about 17 times slower on the wasm
 * backend than one with a copy transposed in advance.
 */
import type { Tfjs as tf } from "../deps.ts";
import { count, transposed } from "./host_tensor.ts";
import type { Frozen, HostTensor, Ops } from "./ops.ts";

/** A tfjs namespace that has its backend chosen and ready. */
export type Tfjs = typeof tf;

let frozenCount = 0;

/** Frozen numbers, on the device from their first use on. */
export class FrozenTensor implements Frozen {
  readonly shape: readonly number[];
  /** Unlike its name, no other tensor's. */
  readonly serial = frozenCount++;
  #tensor?: tf.Tensor;
  #transposed?: tf.Tensor2D;
  constructor(readonly name: string, readonly host: HostTensor, readonly tfjs: Tfjs) {
    this.shape = host.shape;
  }
  get tensor(): tf.Tensor {
    // Kept, because it is created at its first use, inside a scope that disposes its tensors.
    return this.#tensor ??= this.tfjs.keep(this.tfjs.tensor(this.host.data, [...this.shape], "float32"));
  }
  get transposed(): tf.Tensor2D {
    if (this.#transposed === undefined) {
      const { data, shape: [rows, columns] } = transposed(this.host);
      this.#transposed = this.tfjs.keep(this.tfjs.tensor2d(data, [rows, columns], "float32"));
    }
    return this.#transposed;
  }
  release(): void {
    this.#tensor?.dispose();
    this.#transposed?.dispose();
    this.#tensor = this.#transposed = undefined;
  }
}

/**
 * Frozen numbers as tfjs has them.
 *
 * @throws {Error} where another engine froze them
 */
export function frozenTensor(value: Frozen): FrozenTensor {
  if (!(value instanceof FrozenTensor)) throw new Error(`${value.name} was frozen by another engine`);
  return value;
}

/** The algebra on eager tensors. Exported for the tests that compare our pull-backs with tfjs's own autodiff. */
export function tfjsOps(
  tf: Tfjs,
  transposeFirst: boolean,
  { scalars }: { scalars?: Map<number, tf.Scalar> } = {},
): Ops<tf.Tensor> {
  const { add, sub, mul, sigmoid, erf, relu, exp, log, rsqrt } = tf;
  // Otherwise tfjs copies a plain number to the device at each use.
  function scalar(value: number): tf.Scalar | number {
    if (scalars === undefined) return value;
    let held = scalars.get(value);
    if (held === undefined) scalars.set(value, held = tf.keep(tf.scalar(value, "float32")));
    return held;
  }
  const rows = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [-1, x.shape[x.shape.length - 1]]);
  function transposeLast(x: tf.Tensor): tf.Tensor {
    const axes = x.shape.map((_, i) => i);
    return tf.transpose(x, [...axes.slice(0, -2), axes[axes.length - 1], axes[axes.length - 2]]);
  }
  /**
   * Moves one axis at a time, with the axes around it merged: backends that transpose first are fast only for four axes
   * at most.
   */
  function movedByOne(x: tf.Tensor, permutation: readonly number[]): tf.Tensor {
    const order = x.shape.map((_, axis) => axis);
    const size = (axes: readonly number[]) => count(axes.map((axis) => x.shape[axis]));
    let y = x;
    permutation.forEach((axis, to) => {
      const from = order.indexOf(axis);
      if (from === to) return;
      const merged = [order.slice(0, to), order.slice(to, from), [axis], order.slice(from + 1)].map(size);
      y = tf.transpose(tf.reshape(y, merged), [0, 2, 1, 3]);
      order.splice(from, 1);
      order.splice(to, 0, axis);
    });
    return tf.reshape(y, permutation.map((axis) => x.shape[axis]));
  }
  return {
    shape: (x) => x.shape,
    constant: (value) => tf.tensor(value.data, [...value.shape], "float32"),
    // A separate handle, so that a scope which disposes its tensors does not dispose the frozen one.
    frozen: (value) => tf.clone(frozenTensor(value).tensor),
    linear: (x, weight, bias) =>
      tf.reshape(
        tf.fused.matMul({
          a: rows(x),
          b: frozenTensor(weight).transposed,
          bias: bias === undefined ? undefined : frozenTensor(bias).tensor,
        }),
        x.shape.with(-1, weight.shape[0]),
      ),
    linearPullback: (dy, weight) =>
      tf.reshape(tf.matMul(rows(dy), frozenTensor(weight).tensor as tf.Tensor2D), dy.shape.with(-1, weight.shape[1])),
    matMul(a, b, { transposeA = false, transposeB = false } = {}) {
      if (!transposeFirst) return tf.matMul(a, b, transposeA, transposeB);
      return tf.matMul(transposeA ? transposeLast(a) : a, transposeB ? transposeLast(b) : b);
    },
    add,
    sub,
    mul,
    scale: (x, factor) => tf.mul(x, scalar(factor)),
    shift: (x, term) => tf.add(x, scalar(term)),
    sigmoid,
    erf,
    relu,
    step: (x) => tf.step(x),
    exp,
    log,
    rsqrt,
    softmax: (x) => tf.softmax(x),
    logSoftmax: (x) => tf.logSoftmax(x),
    sum: (x, axis) => tf.sum(x, axis, true),
    mean: (x, axis) => tf.mean(x, axis, true),
    standardize(x, epsilon) {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), scalar(epsilon)));
      return { normalized: tf.mul(centred, rstd), rstd };
    },
    reshape: (x, shape) => tf.reshape(x, [...shape]),
    transpose: (x, permutation) =>
      transposeFirst && permutation.length > 4 ? movedByOne(x, permutation) : tf.transpose(x, [...permutation]),
    concat: (parts, axis) => tf.concat([...parts], axis),
    slice: (x, begin, size) => tf.slice(x, [...begin], [...size]),
    broadcastTo: (x, shape) => tf.broadcastTo(x, [...shape]),
  };
}
