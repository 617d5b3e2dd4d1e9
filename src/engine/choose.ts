/**
 * Opens an engine by name. Native code is loaded only for the engine that is chosen.
 */
import { loadOnnxRuntime, loadTfjs, loadTfjsBackendCpu, loadTfjsBackendWasm, TFJS_VERSION } from "../deps.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { type OnnxDevice, onnxEngine } from "./onnx.ts";
import type { Engine } from "./ops.ts";
import { tested } from "./self_test.ts";
import { openTensorflow, readFound } from "./tensorflow.ts";
import { tfjsEngine } from "./tfjs.ts";
import { openWebgpu } from "./webgpu.ts";

/** The engines, as chosen with `--engine`. */
export const ENGINE_NAMES = ["auto", "onnx", "wasm", "cpu", "webgpu", "tensorflow", "tensorflow-gpu"] as const;

/** An engine's name: one of {@linkcode ENGINE_NAMES}. */
export type EngineName = typeof ENGINE_NAMES[number];

/** Options of {@linkcode openEngine}. */
export interface EngineOptions {
  /** Threads of the onnx engine; by default one per logical processor. */
  threads?: number;
  /** Where the onnx engine runs its graphs: `cpu` (default), `webgpu` or `cuda`. For tensorflow-gpu `cpu` or `cuda`. */
  device?: string;
  /** Called with a line that says which engine was chosen and why. */
  log?: (line: string) => void;
}

const THREADS_A_PROCESSOR = 8;
const ONNX_DEVICES: readonly OnnxDevice[] = ["cpu", "webgpu", "cuda"];

/**
 * The name as one of {@linkcode ENGINE_NAMES}.
 *
 * @throws {UserError} With a suggestion, when there is no such engine.
 */
export function engineName(name: string): EngineName {
  const found = ENGINE_NAMES.find((known) => known === name);
  if (found === undefined) {
    throw new UserError(
      `There is no engine "${name}": use one of ${ENGINE_NAMES.join(", ")}.${didYouMean(name, ENGINE_NAMES)}`,
    );
  }
  return found;
}

/**
 * Opens an engine. The caller disposes it.
 *
 * @param name `onnx`, `wasm`, `cpu`, `webgpu`, `tensorflow`, `tensorflow-gpu`, or `auto`: CUDA if it is ready, ONNX Runtime
 * otherwise.
 * @param options Threads, device, and a function that logs the choice.
 * @throws {UserError} When the engine is unknown or cannot run on this machine.
 *
 * @example A program runs on any of them
 * ```ts
 * import { openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const double = engine.program("double", (ops, [x]) => [ops.scale(x, 2)]);
 * const [y] = await double.run([{ shape: [2], data: Float32Array.of(1, -3) }]);
 * await engine.dispose();
 * if (y.data.join() !== "2,-6") throw new Error("unexpected");
 * ```
 */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  const { device, log = () => {} } = options;
  const chosen = engineName(name);
  if (device !== undefined && !["onnx", "tensorflow", "tensorflow-gpu"].includes(chosen)) {
    throw new UserError(`--device ${device} goes with --engine onnx, not with --engine ${chosen}: leave it out.`);
  }
  switch (chosen) {
    case "auto":
      return await openBest(options, log);
    case "onnx":
      return await openOnnx(options);
    case "wasm":
    case "cpu":
      return await openPortable(chosen);
    case "webgpu":
      return await openWebgpu();
    case "tensorflow":
    case "tensorflow-gpu":
      return await openTensorflow(chosen, { device });
  }
}

/** CUDA if it is installed and passes its self-test now; otherwise ONNX Runtime on the processor. */
async function openBest(options: EngineOptions, log: (line: string) => void): Promise<Engine> {
  const found = readFound("tensorflow-gpu");
  let why = "no CUDA engine is installed";
  if (found !== undefined && !found.cuda) why = "the installed tensorflow-gpu found no CUDA device";
  if (found?.cuda) {
    try {
      const engine = await openTensorflow("tensorflow-gpu", { device: "cuda" });
      log(`Engine: tensorflow-gpu on ${engine.device}, because CUDA is ready.`);
      return engine;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      why = `CUDA is not ready: ${error.message.replace(/\.$/, "")}`;
    }
  }
  log(`Engine: onnx on cpu, because ${why} (deno task engines lists all).`);
  return await openOnnx({ ...options, device: "cpu" });
}

async function openOnnx(options: EngineOptions): Promise<Engine> {
  const device = ONNX_DEVICES.find((known) => known === (options.device ?? "cpu"));
  if (device === undefined) {
    throw new UserError(`There is no device "${options.device}": use one of ${ONNX_DEVICES.join(", ")}.`);
  }
  const processors = navigator.hardwareConcurrency;
  const { threads = processors } = options;
  // ONNX Runtime starts as many as it is told: hundreds on a few processors take minutes for a step, or all memory.
  const most = THREADS_A_PROCESSOR * processors;
  if (!Number.isInteger(threads) || threads < 1 || threads > most) {
    throw new UserError(`--threads is ${options.threads}: give a whole number from 1 to ${most}, or leave it out.`);
  }
  const engine = onnxEngine(await loadOnnxRuntime(), { device, threads });
  try {
    return await tested(engine);
  } catch (error) {
    throw device === "cpu" ? error : deviceMissing(device, error);
  }
}

/** ONNX Runtime opens a device only when it prepares the first graph; its own message says what is missing. */
function deviceMissing(device: OnnxDevice, error: unknown): unknown {
  if (error instanceof UserError) return error;
  const { message } = error as Error;
  const [line] = message.split("\n");
  let advice = `ONNX Runtime cannot use ${device === "cuda" ? "CUDA" : "WebGPU"} (${line}): use --device cpu.`;
  if (device === "cuda" && /Failed to load (shared )?library|cannot open shared object/i.test(message)) {
    advice =
      "ONNX Runtime's CUDA libraries are not installed: deno task gpu:install --onnx fetches them (CUDA 12 and cuDNN 9 have to be installed).";
  }
  if (device === "webgpu" && /adapter/i.test(message)) {
    advice =
      "ONNX Runtime's WebGPU finds no suitable device: install the card's Vulkan driver, or use --engine webgpu or --device cpu.";
  }
  return new UserError(advice, { cause: error });
}

/** tfjs with its own kernels: WebAssembly with SIMD, or plain JavaScript. Both run on one thread. */
async function openPortable(backend: "wasm" | "cpu"): Promise<Engine> {
  const tf = await loadTfjs();
  await (backend === "wasm" ? loadTfjsBackendWasm() : loadTfjsBackendCpu());
  if (!await tf.setBackend(backend)) {
    throw new UserError(`tfjs could not start its ${backend} backend: use --engine onnx.`);
  }
  await tf.ready();
  // Otherwise tfjs prints advice on standard error to install another backend.
  if (backend === "cpu") Object.assign(tf.backend(), { firstUse: false });
  return tfjsEngine(tf, {
    name: backend,
    device: `${backend} (tfjs ${TFJS_VERSION})`,
    threads: 1,
    transposeFirst: backend === "wasm",
  });
}
