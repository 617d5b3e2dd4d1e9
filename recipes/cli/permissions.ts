/**
 * What a recipe may touch, as Deno's flags: those of its task in `deno.json`, and the paths that were typed. Without a
 * terminal Deno refuses instead of asking; then the exact command is named.
 */
import { dirname, join, normalize, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { SAMPLE_IMAGES } from "../../src/run/open_data.ts";
import { RUN_SETTINGS } from "../../src/run/settings.ts";
import { isSwitch, settingsByFlag } from "./flags.ts";
import { shellLine } from "./jobs.ts";
import { TERMINAL_SETTINGS } from "./terminal.ts";

/** A recipe, as far as permissions go. */
export interface Script {
  /** `import.meta.url` of the recipe. */
  url: string;
  /** The task whose permissions it has; found by the name of its file when left out. */
  task?: string;
}

/** Flags whose value is a path that is read, and those whose value is a folder that is written. */
const READ_FLAGS = ["--data", "--split", "--model", "--config", "--dataset", "--prompt", "--from", "--images"];
const WRITE_FLAGS = ["--out"];

/** The task that methods are run with; `deno run -P` has the same list. */
export const RECIPE = "recipe";

/**
 * The flags of `deno run` for a recipe: its task's, and over them whatever the command line names outside of them.
 *
 * @param script the recipe
 * @param args its own flags
 */
export function permissionFlags(script: Script, args: readonly string[]): string[] {
  const read = [...named(args, READ_FLAGS), ...positional(args), ...named(args, WRITE_FLAGS)];
  const write = named(args, WRITE_FLAGS);
  return taskFlags(script).flatMap((flag) => {
    const [kind, value] = flag.split(/=(.*)/s);
    if (kind === "--allow-ffi" && script.url.startsWith("http")) return [kind];
    if (value === undefined || value.startsWith("$(")) return [flag];
    const paths = value.split(",").flatMap((path) => inKit(path, script));
    if (kind === "--allow-read") return [`${kind}=${withPaths(paths, read)}`];
    if (kind === "--allow-write") return [`${kind}=${withPaths(paths, write)}`];
    return [`${kind}=${paths.join(",")}`];
  }).concat(script.url.startsWith("http") ? [`--allow-net=${new URL(script.url).host}`] : []);
}

/**
 * The same in few words: `-P` stands for the list in `deno.json` where that is the recipe's own, and only what was added to
 * it is written out.
 */
export function shortFlags(script: Script, args: readonly string[]): string[] {
  const flags = permissionFlags(script, args);
  const listed = expanded(RECIPE);
  const isListed = script.url.startsWith("file:") && root(script) === Deno.cwd() &&
    taskFlags(script).join() === listed.join();
  return isListed ? ["-P", ...flags.filter((flag) => !listed.includes(flag))] : flags;
}

/** The permission flags of the task that starts a recipe; of `recipe` for one that has no task of its own. */
function taskFlags({ url, task }: Script): string[] {
  if (task !== undefined) return expanded(task);
  const name = url.slice(url.lastIndexOf("/") + 1);
  const own = Object.entries(config.tasks).find(([, { command }]) => command.split(" ").includes(`recipes/${name}`));
  return expanded(own?.[0] ?? RECIPE);
}

/** The flags of a task, and of the tasks that it hands on to; a later flag of the same kind adds to an earlier one. */
function expanded(task: string): string[] {
  const { command } = config.tasks[task as keyof typeof config.tasks];
  const next = /^deno task -q (\S+)/.exec(command)?.[1];
  // What stands in $(…) is one part of a word.
  const words = command.match(/--(allow|deny)-(?:\$\((?:[^()]|\([^()]*\))*\)|[^\s$])+/g) ?? [];
  const flags = new Map<string, string | undefined>();
  for (const word of [...next === undefined ? [] : expanded(next), ...words]) {
    const [kind, value] = word.split(/=(.*)/s);
    const before = flags.get(kind);
    if (flags.has(kind) && (before === undefined || value === undefined)) flags.set(kind, undefined);
    else flags.set(kind, before === undefined ? value : `${before},${value}`);
  }
  return [...flags].map(([kind, value]) => value === undefined ? kind : `${kind}=${value}`);
}

function root({ url }: Script): string {
  return resolve(dirname(fileURLToPath(url)), "..");
}

/** What ships with the kit lies beside the recipe, wherever that is started. */
function inKit(path: string, script: Script): string[] {
  if (path !== "data" && path !== "node_modules") return [path];
  if (!script.url.startsWith("file:")) return path === "data" ? [path] : [];
  if (root(script) === Deno.cwd()) return [path];
  const there = shown(join(root(script), path));
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
    if (flag === "--methods" && flags === READ_FLAGS) return (value ?? "").split(",").flatMap(methodFile);
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

/** A method's file and what lies beside it, which it may import. */
function methodFile(word: string): string[] {
  if (!/\.[mc]?[jt]s$/.test(word)) return [];
  const folder = dirname(normalize(word));
  return [resolve(folder) === Deno.cwd() ? normalize(word) : folder];
}

/** The split lies beside an archive. */
function archiveFolder(path: string): string {
  return /\.(zip|tar|tgz|gz)$/i.test(path) ? dirname(path) : normalize(path);
}

/** Images and other files that stand alone. */
function positional(args: readonly string[]): string[] {
  const alone = args.filter((arg, i) => !arg.startsWith("-") && !isFlagWithValue(args[i - 1]) && /[\\/.]/.test(arg));
  return alone.flatMap((path) => /\.[mc]?[jt]s$/.test(path) ? methodFile(path) : [path]);
}

/** Whether a word takes the next one for its value: `--out`, but not `--quiet`. */
function isFlagWithValue(word: string | undefined): boolean {
  if (!word?.startsWith("--") || word.includes("=")) return false;
  const settings = { ...RUN_SETTINGS, ...TERMINAL_SETTINGS };
  const name = settingsByFlag(settings).get(word.slice(2)) as keyof typeof settings | undefined;
  return name === undefined || !isSwitch(settings[name]);
}

/** `--model ViT-B/16` and `--dataset eurosat` are names. */
function isPath(flag: string, value: string): boolean {
  if (flag === "--model") return /\.\w+$/.test(value);
  if (flag === "--data" && value === SAMPLE_IMAGES) return false;
  if (flag === "--dataset") return /\.ya?ml$/.test(value);
  return value !== "" && !value.startsWith("--");
}

/** The command line of this recipe with more flags of its own. */
export function commandWith(script: Script, more: readonly string[], denoFlags: readonly string[] = []): string {
  return ["deno", "run", ...denoFlags, scriptPath(script.url), ...Deno.args, ...more].map(quoted).join(" ");
}

/** The sentence for an error that is Deno's refusal; undefined for other errors. */
export function permissionAdvice(error: unknown, script: Script): string | undefined {
  const refusal = findRefusal(error);
  if (refusal === undefined) return undefined;
  return `Deno was started without a permission that this recipe needs (${refusal}). Run: ` +
    commandWith(script, [], shortFlags(script, Deno.args));
}

function findRefusal(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const refused = cause instanceof Deno.errors.NotCapable || /^Requires \w+ access to /.test(cause.message);
    if (refused) return cause.message.replace(/^Requires /, "").replace(/, run again.*$/s, "");
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
  return word.includes("=$(") ? word : shellLine([word]);
}
