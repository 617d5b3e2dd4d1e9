/**
 * Installs TensorFlow for the engines `tensorflow-gpu` (CUDA) and `tensorflow`: npm packages, libtensorflow, and the
 * addon between them; then computes with it, and writes down what it found.
 *
 * `deno task gpu:install` (Linux on x86-64 with an NVIDIA driver, CUDA 11 and cuDNN 8; about 1 GB)
 * `deno task gpu:install --cpu` (Linux on x86-64; no card needed)
 *
 * docs/gpu.md tells more.
 */
import { fileURLToPath } from "node:url";
import {
  TENSORFLOW_FOLDER,
  type TensorflowEngineName,
  type TensorflowFound,
  tensorflowPlace,
} from "../src/engine/tensorflow.ts";
import { UserError } from "../src/errors.ts";
import { removeIfThere, writeFileAtomic } from "../src/files.ts";
import { probeInChild } from "./cli/probe.ts";
import { text, toggle } from "../src/methods/setting.ts";
import { readFlags } from "./cli/flags.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";
import { addonAddress, compileAddon, fetchAddon, findCompiler } from "./tensorflow/addon.ts";
import { cudaProblem, findCuda } from "./tensorflow/cuda.ts";
import { installLibrary, libraryAddress } from "./tensorflow/library.ts";
import { installPackages } from "./tensorflow/packages.ts";

const { debug, help } = TERMINAL_SETTINGS;
const SETTINGS = {
  cpu: toggle({ section: "What runs", help: "install the engine tensorflow, which computes on the processor" }),
  withoutCuda: toggle({
    section: "What runs",
    help: "install tensorflow-gpu on a machine without CUDA, where it computes with --device cpu alone",
  }),
  libtensorflow: text({
    section: "What runs",
    placeholder: "FILE",
    help: "libtensorflow of your own: its .tar.gz, TensorFlow's Python wheel, a folder, or an address",
  }),
  onnx: toggle({
    section: "What runs",
    help: "fetch ONNX Runtime's CUDA libraries, for --engine onnx --device cuda",
  }),
  debug,
  help,
};

const program: Program = {
  title:
    "Installs the engine tensorflow-gpu (CUDA), or tensorflow (no card needed). docs/gpu.md describes the environment " +
    "variables for mirrors.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task gpu:install", "deno task gpu:install --cpu", "deno task gpu:install --onnx"],
};

/** What the environment may say; the names are tfjs-node's and node-pre-gyp's, but for the first. */
const VARIABLES = [
  "TFJS_NODE_LIBTENSORFLOW",
  "TFJS_NODE_CDN_STORAGE",
  "npm_config_TFJS_NODE_CDN_STORAGE",
  "TFJS_NODE_BASE_URI",
  "npm_config_TFJS_NODE_BASE_URI",
  "npm_config_tfjs_binding_binary_host_mirror",
  "CXX",
  "LD_LIBRARY_PATH",
] as const;

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const flags = readFlags(args, SETTINGS).given;
  if (flags.onnx) return await installOnnxCuda();
  const env = (name: string) => (VARIABLES as readonly string[]).includes(name) ? Deno.env.get(name) : undefined;
  const kind = flags.cpu ? "cpu" : "gpu";
  const name: TensorflowEngineName = flags.cpu ? "tensorflow" : "tensorflow-gpu";
  if (TENSORFLOW_FOLDER === undefined) {
    throw new UserError(
      "TensorFlow is installed into a copy of the kit on disk, not into one that runs from a URL: clone it.",
    );
  }
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new UserError(
      `TensorFlow's engines are for Linux on x86-64, not for ${Deno.build.os} on ${Deno.build.arch}: use --engine webgpu or onnx.`,
    );
  }
  const source = flags.libtensorflow ?? env("TFJS_NODE_LIBTENSORFLOW");
  // A libtensorflow of one's own may want another CUDA: then its own self-test decides.
  if (kind === "gpu" && !flags.withoutCuda) {
    const state = await findCuda(env("LD_LIBRARY_PATH"));
    const problem = cudaProblem(source === undefined ? state : { ...state, libraries: undefined });
    if (problem !== undefined) throw new UserError(problem);
    console.log(`CUDA: ${state.card}`);
  }
  const place = tensorflowPlace(name, TENSORFLOW_FOLDER);
  const cache = fileURLToPath(new URL("../.cache/tensorflow", import.meta.url));
  console.log("Packages of npm");
  await installPackages(TENSORFLOW_FOLDER, `${cache}/stage`);
  await removeIfThere(place.found);
  await installLibrary(source ?? libraryAddress(kind, env), { deps: `${place.package}/deps`, cache, log: console.log });
  const compiler = await findCompiler(env("CXX"));
  if (compiler === undefined) {
    await fetchAddon(place, addonAddress(kind, env));
  } else {
    console.log(`Compiling the addon with ${compiler}`);
    await compileAddon(place, { compiler, headers: `${TENSORFLOW_FOLDER}node-api-headers/include` });
  }
  console.log("Self-test");
  const result = await probeInChild(name, flags.withoutCuda ? { device: "cpu" } : {});
  if (!result.available) {
    throw new UserError(`The engine ${name} is installed and does not run: ${result.why}`);
  }
  const { device, version, gflops } = result.probe;
  const cuda = device === "CUDA";
  const found: TensorflowFound = { tensorflow: version, cuda, device };
  await writeFileAtomic(place.found, `${JSON.stringify(found)}\n`);
  console.log(`Ready: --engine ${name} on ${device} (${version}), ${gflops} GFLOP/s`);
}

/** Runs onnxruntime-node's own install script, the one that `allowScripts` denies, because somebody asked for it. */
async function installOnnxCuda(): Promise<void> {
  const script = fileURLToPath(new URL("../node_modules/onnxruntime-node/script/install.js", import.meta.url));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script, "--onnxruntime-node-install"],
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  if (code !== 0) {
    const lines = new TextDecoder().decode(stderr).split("\n");
    const said = (lines.find((line) => /error/i.test(line)) ?? lines[0]).trim();
    throw new UserError(
      `ONNX Runtime's CUDA libraries cannot be fetched (${said}): try again where the network allows it.`,
    );
  }
  const result = await probeInChild("onnx", { device: "cuda" });
  if (!result.available) throw new UserError(`The libraries are installed; ${result.why}`);
  console.log(`Ready: --engine onnx --device cuda, ${result.probe.gflops} GFLOP/s`);
}
