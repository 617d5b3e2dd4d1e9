/**
 * TensorFlow through tfjs's native addon: npm:@tensorflow/tfjs-node-gpu (CUDA) and npm:@tensorflow/tfjs-node.
 *
 * `deno task gpu:install` puts packages, addon and libtensorflow into {@linkcode TENSORFLOW_FOLDER}, separate from the
 * kit's own packages, so that the lock file and the first start do not change for users without TensorFlow.
 */
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadTfjsNode, loadTfjsNodeGpu, TFJS_VERSION } from "../deps.ts";
import { messageOf, UserError } from "../errors.ts";
import type { Engine } from "./ops.ts";
import { tested } from "./self_test.ts";
import { tfjsEngine } from "./tfjs.ts";
import type { Tfjs } from "./tfjs_ops.ts";

/** The two packages. */
export type TensorflowEngineName = "tensorflow" | "tensorflow-gpu";

const HERE = import.meta.url;

/** Where `gpu:install` puts everything: tasks may load native code only from `node_modules`. */
export const TENSORFLOW_FOLDER: string | undefined = HERE.startsWith("file:")
  ? fileURLToPath(new URL("../../node_modules/.tensorflow/", HERE))
  : undefined;

/** What `gpu:install` records after it has run the engine; `auto` chooses by it. */
export interface TensorflowFound {
  /** TensorFlow's own version. */
  tensorflow: string;
  /** Whether it computes on a CUDA device. */
  cuda: boolean;
  /** The device's name. */
  device: string;
}

const packageOf = (name: TensorflowEngineName) => name === "tensorflow" ? "tfjs-node" : "tfjs-node-gpu";

/** The paths of an engine's parts in `folder`: its npm package, the native addon, the file with {@linkcode TensorflowFound}. */
export function tensorflowPlace(name: TensorflowEngineName, folder: string) {
  const own = `${folder}@tensorflow/${packageOf(name)}`;
  return { package: own, addon: `${own}/lib/napi-v8/tfjs_binding.node`, found: `${own}/lib/found.json` };
}

/** The parts of an installed engine. */
export type TensorflowPlace = ReturnType<typeof tensorflowPlace>;

/** The command that installs an engine. */
export function installCommand(name: TensorflowEngineName): string {
  return name === "tensorflow" ? "deno task gpu:install --cpu" : "deno task gpu:install";
}

/** What was recorded when the engine was installed; undefined when it is not installed. */
export function readFound(name: TensorflowEngineName): TensorflowFound | undefined {
  if (TENSORFLOW_FOLDER === undefined) return undefined;
  const path = tensorflowPlace(name, TENSORFLOW_FOLDER).found;
  // A look-up must not prompt the user for a permission.
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    // Not installed, or the installation was interrupted.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Why TensorFlow, which finds a CUDA device or does not, is not what was asked for; undefined when it is. The processor
 * never computes in a card's place: under the name tensorflow-gpu only for who says `--device cpu`.
 */
export function deviceProblem(
  name: TensorflowEngineName,
  { device, cuda }: { device?: string; cuda: boolean },
): string | undefined {
  if (cuda && device === "cpu") {
    return "TensorFlow uses the graphics card although --device cpu was given: use --engine tensorflow, or set CUDA_VISIBLE_DEVICES=-1.";
  }
  if (cuda || name === "tensorflow" || device === "cpu") return undefined;
  return "TensorFlow finds no CUDA device (with TF_CPP_MIN_LOG_LEVEL=0 it says what it could not open), and tensorflow-gpu " +
    "does not compute on the processor in its place: use --engine webgpu, --engine onnx --device cuda, or --engine onnx.";
}

/**
 * Opens TensorFlow: `tensorflow-gpu` on a CUDA device, or for device `cpu` on the processor, as `tensorflow` always. Throws
 * {@linkcode UserError} when it is not installed, does not load, lacks the device, or computes wrong numbers.
 */
export async function openTensorflow(name: TensorflowEngineName, { device }: { device?: string }): Promise<Engine> {
  if (device !== undefined && device !== "cpu" && device !== "cuda") {
    throw new UserError(`There is no device "${device}" for the engine ${name}: use cpu or cuda.`);
  }
  if (device === "cuda" && name === "tensorflow") {
    throw new UserError("The engine tensorflow runs on the processor: for --device cuda use --engine tensorflow-gpu.");
  }
  setEnvironment(device);
  const tf = await load(name);
  const backend = tf.backend() as unknown as { isUsingGpuDevice: boolean; binding: { TF_Version: string } };
  const cuda = backend.isUsingGpuDevice;
  const problem = deviceProblem(name, { device, cuda });
  if (problem !== undefined) throw new UserError(problem);
  const engine = tfjsEngine(tf, {
    // What runs on the processor is not called by the card's name.
    name: cuda ? name : "tensorflow",
    device: `${cuda ? "CUDA" : "processor"} (TensorFlow ${backend.binding.TF_Version}, ${
      packageOf(name)
    } ${TFJS_VERSION})`,
    threads: navigator.hardwareConcurrency,
    transposeFirst: false,
    apart: cuda,
    joinOutputs: cuda,
  });
  return await tested(engine);
}

/** Sets the environment variables that TensorFlow reads when it starts, if this process has permission. */
function setEnvironment(device: string | undefined): void {
  const set = (name: string, value: string) => {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return;
    if (Deno.env.get(name) === undefined) Deno.env.set(name, value);
  };
  set("TF_CPP_MIN_LOG_LEVEL", "2");
  // Ampere and later cards would otherwise round products to ten bits.
  set("NVIDIA_TF32_OVERRIDE", "0");
  if (device === "cpu") set("CUDA_VISIBLE_DEVICES", "-1");
}

/** Both packages register the same backend in the same tfjs, so a second one would run as the first. */
let loaded: TensorflowEngineName | undefined;

async function load(name: TensorflowEngineName): Promise<Tfjs> {
  if (loaded !== undefined && loaded !== name) {
    throw new UserError(
      `This process already computes with ${loaded}, and TensorFlow loads once: start ${name} in another process.`,
    );
  }
  restoreUtil();
  const missing = (why: string, cause?: unknown) =>
    new UserError(`The engine ${name} is not ready (${why}): ${installCommand(name)}.`, { cause });
  if (TENSORFLOW_FOLDER === undefined) {
    try {
      return await (name === "tensorflow-gpu" ? loadTfjsNodeGpu() : loadTfjsNode());
    } catch (error) {
      throw missing(firstLine(error), error);
    }
  }
  const place = tensorflowPlace(name, TENSORFLOW_FOLDER);
  let index: string;
  try {
    await Deno.stat(place.addon);
    index = await Deno.realPath(`${place.package}/dist/index.js`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missing("it is not installed");
    throw error;
  }
  findAddonAt(place.addon, index);
  try {
    const tf = (await import(pathToFileURL(index).href)).default;
    if (tf.getBackend() !== "tensorflow") await tf.setBackend("tensorflow");
    loaded = name;
    return tf;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw missing(firstLine(error), error);
  }
}

/** Node removed `util.isNullOrUndefined` in version 23, and Deno with it; the addon's JavaScript still calls it. */
function restoreUtil(): void {
  const util = createRequire(HERE.startsWith("file:") ? HERE : "file:///")("node:util");
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
}

/**
 * The package finds its addon with node-pre-gyp, which needs permission to read the whole environment and the system's
 * details. The path is known, so a stub that returns it takes node-pre-gyp's place.
 */
function findAddonAt(addon: string, index: string): void {
  const require = createRequire(index);
  const finder = require.resolve("@mapbox/node-pre-gyp");
  const exports = { find: () => addon };
  require.cache[finder] = { id: finder, filename: finder, loaded: true, exports } as unknown as NodeJS.Module;
}

function firstLine(error: unknown): string {
  const line = messageOf(error).split("\n")[0].trim();
  return line.replaceAll(/\/\S*\/node_modules\/\.tensorflow\/\S*\//g, "").replace(/\.$/, "");
}
