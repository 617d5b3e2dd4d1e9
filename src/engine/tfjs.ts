/**
 * The eager engine: programs run operation by operation on a tfjs backend (`cpu`, `wasm`, `webgpu`, `tensorflow`).
 */
import type { Tfjs as tf } from "../deps.ts";
import { engineFailure } from "./failures.ts";
import { foldConstants, type Folded } from "./fold.ts";
import { holding } from "./held.ts";
import { count } from "./host_tensor.ts";
import type { DeviceMemory, Engine, Frozen, Held, HostTensor, Ops, Program, ProgramFunction } from "./ops.ts";
import { FrozenTensor, frozenTensor, type Tfjs, tfjsOps } from "./tfjs_ops.ts";

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
  /** The device is apart from the host: tensors may stay there between runs. */
  apart?: boolean;
  /** Resolves when the device has done what it was given so far; left out where it takes nothing in advance. */
  settled?: () => Promise<unknown>;
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

/** A program, and the constants of its runs. */
interface Prepared {
  name: string;
  fn: ProgramFunction;
  memory: Map<string, Constants>;
  dispose(): Promise<void>;
}

/** What a program takes. */
type Input = HostTensor | Frozen | Held;

/** Runs that may be given to the device while it still computes: enough to keep it busy, and a bound on its queue. */
const RUNS_AHEAD = 2;

function requireFilled(program: string, inputs: readonly Input[]): void {
  for (const { shape, data } of inputs as HostTensor[]) {
    if (data !== undefined && data.length !== count(shape)) {
      throw new Error(`An input of ${program} has ${data.length} numbers for the shape [${shape}]`);
    }
  }
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
  const held = holding<tf.Tensor>(options.name);
  const memories = new Set<Map<string, Constants>>();

  const forget = ({ folded }: Constants) => tf.dispose([...folded.values()]);
  const forgetAll = (memory: Map<string, Constants>) => {
    memory.forEach(forget);
    memory.clear();
  };

  /** The algebra of one run. Constants are folded only if some input is not frozen: else nothing is left to run. */
  function opsForRun(memory: Map<string, Constants>, inputs: readonly Input[]): Ops<tf.Tensor> {
    const given = inputs.filter((input) => input instanceof FrozenTensor);
    if (given.length === inputs.length) return ops;
    const key = inputs.map((input) => input instanceof FrozenTensor ? `#${input.serial}` : input.shape.join("x"))
      .join();
    let constants = memory.get(key);
    if (constants === undefined) memory.set(key, constants = { folded: new Map(), frozen: new Set(given) });
    const { folded, frozen } = constants;
    return foldConstants<tf.Tensor>({
      ...ops,
      frozen(value) {
        frozen.add(value);
        return ops.frozen(value);
      },
    }, { folded, keep: (x) => void tf.keep(x) });
  }

  function inputTensor(runOps: Ops<tf.Tensor>, input: Input): tf.Tensor {
    if (input instanceof FrozenTensor) return runOps.frozen(input);
    if ("engine" in input) return held.tensorOf(input);
    const { data, shape } = input as HostTensor;
    return tf.tensor(data, [...shape], "float32");
  }

  /** What went wrong becomes one sentence; a device also fails without an exception. */
  async function guarded<R>(program: string, work: () => Promise<R>): Promise<R> {
    try {
      const result = await work();
      const failure = options.failure?.();
      if (failure !== undefined) throw new Error(failure);
      return result;
    } catch (error) {
      const failure = options.failure?.();
      const place = { engine: options.name, program };
      throw engineFailure(failure === undefined ? error : new Error(failure, { cause: error }), place);
    }
  }

  /** tfjs has one active backend in a process. */
  async function activate(): Promise<void> {
    while (tf.getBackend() !== backend) await tf.setBackend(backend);
  }

  /** A program's outputs, which the caller disposes. */
  async function outputsOf(
    { name, fn, memory }: Prepared,
    inputs: readonly Input[],
  ): Promise<tf.Tensor[]> {
    await activate();
    const runOps = opsForRun(memory, inputs);
    tf.engine().startScope(name);
    try {
      const outputs = fn(runOps, inputs.map((input) => inputTensor(runOps, input))).map((output) => tf.clone(output));
      outputs.forEach((output) => tf.keep(output));
      return outputs;
    } finally {
      tf.engine().endScope();
    }
  }

  /** The numbers of tensors, which stay. */
  async function numbersOf(tensors: readonly tf.Tensor[]): Promise<HostTensor[]> {
    const shapes = tensors.map(({ shape }) => [...shape]);
    if (options.joinOutputs !== true || tensors.length < 2) {
      const read = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
      return shapes.map((shape, i) => ({ shape, data: Float32Array.from(read[i]) }));
    }
    await activate();
    const joined = tf.tidy(() => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]))));
    try {
      const read = await joined.data<"float32">();
      let from = 0;
      return shapes.map((shape) => ({ shape, data: read.slice(from, from += count(shape)) }));
    } finally {
      joined.dispose();
    }
  }

  function prepared(name: string, fn: ProgramFunction): Prepared {
    const memory = new Map<string, Constants>();
    memories.add(memory);
    return {
      name,
      fn,
      memory,
      dispose() {
        forgetAll(memory);
        memories.delete(memory);
        return Promise.resolve();
      },
    };
  }

  function program(name: string, fn: ProgramFunction): Program {
    const own = prepared(name, fn);
    return {
      async run(inputs) {
        requireFilled(name, inputs);
        let outputs: tf.Tensor[] = [];
        try {
          return await guarded(name, async () => await numbersOf(outputs = await outputsOf(own, inputs)));
        } finally {
          tf.dispose(outputs);
        }
      },
      dispose: own.dispose,
    };
  }

  const ahead: Promise<unknown>[] = [];
  /** The program whose failure a read may meet. */
  let latest = "a read";
  const memory: DeviceMemory = {
    program(name, fn) {
      const own = prepared(name, fn);
      return {
        async run(inputs) {
          requireFilled(name, inputs);
          latest = name;
          let outputs: tf.Tensor[] = [];
          try {
            await guarded(name, async () => {
              outputs = await outputsOf(own, inputs);
              if (options.settled === undefined) return;
              // A lost device rejects, or says so by `failure`.
              ahead.push(options.settled().catch(() => {}));
              if (ahead.length > RUNS_AHEAD) await ahead.shift();
            });
          } catch (error) {
            tf.dispose(outputs);
            throw error;
          }
          return outputs.map((output) => held.hold(output, output.shape));
        },
        dispose: own.dispose,
      };
    },
    read: (values) => guarded(latest, async () => await numbersOf(values.map(held.tensorOf))),
    release: held.release,
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
    ...(options.apart === true && { memory }),
    tensorCount: () => tf.memory().numTensors,
    kernelCount: kernelCounter(tf),
    dispose() {
      memories.forEach(forgetAll);
      scalars.forEach((value) => value.dispose());
      scalars.clear();
      held.releaseAll();
      frozen.forEach((value) => value.release());
      frozen.clear();
      options.close?.();
      return Promise.resolve();
    },
  };
}
