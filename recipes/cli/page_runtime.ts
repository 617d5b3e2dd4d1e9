/** ONNX Runtime for browsers, which exported pages carry: fetched by a task of its own, since few write pages. */
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/errors.ts";
import { infoOf, readBytes, removeIfThere } from "../../src/files.ts";
import { installLocked } from "../packages/locked.ts";

const PACKAGE = "npm:onnxruntime-web@1.30.0";
/** The hashes of the package and of what it brings along. */
const LOCK = new URL("../../data/onnxruntime-web.lock.json", import.meta.url);
/** Where its files are, below the version: another one is fetched anew. */
const FOLDER = new URL("../../node_modules/.page/1.30.0/", import.meta.url);

/** The loader, and the kernels with their glue. */
export const RUNTIME = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

/** What it takes, for sentences. */
export const RUNTIME_COST = "34 MB to download, 14 MB on disk";

/**
 * Refuses to begin a page whose parts are not there.
 *
 * @throws {UserError} with the command that fetches them
 */
export async function requireRuntime(): Promise<void> {
  if (FOLDER.protocol !== "file:") {
    throw new UserError("A page is written by a clone of the kit, which can fetch ONNX Runtime for browsers.");
  }
  if (await isRuntimeThere()) return;
  throw new UserError(
    `A page carries ONNX Runtime for browsers, which is fetched once: run deno task page:install (${RUNTIME_COST}), ` +
      "then this again.",
  );
}

/** Whether all its files are there: the folder is put in its place when they are. */
export async function isRuntimeThere(): Promise<boolean> {
  return (await infoOf(fileURLToPath(FOLDER), "ONNX Runtime for browsers"))?.isDirectory === true;
}

/** One of its files. */
export function runtimeFile(name: string): Promise<Uint8Array> {
  return readBytes(fileURLToPath(new URL(name, FOLDER)), "ONNX Runtime's file");
}

/**
 * Fetches it, and keeps the files that pages need. `stage` is a folder on the same disk, outside of any `node_modules`, to
 * prepare them in.
 *
 * @throws {UserError} when it cannot be downloaded
 */
export async function installRuntime(stage: string): Promise<void> {
  await installLocked(stage, { lock: LOCK, packages: [PACKAGE], what: "ONNX Runtime for browsers" });
  await Deno.mkdir(`${stage}/kept`);
  for (const name of RUNTIME) {
    await Deno.copyFile(`${stage}/node_modules/onnxruntime-web/dist/${name}`, `${stage}/kept/${name}`);
  }
  const place = fileURLToPath(new URL("..", FOLDER));
  // Another version may be there.
  await removeIfThere(place);
  await Deno.mkdir(place, { recursive: true });
  await Deno.rename(`${stage}/kept`, fileURLToPath(FOLDER).replace(/\/$/, ""));
  await removeIfThere(stage);
}
