/**
 * What a recipe may touch, as Deno's flags: those of its task in `deno.json`, and the paths that were typed. Without a terminal Deno
 * refuses instead of asking; then the exact command is named.
 */
import { dirname, join, normalize, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { isSwitch, type SettingName, SETTINGS, settingsByFlag } from "./settings.ts";

/** A recipe, as far as permissions go. */
export interface Script {
  /** `import.meta.url` of the recipe. */
  url: string;
}

/** Flags whose value is a path that is read, and those whose value is a folder that is written. */
const READ_FLAGS = ["--data", "--split", "--model", "--config", "--dataset", "--prompt", "--from", "--images"];
const WRITE_FLAGS = ["--out"];

/** The standard recipe: what other recipes without a task of their own are started with. */
const STANDARD = "coop.ts";

/**
 * The flags of `deno run` for a recipe: its task's, and over them whatever the command line names outside of them.
 *
 * @param script the recipe
 * @param args its own flags
 */
export function permissionFlags(script: Script, args: readonly string[]): string[] {
  const name = script.url.slice(script.url.lastIndexOf("/") + 1);
  const read = [...named(args, READ_FLAGS), ...positional(args), ...named(args, WRITE_FLAGS)];
  const write = named(args, WRITE_FLAGS);
  return taskFlags(name).map((flag) => {
    const [kind, value] = flag.split(/=(.*)/s);
    if (kind === "--allow-ffi" && script.url.startsWith("http")) return kind;
    if (value === undefined || value.startsWith("$(")) return flag;
    const paths = value.split(",").flatMap((path) => inKit(path, script));
    if (kind === "--allow-read") return `${kind}=${withPaths(paths, read)}`;
    if (kind === "--allow-write") return `${kind}=${withPaths(paths, write)}`;
    return `${kind}=${paths.join(",")}`;
  });
}

/** The permission flags of the task that starts a recipe. */
function taskFlags(script: string): string[] {
  const commands = Object.values(config.tasks).map(({ command }) => command).filter((command) =>
    command.startsWith("deno run ")
  );
  const starts = (name: string) => commands.find((command) => command.split(" ").includes(`recipes/${name}`));
  const command = starts(script) ?? starts(STANDARD)!;
  // What stands in $(…) is one part of a word.
  return command.match(/--(allow|deny)-(?:\$\((?:[^()]|\([^()]*\))*\)|[^\s$])+/g) ?? [];
}

/** What ships with the kit lies beside the recipe, wherever that is started. */
function inKit(path: string, { url }: Script): string[] {
  if (path !== "data" && path !== "node_modules") return [path];
  if (!url.startsWith("file:")) return path === "data" ? [path] : [];
  const root = resolve(dirname(fileURLToPath(url)), "..");
  if (root === Deno.cwd()) return [path];
  const there = shown(join(root, path));
  return path === "data" ? [path, there] : [there];
}

function withPaths(paths: string[], more: string[]): string {
  const all = [...paths];
  for (const path of more) if (!all.some((one) => isWithin(path, one))) all.push(path);
  return all.join(",");
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(resolve(folder), resolve(path));
  return way === "" || !(way.startsWith("..") || resolve(way) === way);
}

function named(args: readonly string[], flags: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    const [flag, inline] = arg.split(/=(.*)/s);
    const value = inline ?? args[i + 1];
    if (flag === "--eval" && flags === READ_FLAGS) return otherData(value ?? "");
    if (!flags.includes(flag) || value === undefined || !isPath(flag, value)) return [];
    return [flag === "--data" ? archiveFolder(value) : normalize(value)];
  });
}

/** The paths in `--eval base,../images:all`. */
function otherData(targets: string): string[] {
  return targets.split(",").flatMap((target) => {
    const path = target.trim().replace(/:[^:]*$/, "");
    return /[\\/.]/.test(path) ? [archiveFolder(path)] : [];
  });
}

/** The split lies beside an archive. */
function archiveFolder(path: string): string {
  return /\.(zip|tar|tgz|gz)$/i.test(path) ? dirname(path) : normalize(path);
}

/** Images and other files that stand alone. */
function positional(args: readonly string[]): string[] {
  return args.filter((arg, i) => !arg.startsWith("-") && !isFlagWithValue(args[i - 1]) && /[\\/.]/.test(arg));
}

/** Whether a word takes the next one for its value: `--out`, but not `--quiet`. */
function isFlagWithValue(word: string | undefined): boolean {
  if (!word?.startsWith("--") || word.includes("=")) return false;
  const setting = settingsByFlag(Object.keys(SETTINGS) as SettingName[]).get(word.slice(2));
  return setting === undefined || !isSwitch(setting);
}

/** `--model ViT-B/16` and `--dataset eurosat` are names. */
function isPath(flag: string, value: string): boolean {
  if (flag === "--model") return /\.\w+$/.test(value);
  if (flag === "--dataset") return /\.ya?ml$/.test(value);
  return value !== "" && !value.startsWith("--");
}

/** The command line of this recipe with more flags of its own. */
export function commandWith(script: Script, more: readonly string[], denoFlags: readonly string[] = []): string {
  const words = [scriptPath(script.url), ...Deno.args, ...more].map(quoted);
  return ["deno", "run", ...denoFlags.map(quoted), ...words].join(" ");
}

/** The sentence for an error that is Deno's refusal; nothing for other errors. */
export function permissionAdvice(error: unknown, script: Script): string | undefined {
  const refusal = findRefusal(error);
  if (refusal === undefined) return undefined;
  const flags = permissionFlags(script, Deno.args);
  return `Deno was started without a permission that this recipe needs (${refusal}). Run: ` +
    commandWith(script, [], flags);
}

function findRefusal(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      return cause.message.replace(/^Requires /, "").replace(/, run again.*$/s, "");
    }
  }
  return undefined;
}

function scriptPath(url: string): string {
  return url.startsWith("file:") ? shown(fileURLToPath(url)) : url;
}

/** A path as people would type it: below the current folder without that in front. */
function shown(path: string): string {
  const here = Deno.cwd().replace(/\/?$/, "/");
  return path.startsWith(here) ? path.slice(here.length) : path;
}

/** A word for a shell; what the shell itself fills in stays as it is. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) || word.includes("=$(") ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
