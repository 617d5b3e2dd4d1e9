/** A recipe that starts itself again, with the permissions for the paths that were typed. */
import { RECIPE, shortFlags } from "./permissions.ts";
import { fileURLToPath } from "node:url";

/** Whether this process may start Deno: then it was started by a task that may do nothing else. */
export async function isStarter(): Promise<boolean> {
  const { state } = await Deno.permissions.query({ name: "run", command: Deno.execPath() });
  return state === "granted";
}

/** Starts a recipe in this terminal and gives its exit code. */
export async function startWithPermissions(url: string, args: readonly string[]): Promise<number> {
  const script = url.startsWith("file:") ? fileURLToPath(url) : url;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...shortFlags({ url, task: RECIPE }, args), script, ...args],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // Ctrl-C reaches the child too, which ends by itself.
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGINT", ignore);
  return code;
}
