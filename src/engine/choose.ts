/**
 * Opens an engine by name. Nothing native is loaded unless it is chosen.
 */
import {
  loadOnnxRuntime,
  loadTfjs,
  loadTfjsBackendCpu,
  loadTfjsBackendWasm,
  ONNX_RUNTIME_VERSION,
  TFJS_VERSION,
} from "../deps.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { type OnnxDevice, onnxEngine } from "./onnx.ts";
import type { Engine } from "./ops.ts";
import { tfjsEngine } from "./tfjs.ts";

/** The engines, as chosen with `--engine`. */
export const ENGINE_NAMES = ["auto", "onnx", "wasm", "cpu", "webgpu", "tensorflow", "tensorflow-gpu"] as const;

/** An engine's name. */
export type EngineName = typeof ENGINE_NAMES[number];

/** Options of {@linkcode openEngine}. */
export interface EngineOptions {
  /** Threads of the onnx engine; the machine's logical processors when left out. */
  threads?: number;
  /** Where the onnx engine runs its graphs: `cpu` (default), `webgpu` or `cuda`. */
  device?: string;
  /** Hears what was chosen and why. */
  log?: (line: string) => void;
}

const ONNX_DEVICES: readonly OnnxDevice[] = ["cpu", "webgpu", "cuda"];

/** The name as one of {@linkcode ENGINE_NAMES}. Throws {@linkcode UserError} with a suggestion when it is none. */
export function engineName(name: string): EngineName {
  const found = ENGINE_NAMES.find((known) => known === name);
  if (found === undefined) {
    throw new UserError(
      `There is no engine "${name}"${didYouMean(name, ENGINE_NAMES)}: use one of ${ENGINE_NAMES.join(", ")}.`,
    );
  }
  return found;
}

/**
 * Opens an engine. The caller disposes it.
 *
 * @param name One of {@linkcode ENGINE_NAMES}; `auto` takes CUDA where it is ready and ONNX Runtime elsewhere.
 * @throws {UserError} When the engine is unknown or cannot run on this machine.
 */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  const { log = () => {} } = options;
  const chosen = engineName(name);
  if (options.device !== undefined && chosen !== "onnx") {
    throw new UserError(
      `--device ${options.device} goes with --engine onnx, not with --engine ${chosen}: leave it out.`,
    );
  }
  switch (chosen) {
    case "auto": {
      log("Engine: onnx on cpu, because no CUDA engine is installed (deno task engines lists all).");
      return await openOnnx({ ...options, device: "cpu" });
    }
    case "onnx":
      return await openOnnx(options);
    case "wasm":
    case "cpu":
      return await openPortable(chosen);
    default:
      throw new UserError(`The engine ${chosen} is not ready on this machine: deno task engines says why.`);
  }
}

async function openOnnx(options: EngineOptions): Promise<Engine> {
  const device = ONNX_DEVICES.find((known) => known === (options.device ?? "cpu"));
  if (device === undefined) {
    throw new UserError(`There is no device "${options.device}": use one of ${ONNX_DEVICES.join(", ")}.`);
  }
  const threads = options.threads ?? navigator.hardwareConcurrency;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new UserError(`--threads is ${options.threads}: give a whole number from 1 up.`);
  }
  return onnxEngine(await loadOnnxRuntime(), { device, threads, version: ONNX_RUNTIME_VERSION });
}

/** tfjs with its own kernels: WebAssembly with SIMD, or plain JavaScript. Both run on one thread. */
async function openPortable(backend: "wasm" | "cpu"): Promise<Engine> {
  const tf = await loadTfjs();
  await (backend === "wasm" ? loadTfjsBackendWasm() : loadTfjsBackendCpu());
  if (!await tf.setBackend(backend)) {
    throw new UserError(`tfjs could not start its ${backend} backend: use --engine onnx.`);
  }
  await tf.ready();
  return tfjsEngine(tf, {
    name: backend,
    device: `${backend} (tfjs ${TFJS_VERSION})`,
    threads: 1,
    transposeFirst: backend === "wasm",
  });
}
