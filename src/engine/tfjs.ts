/**
 * The eager engine: programs run operation by operation on a tfjs backend (`cpu`, `wasm`, `webgpu`, `tensorflow`).
 *
 * Frozen matrices keep both orientations, because a product with `transposeB` is about 17 times slower on the wasm
 * backend than one with a copy transposed in advance.
 */
import type { Tfjs as tf } from "../deps.ts";
import type { Engine, Frozen, HostTensor, Ops, Program, ProgramFunction } from "./ops.ts";

/** A tfjs namespace that has its backend chosen and ready. */
export type Tfjs = typeof tf;

/** What {@linkcode tfjsEngine} needs to know. */
export interface TfjsEngineOptions {
  /** The engine's name as chosen with `--engine`. */
  name: string;
  /** What computes, in words. */
  device: string;
  /** Threads that the backend uses. */
  threads: number;
  /** Transpose in a step of its own, because the backend's products of transposed operands are slow (wasm). */
  transposeFirst: boolean;
}

class FrozenTensor implements Frozen {
  readonly shape: readonly number[];
  #tensor?: tf.Tensor;
  #transposed?: tf.Tensor2D;
  constructor(readonly name: string, readonly host: HostTensor, readonly tfjs: Tfjs) {
    this.shape = host.shape;
  }
  get tensor(): tf.Tensor {
    // Kept: it is made when it is first used, inside of a scope that disposes what it made.
    return this.#tensor ??= this.tfjs.keep(this.tfjs.tensor(this.host.data, [...this.shape], "float32"));
  }
  get transposed(): tf.Tensor2D {
    if (this.#transposed === undefined) {
      const { data } = this.host;
      const [rows, columns] = this.shape;
      const turned = new Float32Array(data.length);
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = data[r * columns + c];
      this.#transposed = this.tfjs.keep(this.tfjs.tensor2d(turned, [columns, rows], "float32"));
    }
    return this.#transposed;
  }
  release(): void {
    this.#tensor?.dispose();
    this.#transposed?.dispose();
    this.#tensor = this.#transposed = undefined;
  }
}

function owned(value: Frozen): FrozenTensor {
  if (!(value instanceof FrozenTensor)) throw new Error(`${value.name} was frozen by another engine`);
  return value;
}

/** The algebra on eager tensors. Exported for the tests that hold our pull-backs against tfjs's own autodiff. */
export function tfjsOps(tf: Tfjs, transposeFirst: boolean): Ops<tf.Tensor> {
  const rows = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [-1, x.shape[x.shape.length - 1]]);
  const withLast = (shape: readonly number[], last: number) => [...shape.slice(0, -1), last];
  function turn(x: tf.Tensor): tf.Tensor {
    const axes = x.shape.map((_, i) => i);
    return tf.transpose(x, [...axes.slice(0, -2), axes[axes.length - 1], axes[axes.length - 2]]);
  }
  return {
    shape: (x) => x.shape,
    constant: (value) => tf.tensor(value.data, [...value.shape], "float32"),
    // A handle of its own, so that scopes which dispose their tensors leave the frozen one alone.
    frozen: (value) => tf.clone(owned(value).tensor),
    linear: (x, weight, bias) =>
      tf.reshape(
        tf.fused.matMul({
          a: rows(x),
          b: owned(weight).transposed,
          bias: bias === undefined ? undefined : owned(bias).tensor,
        }),
        withLast(x.shape, weight.shape[0]),
      ),
    linearPullback: (dy, weight) =>
      tf.reshape(tf.matMul(rows(dy), owned(weight).tensor as tf.Tensor2D), withLast(dy.shape, weight.shape[1])),
    matMul(a, b, { transposeA = false, transposeB = false } = {}) {
      if (!transposeFirst) return tf.matMul(a, b, transposeA, transposeB);
      return tf.matMul(transposeA ? turn(a) : a, transposeB ? turn(b) : b);
    },
    add: (a, b) => tf.add(a, b),
    sub: (a, b) => tf.sub(a, b),
    mul: (a, b) => tf.mul(a, b),
    scale: (x, factor) => tf.mul(x, factor),
    shift: (x, term) => tf.add(x, term),
    sigmoid: (x) => tf.sigmoid(x),
    relu: (x) => tf.relu(x),
    step: (x) => tf.step(x),
    exp: (x) => tf.exp(x),
    log: (x) => tf.log(x),
    rsqrt: (x) => tf.rsqrt(x),
    softmax: (x) => tf.softmax(x),
    logSoftmax: (x) => tf.logSoftmax(x),
    sum: (x, axis) => tf.sum(x, axis, true),
    mean: (x, axis) => tf.mean(x, axis, true),
    standardize(x, epsilon) {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
      return { normalized: tf.mul(centred, rstd), rstd };
    },
    reshape: (x, shape) => tf.reshape(x, [...shape]),
    transpose: (x, permutation) => tf.transpose(x, [...permutation]),
    concat: (parts, axis) => tf.concat([...parts], axis),
    slice: (x, begin, size) => tf.slice(x, [...begin], [...size]),
    broadcastTo: (x, shape) => tf.broadcastTo(x, [...shape]),
  };
}

/** An engine on a tfjs namespace whose backend is ready. */
export function tfjsEngine(tf: Tfjs, options: TfjsEngineOptions): Engine {
  const ops = tfjsOps(tf, options.transposeFirst);
  const frozen = new Set<FrozenTensor>();
  let kernels = 0;

  function program(name: string, fn: ProgramFunction): Program {
    return {
      async run(inputs) {
        const made: tf.Tensor[] = [];
        let outputs: readonly tf.Tensor[] = [];
        tf.engine().startScope(name);
        try {
          const tensors = inputs.map((input) => {
            if (input instanceof FrozenTensor) return ops.frozen(input);
            const { data, shape } = input as HostTensor;
            return tf.tensor(data, [...shape], "float32");
          });
          outputs = fn(ops, tensors).map((output) => tf.clone(output));
          outputs.forEach((output) => made.push(tf.keep(output)));
        } finally {
          tf.engine().endScope();
        }
        try {
          return await Promise.all(outputs.map(async (output) => ({
            shape: [...output.shape],
            data: Float32Array.from(await output.data<"float32">()),
          })));
        } finally {
          made.forEach((output) => output.dispose());
        }
      },
      dispose: () => Promise.resolve(),
    };
  }

  // tfjs has no counter of its own outside of profiling; every kernel passes through this method.
  const runner = tf.engine() as unknown as { runKernel: (...args: unknown[]) => unknown };
  const runKernel = runner.runKernel;
  runner.runKernel = function (...args: unknown[]) {
    kernels++;
    return runKernel.apply(this, args);
  };

  return {
    name: options.name,
    device: options.device,
    threads: options.threads,
    freeze(name, value) {
      const tensor = new FrozenTensor(name, value, tf);
      frozen.add(tensor);
      return tensor;
    },
    release(value) {
      owned(value).release();
      frozen.delete(owned(value));
    },
    program,
    tensorCount: () => tf.memory().numTensors,
    kernelCount: () => kernels,
    dispose() {
      frozen.forEach((value) => value.release());
      frozen.clear();
      runner.runKernel = runKernel;
      return Promise.resolve();
    },
  };
}
