/**
 * What stays on the device between runs of ONNX Runtime's WebGPU: outputs that are given as inputs again, and frozen inputs.
 *
 * All sessions of a process share one device, so a tensor of one session is an input of any other. Nothing may ask such a
 * tensor for its numbers itself (onnxruntime-node 1.30 ends the process): they are read as the output of a graph.
 */
import type { OnnxRuntime as ort } from "../deps.ts";
import { engineFailure } from "./failures.ts";
import { holding } from "./held.ts";
import { count } from "./host_tensor.ts";
import { onnxModel } from "./onnx_model.ts";
import type { DeviceMemory, Frozen, Held, HostTensor, ProgramFunction } from "./ops.ts";

/** ONNX Runtime as loaded by `loadOnnxRuntime`. */
export type OnnxRuntime = typeof ort;

/** Where an output stays. */
export const ON_DEVICE = "gpu-buffer";

/** What a program takes. */
export type OnnxInput = HostTensor | Frozen | Held;

/** A program's graphs. */
export interface OnnxProgram {
  /** Its outputs. */
  run<I extends OnnxInput>(
    inputs: readonly I[],
    feedOf: (input: I) => ort.Tensor | Promise<ort.Tensor>,
  ): Promise<ort.Tensor[]>;
  dispose(): Promise<void>;
}

/** Tensors that one graph joins. */
const JOINED = 8;

/** Runs after which one waits for the device, whose queue would grow without end. */
const RUNS_AHEAD = 16;

/** The memory of an engine's device. */
export function onnxMemory(
  runtime: OnnxRuntime,
  { program, feedOf }: {
    program: (name: string, fn: ProgramFunction) => OnnxProgram;
    feedOf: (input: HostTensor | Frozen) => ort.Tensor;
  },
): {
  memory: DeviceMemory;
  /** How many tensors are held. */
  count(): number;
  /** Releases what is on the device of frozen numbers. */
  forget(value: Frozen): void;
  dispose(): Promise<void>;
} {
  const held = holding<ort.Tensor>("onnx");
  const frozen = new Map<Frozen, ort.Tensor>();
  const helpers = new Map<string, Promise<ort.InferenceSession>>();
  /** The program whose failure a read may meet. */
  let latest = "a read";
  let runs = 0;

  function hold(tensor: ort.Tensor): Held {
    if (tensor.location !== ON_DEVICE) {
      throw new Error(`ONNX Runtime left an output of ${latest} in ${tensor.location}`);
    }
    return held.hold(tensor, tensor.dims);
  }

  /** A small graph of this engine's own, of inputs of these ranks and any size. */
  function helper(
    kind: "join" | "copy",
    ranks: readonly number[],
    { stays }: { stays: boolean },
  ): Promise<ort.InferenceSession> {
    const key = `${kind} ${ranks} ${stays}`;
    let pending = helpers.get(key);
    if (pending === undefined) {
      const inputs = ranks.map((rank, i) => ({
        name: `in${i}`,
        shape: Array.from({ length: rank }, (_, axis) => `size${i}_${axis}`),
      }));
      const graph = kind === "copy"
        ? {
          initializers: [],
          nodes: [{ op: "Identity", inputs: ["in0"], outputs: ["out"] }],
          outputs: [{ name: "out", shape: inputs[0].shape }],
        }
        : {
          initializers: [{ name: "flat", shape: [1], integers: [-1] }],
          nodes: [
            ...ranks.map((_, i) => ({ op: "Reshape", inputs: [`in${i}`, "flat"], outputs: [`flat${i}`] })),
            { op: "Concat", inputs: ranks.map((_, i) => `flat${i}`), outputs: ["out"], attributes: { axis: 0 } },
          ],
          outputs: [{ name: "out", shape: ["size"] }],
        };
      pending = runtime.InferenceSession.create(onnxModel({ name: kind, inputs, ...graph }), {
        executionProviders: ["webgpu"],
        logSeverityLevel: 3,
        enableMemPattern: false,
        ...(stays && { preferredOutputLocation: ON_DEVICE }),
      });
      helpers.set(key, pending);
      pending.catch(() => helpers.delete(key));
    }
    return pending;
  }

  async function joined(tensors: readonly ort.Tensor[], options: { stays: boolean }): Promise<ort.Tensor> {
    const session = await helper("join", tensors.map(({ dims }) => dims.length), options);
    return (await session.run(Object.fromEntries(tensors.map((tensor, i) => [`in${i}`, tensor])))).out;
  }

  /** The numbers of all, in one transfer. */
  async function numbersOf(tensors: readonly ort.Tensor[]): Promise<Float32Array> {
    const mine: ort.Tensor[] = [];
    try {
      let level = tensors;
      while (level.length > JOINED) {
        const next: ort.Tensor[] = [];
        for (let at = 0; at < level.length; at += JOINED) {
          next.push(await joined(level.slice(at, at + JOINED), { stays: true }));
          mine.push(next.at(-1)!);
        }
        level = next;
      }
      return (await joined(level, { stays: false })).data as Float32Array;
    } finally {
      for (const tensor of mine) tensor.dispose();
    }
  }

  async function guarded<R>(work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (error) {
      throw engineFailure(error, { engine: "onnx on webgpu", program: latest });
    }
  }

  /** Frozen inputs go to the device once. */
  async function feed(input: OnnxInput): Promise<ort.Tensor> {
    if ("engine" in input) return held.tensorOf(input);
    if ("data" in input) return feedOf(input);
    let tensor = frozen.get(input);
    if (tensor === undefined) {
      const copy = await guarded(() => helper("copy", [input.shape.length], { stays: true }));
      frozen.set(input, tensor = (await guarded(() => copy.run({ in0: feedOf(input) }))).out);
    }
    return tensor;
  }

  const memory: DeviceMemory = {
    program(name, fn) {
      const own = program(name, fn);
      return {
        async run(inputs) {
          latest = name;
          const outputs = (await own.run(inputs, feed)).map(hold);
          if (++runs % RUNS_AHEAD === 0) await guarded(() => numbersOf([held.tensorOf(smallest(outputs))]));
          return outputs;
        },
        dispose: own.dispose,
      };
    },
    read: (values) =>
      guarded(async () => {
        const all = await numbersOf(values.map(held.tensorOf));
        let from = 0;
        return values.map(({ shape }) => ({ shape: [...shape], data: all.slice(from, from += count(shape)) }));
      }),
    release: held.release,
  };

  return {
    memory,
    count: held.count,
    forget(value) {
      frozen.get(value)?.dispose();
      frozen.delete(value);
    },
    async dispose() {
      held.releaseAll();
      for (const tensor of frozen.values()) tensor.dispose();
      frozen.clear();
      for (const pending of helpers.values()) await (await pending).release();
      helpers.clear();
    },
  };
}

function smallest(values: readonly Held[]): Held {
  return values.reduce((least, value) => count(value.shape) < count(least.shape) ? value : least);
}
