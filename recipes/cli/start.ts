/** A recipe that starts itself again, with the permissions for the paths that were typed. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { visible } from "../../src/errors.ts";
import { DENIED, ofAnyProgram, permissionAdvice, RECIPE, shortFlags, typedPaths } from "./permissions.ts";

/** Whether this process may start Deno: then it was started by a task that may do nothing else. */
export async function isStarter(): Promise<boolean> {
  const { state } = await Deno.permissions.query({ name: "run", command: Deno.execPath() });
  return state === "granted";
}

/**
 * Starts a task again with what is missing to read the paths that were typed, where it may start Deno, and ends with its exit
 * code: who typed a path has said that it may be read, and one that is not there is said at once.
 */
export async function startAgainForPaths(url: string, args: readonly string[], task: string): Promise<void> {
  if (await lacksTypedPath(args) && await isStarter()) Deno.exit(await startWithPermissions(url, args, { task }));
}

/** Whether this process may not read some path that was typed. */
export async function lacksTypedPath(args: readonly string[]): Promise<boolean> {
  const paths = typedPaths(args);
  // No flag of Deno's can hold a comma; what to do then is told where the path is read.
  if (paths.some((path) => path.includes(","))) return false;
  // What no task may read would be lacking for ever.
  const known = paths.filter((path) => !DENIED.includes(resolve(path)));
  const states = await Promise.all(known.map((path) => Deno.permissions.query({ name: "read", path })));
  return states.some(({ state }) => state !== "granted");
}

/** Starts a recipe in this terminal, with the permissions of `task`, and gives its exit code; 2 where Deno refuses to. */
export async function startWithPermissions(
  url: string,
  args: readonly string[],
  { task = RECIPE }: { task?: string } = {},
): Promise<number> {
  const script = url.startsWith("file:") ? fileURLToPath(url) : url;
  const { state: ofAny } = await Deno.permissions.query({ name: "run" });
  // A shell would fill in Deno's path.
  const flags = shortFlags({ url, task }, args).map((flag) => flag.replace(/\$\(deno eval .*\)/, Deno.execPath()))
    .map((flag) => ofAny === "granted" ? ofAnyProgram(flag) : flag);
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", ...flags, script, ...args],
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    const advice = permissionAdvice(error, { url, task });
    if (advice === undefined) throw error;
    console.error(visible(`error: ${advice}`));
    return 2;
  }
  // Ctrl-C reaches the child too, which ends by itself; SIGTERM reaches this process alone.
  const listeners: [Deno.Signal, () => void][] = [["SIGINT", () => {}]];
  if (Deno.build.os !== "windows") listeners.push(["SIGTERM", () => child.kill("SIGTERM")]);
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  const { code } = await child.status;
  for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  return code;
}
