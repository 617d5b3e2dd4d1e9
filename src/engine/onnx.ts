/**
 * The compiling engine: a program becomes one ONNX graph per set of input shapes, which ONNX Runtime optimises once and
 * then runs as a whole on all cores.
 */
import { ONNX_RUNTIME_VERSION, type OnnxRuntime as ort } from "../deps.ts";
import { engineFailure } from "./failures.ts";
import { writeGraph } from "./onnx_graph.ts";
import { ON_DEVICE, onnxMemory, type OnnxProgram, type OnnxRuntime } from "./onnx_memory.ts";
import { onnxModel } from "./onnx_model.ts";
import type { Engine, Frozen, HostTensor, Program, ProgramFunction } from "./ops.ts";

/** Where graphs run. */
export type OnnxDevice = "cpu" | "webgpu" | "cuda";

class FrozenHost implements Frozen {
  readonly shape: readonly number[];
  #feed?: ort.Tensor;
  constructor(readonly name: string, readonly host: HostTensor) {
    this.shape = host.shape;
  }
  feed(runtime: OnnxRuntime): ort.Tensor {
    return this.#feed ??= new runtime.Tensor("float32", this.host.data, this.host.shape);
  }
}

function frozenHost(value: Frozen): FrozenHost {
  if (!(value instanceof FrozenHost)) throw new Error(`${value.name} was frozen by another engine`);
  return value;
}

/**
 * The numbers of a frozen tensor.
 *
 * @throws {Error} where another engine than this one froze it
 */
export function frozenNumbers(value: Frozen): HostTensor {
  return frozenHost(value).host;
}

const bytesOf = ({ data }: HostTensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Graphs whose products take fewer floating-point operations run on the calling thread only. */
const MIN_FLOPS_FOR_THREADS = 1e7;

/** An engine on ONNX Runtime. */
export function onnxEngine(runtime: OnnxRuntime, options: { device: OnnxDevice; threads: number }): Engine {
  const frozen = new Set<FrozenHost>();
  const sessions = new Set<ort.InferenceSession>();

  async function prepare(
    name: string,
    fn: ProgramFunction,
    { shapes, stays }: { shapes: readonly (readonly number[])[]; stays: boolean },
  ): Promise<ort.InferenceSession> {
    const writer = writeGraph();
    const outputs = fn(writer.ops, shapes.map((shape) => writer.input(shape)));
    const { graph, frozen: files, flops } = writer.finish(name, outputs);
    const externalData = [...files].map(([path, value]) => ({ path, data: bytesOf(frozenHost(value).host) }));
    try {
      const session = await runtime.InferenceSession.create(onnxModel(graph), {
        executionProviders: [options.device],
        // A session's threads keep spinning for a while after a run, on the cores that the next session needs.
        intraOpNumThreads: flops < MIN_FLOPS_FOR_THREADS ? 1 : options.threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        // A pattern is laid out beside the memory that the first run took, and a step's is half a gigabyte.
        enableMemPattern: false,
        graphOptimizationLevel: "all",
        logSeverityLevel: 3,
        externalData,
        ...(stays && { preferredOutputLocation: ON_DEVICE }),
      });
      sessions.add(session);
      return session;
    } catch (error) {
      throw new Error(`ONNX Runtime refused the graph ${name}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** A program's sessions, one for each set of shapes. */
  function sessionsOf(
    name: string,
    fn: ProgramFunction,
    { shapes = Infinity, stays = false }: { shapes?: number; stays?: boolean },
  ): OnnxProgram {
    const prepared = new Map<string, Promise<ort.InferenceSession>>();
    async function free(key: string, pending: Promise<ort.InferenceSession>): Promise<void> {
      prepared.delete(key);
      const session = await pending;
      sessions.delete(session);
      await session.release();
    }
    return {
      async run(inputs, feedOf) {
        const key = inputs.map(({ shape }) => shape.join("x")).join(",");
        let pending = prepared.get(key);
        if (pending === undefined) {
          for (const [key, pending] of [...prepared].slice(0, Math.max(0, prepared.size + 1 - shapes))) {
            await free(key, pending);
          }
          prepared.set(key, pending = prepare(name, fn, { shapes: inputs.map(({ shape }) => shape), stays }));
          // There is no session to release after a failure; the error itself surfaces where the session is awaited.
          pending.catch(() => prepared.delete(key));
        }
        const session = await pending;
        const feeds: Record<string, ort.Tensor> = {};
        for (const [i, input] of inputs.entries()) {
          const feed = feedOf(input);
          feeds[`in${i}`] = feed instanceof Promise ? await feed : feed;
        }
        try {
          const results = await session.run(feeds);
          return session.outputNames.map((output) => results[output]);
        } catch (error) {
          throw engineFailure(error, { engine: `onnx on ${options.device}`, program: name });
        }
      },
      async dispose() {
        for (const [key, pending] of [...prepared]) await free(key, pending);
      },
    };
  }

  const feedOf = (input: HostTensor | Frozen): ort.Tensor =>
    input instanceof FrozenHost
      ? input.feed(runtime)
      : new runtime.Tensor("float32", (input as HostTensor).data, input.shape);

  function program(name: string, fn: ProgramFunction, { shapes }: { shapes?: number } = {}): Program {
    const own = sessionsOf(name, fn, { shapes });
    return {
      async run(inputs) {
        const results = await own.run(inputs, feedOf);
        return results.map(({ dims, data }) => ({ shape: [...dims], data: data as Float32Array }));
      },
      dispose: own.dispose,
    };
  }

  // The binding knows tensors of WebGPU's memory alone, not of CUDA's.
  const device = options.device === "webgpu"
    ? onnxMemory(runtime, { program: (name, fn) => sessionsOf(name, fn, { stays: true }), feedOf })
    : undefined;

  return {
    name: "onnx",
    device: `${options.device} (ONNX Runtime ${ONNX_RUNTIME_VERSION})`,
    threads: options.threads,
    freeze(name, value) {
      const held = new FrozenHost(name, value);
      frozen.add(held);
      return held;
    },
    release(value) {
      device?.forget(value);
      frozen.delete(frozenHost(value));
    },
    program,
    ...(device && { memory: device.memory }),
    tensorCount: () => frozen.size + sessions.size + (device?.count() ?? 0),
    kernelCount: () => 0,
    async dispose() {
      await device?.dispose();
      for (const session of sessions) await session.release();
      sessions.clear();
      frozen.clear();
    },
  };
}
