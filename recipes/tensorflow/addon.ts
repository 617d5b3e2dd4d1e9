/**
 * tfjs-node's native addon: compiled from the sources in its npm package against the installed libtensorflow, or, without
 * a compiler, fetched as published.
 */
import { dirname } from "node:path";
import { TFJS_VERSION } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import type { TensorflowPlace } from "../../src/engine/tensorflow.ts";
import { loaderRefusal } from "../../src/refusal.ts";
import { fetchBody } from "./fetch_body.ts";
import { librariesOf } from "./library.ts";
import { unpackTar } from "./unpack_tar.ts";

const COMPILERS = ["c++", "g++", "clang++"];
const SOURCES = ["tfjs_backend.cc", "tfjs_binding.cc"];

/** The first C++ compiler that starts: `CXX` where it is set, else the usual names. */
export async function findCompiler(named: string | undefined): Promise<string | undefined> {
  for (const compiler of named === undefined ? COMPILERS : [named]) {
    try {
      const { success } = await new Deno.Command(compiler, { args: ["--version"], stdout: "null", stderr: "null" })
        .output();
      if (success) return compiler;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable && loaderRefusal(error) === undefined) {
        throw new UserError(
          `CXX names ${compiler}, which this task may not start: name one of ${COMPILERS.join(", ")}.`,
        );
      }
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  if (named !== undefined) throw new UserError(`The compiler ${named} (from CXX) does not start: name another.`);
  return undefined;
}

/**
 * Compiles the addon; `headers` is the folder of `node_api.h`. Throws {@linkcode UserError} with the compiler's first
 * complaint.
 */
export async function compileAddon(
  place: TensorflowPlace,
  options: { compiler: string; headers: string },
): Promise<void> {
  const deps = `${place.package}/deps`;
  const libraries = await librariesOf(deps);
  if (libraries === undefined) throw new Error(`No libtensorflow in ${deps}`);
  await Deno.mkdir(dirname(place.addon), { recursive: true });
  const partial = `${place.addon}.partial`;
  const { success, stderr } = await new Deno.Command(options.compiler, {
    args: [
      "-shared",
      "-fPIC",
      "-O2",
      "-std=c++17",
      "-DNAPI_VERSION=8",
      `-I${deps}/include`,
      `-I${options.headers}`,
      ...SOURCES.map((name) => `${place.package}/binding/${name}`),
      `-L${deps}/lib`,
      ...libraries.map((name) => `-l:${name}`),
      // Found beside the package, wherever that is.
      "-Wl,-rpath,$ORIGIN/../../deps/lib",
      "-o",
      partial,
    ],
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) {
    const lines = new TextDecoder().decode(stderr).split("\n");
    const complaint = lines.find((line) => /error|undefined reference|cannot find/.test(line)) ?? lines[0];
    throw new UserError(
      `${options.compiler} cannot compile tfjs-node's addon (${complaint.trim()}): give another compiler with CXX, or another --libtensorflow.`,
    );
  }
  await Deno.rename(partial, place.addon);
}

/** The address of the published addon: `npm_config_tfjs_binding_binary_host_mirror` is node-pre-gyp's name for another host. */
export function addonAddress(kind: "cpu" | "gpu", env: (name: string) => string | undefined): string {
  const host = env("npm_config_tfjs_binding_binary_host_mirror") ??
    "https://storage.googleapis.com/tf-builds/pre-built-binary";
  return `${host.replace(/\/$/, "")}/napi-v8/${TFJS_VERSION}/${kind.toUpperCase()}-linux-${TFJS_VERSION}.tar.gz`;
}

/**
 * Fetches the published addon, which fits the official libtensorflow alone. Throws {@linkcode UserError} when it cannot
 * be had.
 */
export async function fetchAddon(place: TensorflowPlace, address: string): Promise<void> {
  const failed = (why: string) =>
    new UserError(
      `There is no C++ compiler, and tfjs-node's addon cannot be downloaded from ${address} (${why}): install g++ and try again.`,
    );
  const { body } = await fetchBody(address, failed);
  const partial = `${place.addon}.partial`;
  const count = await unpackTar(body, ({ name }) => name.endsWith("tfjs_binding.node") ? partial : undefined);
  if (count === 0) throw failed("the archive holds no tfjs_binding.node");
  await Deno.rename(partial, place.addon);
}
