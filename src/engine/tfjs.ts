/**
 * The eager engine: programs run operation by operation on a tfjs backend (`cpu`, `wasm`, `webgpu`, `tensorflow`).
 *
 * Frozen matrices keep both orientations, because a product with `transposeB` is about 17 times slower on the wasm
 * backend than one with a copy transposed in advance.
 */
import type { Tfjs as tf } from "../deps.ts";
import { engineFailure } from "./failures.ts";
import { foldConstants, type Folded } from "./fold.ts";
import { count, transposed } from "./host_tensor.ts";
import type { Engine, Frozen, HostTensor, Ops, Program, ProgramFunction } from "./ops.ts";

/** A tfjs namespace that has its backend chosen and ready. */
export type Tfjs = typeof tf;

/** Options of {@linkcode tfjsEngine}. */
export interface TfjsEngineOptions {
  /** The engine's name as chosen with `--engine`. */
  name: string;
  /** The device and the versions of the libraries. */
  device: string;
  /** Threads that the backend uses. */
  threads: number;
  /** Transpose in a separate step, because the backend's products of transposed operands are slow (wasm). */
  transposeFirst: boolean;
  /** Operations that do not run on tfjs's own kernels. */
  own?: Partial<Ops<tf.Tensor>>;
  /** Read a run's outputs in one piece, because each transfer waits for the device. */
  joinOutputs?: boolean;
  /** Called after every run; returns what went wrong on the device without an exception, if anything did. */
  failure?: () => string | undefined;
  /** Releases the device. */
  close?: () => void;
}

/** These kernels give a tensor another shape or handle; nothing runs on the device. */
const VIEWS = new Set(["Reshape", "Identity"]);

/** A program's constants for one set of shapes and frozen inputs, and the frozen numbers that they depend on. */
interface Constants {
  folded: Folded<tf.Tensor>;
  frozen: Set<Frozen>;
}

let frozenCount = 0;

class FrozenTensor implements Frozen {
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

function frozenTensor(value: Frozen): FrozenTensor {
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

const counters = new WeakMap<object, { count: number }>();

/** Counts the kernels that run from now on. tfjs itself counts them only while it profiles. */
function kernelCounter(tf: Tfjs): () => number {
  // Every kernel is started by this method; it is replaced once for all engines on the same tfjs.
  const runner = tf.engine() as unknown as { runKernel: (...args: unknown[]) => unknown };
  let counter = counters.get(runner);
  if (counter === undefined) {
    const { runKernel } = runner;
    const counted = counter = { count: 0 };
    runner.runKernel = function (...args) {
      if (!VIEWS.has(args[0] as string)) counted.count++;
      return runKernel.apply(this, args);
    };
    counters.set(runner, counter);
  }
  const { count: before } = counter;
  return () => counter.count - before;
}

/** An engine on a tfjs namespace whose backend is ready. */
export function tfjsEngine(tf: Tfjs, options: TfjsEngineOptions): Engine {
  const backend = tf.getBackend();
  const scalars = new Map<number, tf.Scalar>();
  const ops = { ...tfjsOps(tf, options.transposeFirst, { scalars }), ...options.own };
  const frozen = new Set<FrozenTensor>();
  const memories = new Set<Map<string, Constants>>();

  const forget = ({ folded }: Constants) => tf.dispose([...folded.values()]);
  const forgetAll = (memory: Map<string, Constants>) => {
    memory.forEach(forget);
    memory.clear();
  };

  /** The algebra of one run. Constants are folded only if some input is not frozen: else nothing is left to run. */
  function opsForRun(memory: Map<string, Constants>, inputs: readonly (HostTensor | Frozen)[]): Ops<tf.Tensor> {
    const held = inputs.filter((input) => input instanceof FrozenTensor);
    if (held.length === inputs.length) return ops;
    const key = inputs.map((input) => input instanceof FrozenTensor ? `#${input.serial}` : input.shape.join("x"))
      .join();
    let constants = memory.get(key);
    if (constants === undefined) memory.set(key, constants = { folded: new Map(), frozen: new Set(held) });
    const { folded, frozen } = constants;
    return foldConstants<tf.Tensor>({
      ...ops,
      frozen(value) {
        frozen.add(value);
        return ops.frozen(value);
      },
    }, { folded, keep: (x) => void tf.keep(x) });
  }

  function program(name: string, fn: ProgramFunction): Program {
    const memory = new Map<string, Constants>();
    memories.add(memory);
    const place = { engine: options.name, program: name };
    return {
      async run(inputs) {
        for (const { shape, data } of inputs as HostTensor[]) {
          if (data !== undefined && data.length !== count(shape)) {
            throw new Error(`An input of ${name} has ${data.length} numbers for the shape [${shape}]`);
          }
        }
        let outputs: readonly tf.Tensor[] = [];
        let shapes: readonly number[][] = [];
        try {
          // tfjs has one active backend in a process.
          if (tf.getBackend() !== backend) await tf.setBackend(backend);
          const runOps = opsForRun(memory, inputs);
          tf.engine().startScope(name);
          try {
            const tensors = inputs.map((input) => {
              if (input instanceof FrozenTensor) return runOps.frozen(input);
              const { data, shape } = input as HostTensor;
              return tf.tensor(data, [...shape], "float32");
            });
            const results = fn(runOps, tensors);
            shapes = results.map(({ shape }) => [...shape]);
            const isJoined = options.joinOutputs === true && results.length > 1;
            outputs = isJoined
              ? [tf.concat(results.map((output) => tf.reshape(output, [-1])))]
              : results.map((output) => tf.clone(output));
            outputs.forEach((output) => tf.keep(output));
          } finally {
            tf.engine().endScope();
          }
          const read = await Promise.all(outputs.map((output) => output.data<"float32">()));
          let from = 0;
          const results = shapes.map((shape, i) => {
            if (read.length === shapes.length) return { shape, data: Float32Array.from(read[i]) };
            const data = read[0].slice(from, from += count(shape));
            return { shape, data };
          });
          const failure = options.failure?.();
          if (failure !== undefined) throw new Error(failure);
          return results;
        } catch (error) {
          const failure = options.failure?.();
          throw engineFailure(failure === undefined ? error : new Error(failure, { cause: error }), place);
        } finally {
          tf.dispose([...outputs]);
        }
      },
      dispose() {
        forgetAll(memory);
        memories.delete(memory);
        return Promise.resolve();
      },
    };
  }

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
      for (const memory of memories) {
        for (const [key, constants] of memory) {
          if (!constants.frozen.has(value)) continue;
          forget(constants);
          memory.delete(key);
        }
      }
      frozenTensor(value).release();
      frozen.delete(frozenTensor(value));
    },
    program,
    tensorCount: () => tf.memory().numTensors,
    kernelCount: kernelCounter(tf),
    dispose() {
      memories.forEach(forgetAll);
      scalars.forEach((value) => value.dispose());
      scalars.clear();
      frozen.forEach((value) => value.release());
      frozen.clear();
      options.close?.();
      return Promise.resolve();
    },
  };
}
