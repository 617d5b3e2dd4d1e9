/**
 * TensorFlow through tfjs's native addon: npm:@tensorflow/tfjs-node-gpu (CUDA) and npm:@tensorflow/tfjs-node.
 *
 * `deno task gpu:install` puts packages, addon and libtensorflow into {@linkcode TENSORFLOW_FOLDER}, apart from the
 * kit's own packages: its lock file and its first start stay as they are for those who never ask for TensorFlow.
 */
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadTfjsNode, loadTfjsNodeGpu, TFJS_VERSION } from "../deps.ts";
import { UserError } from "../errors.ts";
import type { Engine } from "./ops.ts";
import { tested } from "./self_test.ts";
import { type Tfjs, tfjsEngine } from "./tfjs.ts";

/** The two packages. */
export type TensorflowEngineName = "tensorflow" | "tensorflow-gpu";

const HERE = import.meta.url;

/** Where `gpu:install` puts everything: tasks may read `node_modules` and load native code from it, and nothing else. */
export const TENSORFLOW_FOLDER: string | undefined = HERE.startsWith("file:")
  ? fileURLToPath(new URL("../../node_modules/.tensorflow/", HERE))
  : undefined;

/** Where the parts of an installed engine are. */
export interface TensorflowPlace {
  /** The folder of the npm package. */
  package: string;
  /** The native addon. */
  addon: string;
  /** The folder of libtensorflow. */
  libraries: string;
  /** What the self-test found when it was installed. */
  found: string;
}

/** What `gpu:install` writes down after the engine has run: the reason for `auto` to choose it or not. */
export interface TensorflowFound {
  /** TensorFlow's own version. */
  tensorflow: string;
  /** Whether it computes on a CUDA device. */
  cuda: boolean;
  /** The device in words. */
  device: string;
}

/** The parts of an engine below `folder`. */
export function tensorflowPlace(name: TensorflowEngineName, folder: string): TensorflowPlace {
  const own = `${folder}@tensorflow/tfjs-node${name === "tensorflow-gpu" ? "-gpu" : ""}`;
  return {
    package: own,
    addon: `${own}/lib/napi-v8/tfjs_binding.node`,
    libraries: `${own}/deps/lib`,
    found: `${own}/lib/found.json`,
  };
}

/** The command that installs an engine. */
export function installCommand(name: TensorflowEngineName): string {
  return name === "tensorflow" ? "deno task gpu:install --cpu" : "deno task gpu:install";
}

/** What was found when the engine was installed; nothing when it is not there. */
export function readFound(name: TensorflowEngineName): TensorflowFound | undefined {
  if (TENSORFLOW_FOLDER === undefined) return undefined;
  const path = tensorflowPlace(name, TENSORFLOW_FOLDER).found;
  // Looking is no reason to ask the user for a permission.
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    // Not installed, or an installation that was broken off.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Options of {@linkcode openTensorflow}. */
export interface TensorflowOptions {
  /** `cuda`: only with a CUDA device. `cpu`: TensorFlow's own kernels on the processor. Left out: what there is. */
  device?: string;
  /** Hears when no CUDA device was found. */
  log?: (line: string) => void;
}

/**
 * Opens TensorFlow.
 *
 * @throws {UserError} When it is not installed, does not load, has no CUDA device though one is asked for, or computes
 * wrong numbers.
 */
export async function openTensorflow(name: TensorflowEngineName, options: TensorflowOptions = {}): Promise<Engine> {
  const { device, log = () => {} } = options;
  if (device !== undefined && device !== "cpu" && device !== "cuda") {
    throw new UserError(`There is no device "${device}" for the engine ${name}: use cpu or cuda.`);
  }
  if (device === "cuda" && name === "tensorflow") {
    throw new UserError("The engine tensorflow runs on the processor: for --device cuda use --engine tensorflow-gpu.");
  }
  quieten(device);
  const tf = await load(name);
  const backend = tf.backend() as unknown as { isUsingGpuDevice: boolean; binding: { TF_Version: string } };
  const cuda = backend.isUsingGpuDevice;
  if (!cuda && device === "cuda") {
    throw new UserError(
      "TensorFlow finds no CUDA device: `deno task engines` says what is missing, or leave --device out.",
    );
  }
  if (cuda && device === "cpu") {
    throw new UserError(
      "TensorFlow has taken the card though --device cpu was asked for: use --engine tensorflow, or set CUDA_VISIBLE_DEVICES=-1.",
    );
  }
  if (!cuda && name === "tensorflow-gpu" && device === undefined) {
    log("Engine: tensorflow-gpu finds no CUDA device and computes with TensorFlow's kernels for the processor.");
  }
  const kernels = cuda ? "CUDA" : name === "tensorflow-gpu" ? "processor, no CUDA device" : "processor";
  const engine = tfjsEngine(tf, {
    name,
    device: `${kernels} (TensorFlow ${backend.binding.TF_Version}, tfjs-node${
      name === "tensorflow-gpu" ? "-gpu" : ""
    } ${TFJS_VERSION})`,
    threads: navigator.hardwareConcurrency,
    transposeFirst: false,
  });
  return await tested(engine);
}

/** Sets what TensorFlow reads from the environment when it starts, where this process is allowed to. */
function quieten(device: string | undefined): void {
  const set = (name: string, value: string) => {
    if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return;
    if (Deno.env.get(name) === undefined) Deno.env.set(name, value);
  };
  set("TF_CPP_MIN_LOG_LEVEL", "2");
  // Ampere and later cards would otherwise round products to ten bits.
  set("NVIDIA_TF32_OVERRIDE", "0");
  if (device === "cpu") set("CUDA_VISIBLE_DEVICES", "-1");
}

/** Both packages register the same backend in the same tfjs; the second would be the first under another name. */
let loaded: TensorflowEngineName | undefined;

async function load(name: TensorflowEngineName): Promise<Tfjs> {
  if (loaded !== undefined && loaded !== name) {
    throw new UserError(
      `This process already computes with ${loaded}, and TensorFlow loads once: start ${name} in one of its own.`,
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
 * The package looks for its addon with node-pre-gyp, which for that reads the whole environment and asks for the
 * machine's processors. The place is known, so it gets an answer without those permissions.
 */
function findAddonAt(addon: string, index: string): void {
  const require = createRequire(index);
  const finder = require.resolve("@mapbox/node-pre-gyp");
  const exports = { find: () => addon };
  require.cache[finder] = { id: finder, filename: finder, loaded: true, exports } as unknown as NodeJS.Module;
}

function firstLine(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0].trim();
  return line.replaceAll(/\/\S*\/node_modules\/\.tensorflow\/\S*\//g, "").replace(/\.$/, "");
}
