/**
 * The npm packages of the TensorFlow engines, in a `node_modules` of their own below the kit's: with a lock file of
 * their own, no install script runs, and who never asks for TensorFlow never downloads them.
 */
import { TFJS_VERSION } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { infoOf, removeIfThere } from "../../src/files.ts";

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
  await removeIfThere(stage);
  await Deno.mkdir(stage, { recursive: true });
  await Deno.writeTextFile(`${stage}/deno.json`, JSON.stringify({ nodeModulesDir: "auto", allowScripts: [] }));
  await Deno.writeTextFile(`${stage}/deno.lock`, await Deno.readTextFile(LOCK));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--frozen", "--entrypoint", ...PACKAGES],
    cwd: stage,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  if (code !== 0) {
    const said = new TextDecoder().decode(stderr).trim().split("\n")[0].replace(/^error: /, "");
    throw new UserError(`The packages of the TensorFlow engines cannot be downloaded (${said}): try again.`);
  }
  await removeIfThere(folder);
  // The links inside are relative, so that the whole can be moved.
  await Deno.rename(`${stage}/node_modules`, folder.replace(/\/$/, ""));
  await removeIfThere(stage);
}
