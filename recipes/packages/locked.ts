/**
 * Packages of npm by a lock file of their own. Deno installs at the first start whatever `deno.lock` names, so that what few
 * ask for is not in it.
 */
import { UserError } from "../../src/errors.ts";
import { removeIfThere } from "../../src/files.ts";

/**
 * Puts packages into the `node_modules` of the folder `stage`, which is made anew: by their hashes, and no install script runs.
 *
 * @throws {UserError} when they cannot be downloaded
 */
export async function installLocked(
  stage: string,
  { lock, packages, what }: { lock: URL; packages: readonly string[]; what: string },
): Promise<void> {
  await removeIfThere(stage);
  await Deno.mkdir(stage, { recursive: true });
  await Deno.writeTextFile(`${stage}/deno.json`, JSON.stringify({ nodeModulesDir: "auto", allowScripts: [] }));
  await Deno.writeTextFile(`${stage}/deno.lock`, await Deno.readTextFile(lock));
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--frozen", "--entrypoint", ...packages],
    cwd: stage,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n")[0].replace(/^error: /, "");
  throw new UserError(`${what} cannot be downloaded (${said}): try again.`);
}
