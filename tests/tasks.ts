/** The tasks of `deno.json` and the permissions that they are started with. */
import { fileURLToPath } from "node:url";

/** The repository's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Tasks for those who work on the kit. */
export const DEVELOPMENT: readonly string[] = ["test", "fuzz", "ok"];

/** Tasks that are lists of permissions: others hand on to them. */
export const LISTS: readonly string[] = ["recipe", "compute", "native"];

/** A task. */
export interface Task {
  name: string;
  description?: string;
  command: string;
}

/** What a command allows: kind → values; an empty list is everything of that kind. */
export type Allowed = Map<string, string[]>;

/** All tasks, in the order of the menu. */
export function readTasks(): Task[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)) as {
    tasks: Record<string, string | Omit<Task, "name">>;
  };
  return Object.entries(tasks).map(([name, task]) =>
    typeof task === "string" ? { name, command: task } : { name, ...task }
  );
}

/** A task with the whole of its command: what it hands on to (`deno task -q recipe …`) is followed, and flags add up. */
export function resolveTask(task: Task, tasks: readonly Task[]): Task {
  const [, next, rest] = /^deno task -q (\S+)(.*)$/s.exec(task.command) ?? [];
  const found = tasks.find(({ name }) => name === next);
  return found === undefined ? task : { ...task, command: `${resolveTask(found, tasks).command}${rest}` };
}

/** The words of a command; what stands in `$(…)` is one part of a word. */
export function words(command: string): string[] {
  return command.match(/(?:\$\((?:[^()]|\([^()]*\))*\)|"[^"]*"|'[^']*'|[^\s"'$]|\$)+/g) ?? [];
}

/** The `--allow-…` flags of a `deno run`. */
export function allowed(command: string): Allowed {
  return flags(command, "allow");
}

/** The `--deny-…` flags of a `deno run`. */
export function denied(command: string): Allowed {
  return flags(command, "deny");
}

function flags(command: string, which: "allow" | "deny"): Allowed {
  const found: Allowed = new Map();
  for (const word of words(command)) {
    if (word === "-A" && which === "allow") found.set("all", []);
    const [, kind, value] = new RegExp(`^--${which}-(\\w+)(?:=(.*))?$`, "s").exec(word) ?? [];
    if (kind === undefined) continue;
    const before = found.get(kind) ?? [];
    // For Deno a flag with values goes over the same flag without, wherever it stands.
    found.set(kind, [...before, ...value === undefined ? [] : value.split(",")]);
  }
  return found;
}

/** The script of a `deno run`. */
export function script(command: string): string | undefined {
  return words(command).find((word) => /^(recipes|bench|tests)\/[\w/]+\.ts$/.test(word));
}
