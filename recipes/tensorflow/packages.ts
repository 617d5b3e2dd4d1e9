/**
 * The npm packages of the TensorFlow engines, in a `node_modules` of their own below the kit's: with a lock file of
 * their own, no install script runs, and who never asks for TensorFlow never downloads them.
 */
import { TFJS_VERSION } from "../../src/deps.ts";
import { infoOf, removeIfThere } from "../../src/files.ts";
import { installLocked } from "../packages/locked.ts";

const LOCK = new URL("../../data/tensorflow.lock.json", import.meta.url);

/** The headers that native addons are compiled with. */
const NODE_API_HEADERS_VERSION = "1.9.0";

const PACKAGES = [
  `npm:@tensorflow/tfjs-node@${TFJS_VERSION}`,
  `npm:@tensorflow/tfjs-node-gpu@${TFJS_VERSION}`,
  `npm:node-api-headers@${NODE_API_HEADERS_VERSION}`,
];

/**
 * Puts the packages into `folder`, the new `node_modules` with a slash at the end, unless they are there. `stage` is a
 * folder on the same disk to prepare it in. Throws {@linkcode UserError} when they cannot be downloaded.
 */
export async function installPackages(folder: string, stage: string): Promise<void> {
  if (await infoOf(`${folder}node-api-headers`) !== undefined) return;
  await installLocked(stage, { lock: LOCK, packages: PACKAGES, what: "The packages of the TensorFlow engines" });
  await removeIfThere(folder);
  // The links inside are relative, so that the whole can be moved.
  await Deno.rename(`${stage}/node_modules`, folder.replace(/\/$/, ""));
  await removeIfThere(stage);
}
