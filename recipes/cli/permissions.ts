/**
 * What a recipe may touch, as Deno's flags: those of its task in `deno.json`, and the paths that were typed. Without a
 * terminal Deno refuses instead of asking; then the exact command is named.
 */
import { dirname, join, normalize, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { findItem } from "../../src/data/downloads.ts";
import { UserError } from "../../src/errors.ts";
import { findRefusal, loaderRefusal } from "../../src/refusal.ts";
import { SAMPLE_IMAGES } from "../../src/run/open_data.ts";
import { RUN_SETTINGS } from "../../src/run/settings.ts";
import { flagsInConfig } from "./config_file.ts";
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
const READ_FLAGS = [
  "--data",
  "--split",
  "--model",
  "--config",
  "--dataset",
  "--prompt",
  "--classes",
  "--images",
  "--from",
  "--collect",
];
const WRITE_FLAGS = ["--out"];

/** The task that methods are run with; `deno run -P` has the same list. */
export const RECIPE = "recipe";
/** The task that everything that computes hands on to. */
const NATIVE = "native";

/** What no task may read. */
export const DENIED: readonly string[] = config.permissions.default.read.deny;

/** Paths beside those of the task, of the command line and of its configuration. */
interface MorePaths {
  read?: readonly string[];
  write?: readonly string[];
}

/**
 * The flags of `deno run` for a recipe: its task's, and over them whatever the command line names outside of them.
 *
 * @throws {UserError} when a path cannot stand in a flag; says what to do
 */
export function permissionFlags(script: Script, args: readonly string[], more: MorePaths = {}): string[] {
  const write = [...named(withConfig(args), WRITE_FLAGS), ...more.write ?? []];
  const read = [...typedPaths(args), ...more.read ?? []];
  return expanded(taskOf(script)).flatMap((flag) => {
    const [kind, value] = flag.split(/=(.*)/s);
    if (kind === "--allow-ffi" && script.url.startsWith("http")) return [kind];
    if (value === undefined || value.startsWith("$(")) return [flag];
    const paths = value.split(",").flatMap((path) => inKit(path, script));
    if (kind === "--allow-read") return [`${kind}=${withPaths(paths, read)}`];
    if (kind === "--allow-write") return [`${kind}=${withPaths(paths, write)}`];
    return [`${kind}=${paths.join(",")}`];
  }).concat(ofHost(script.url));
}

/** Paths on a command line, and in the configuration that it names, that are read; those that are written are read too. */
export function typedPaths(args: readonly string[]): string[] {
  const all = withConfig(args);
  return [...named(all, READ_FLAGS), ...positional(args), ...named(all, WRITE_FLAGS)];
}

function withConfig(args: readonly string[]): string[] {
  return [...args, ...named(args, ["--config"]).flatMap(flagsInConfig)];
}

/**
 * What a recipe from a URL needs besides: the sample comes from there too. Deno lets what is typed import from its own host,
 * and `--allow-import` would drop the other hosts that it trusts, JSR's among them.
 */
function ofHost(url: string): string[] {
  return url.startsWith("http") ? [`--allow-net=${new URL(url).host}`] : [];
}

/**
 * The same in few words: `-P` stands for the list in `deno.json`, and only the kinds of which something else is needed are
 * written out, whole, since a flag takes the place of its kind's list.
 */
export function shortFlags(script: Script, args: readonly string[], more: MorePaths = {}): string[] {
  const flags = permissionFlags(script, args, more);
  const isListed = script.url.startsWith("file:") && root(script) === Deno.cwd() &&
    chain(taskOf(script)).includes(NATIVE) &&
    // Beside -P a flag without values changes nothing.
    flags.every((flag) => flag.includes("="));
  return isListed ? ["-P", ...flags.filter((flag) => !expanded(RECIPE).includes(flag))] : flags;
}

/** The task that starts a recipe; `recipe` for one that has no task of its own. */
function taskOf({ url, task }: Script): string {
  const name = url.slice(url.lastIndexOf("/") + 1);
  const own = Object.entries(config.tasks).find(([, { command }]) => command.split(" ").includes(`recipes/${name}`));
  return task ?? own?.[0] ?? RECIPE;
}

/** A task, and those that it hands on to. */
function chain(task: string): string[] {
  const next = /^deno task -q (\S+)/.exec(commandOf(task))?.[1];
  return next === undefined ? [task] : [task, ...chain(next)];
}

function commandOf(task: string): string {
  return config.tasks[task as keyof typeof config.tasks].command;
}

/** The flags of a task, and of the tasks that it hands on to; a later flag of the same kind adds to an earlier one. */
function expanded(task: string): string[] {
  // What stands in $(…) is one part of a word.
  const pattern = /--(allow|deny)-(?:\$\((?:[^()]|\([^()]*\))*\)|[^\s$])+/g;
  const flags = new Map<string, string | undefined>();
  for (const word of chain(task).reverse().flatMap((each) => commandOf(each).match(pattern) ?? [])) {
    const [kind, value] = word.split(/=(.*)/s);
    const before = flags.get(kind);
    // For Deno a flag with values goes over the same flag without, wherever it stands.
    flags.set(kind, before === undefined || value === undefined ? value ?? before : `${before},${value}`);
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
  for (const path of more) {
    if (all.some((one) => isWithin(path, one))) continue;
    if (path.includes(",")) throw commaError(path);
    all.push(path);
  }
  return all.join(",");
}

/** In Deno's flags a comma ends a path, and nothing takes that meaning from it. Deno follows links. */
function commaError(path: string): UserError {
  const parts = resolve(path).split("/");
  const at = parts.findLastIndex((part) => part.includes(","));
  const link = `data/${parts[at].replaceAll(/[^\p{L}\p{M}\p{N}_.-]+/gu, "-")}`;
  const command = shellLine(["ln", "-s", parts.slice(0, at + 1).join("/"), link]);
  const instead = shellLine([[link, ...parts.slice(at + 1)].join("/")]);
  return new UserError(
    `The flags of deno run cannot hold the path ${path}, because a comma ends a path there. Make a link without one: ` +
      `${command} and give ${instead} in its place (results go to --out without a comma).`,
  );
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
    if (["--methods", "--method"].includes(flag) && flags === READ_FLAGS) {
      return (value ?? "").split(",").flatMap(methodFile);
    }
    if (!flags.includes(flag) || value === undefined || !isPath(flag, value)) return [];
    if (flag === "--data") return [archiveFolder(value)];
    // Files are written beside and renamed into place.
    if (flag === "--out" && /\.(onnx|json)$/.test(value)) return [dirname(normalize(value))];
    // Shards and configuration lie beside the file.
    return [flag === "--model" && /\.\w+$/.test(value) ? dirname(value) : normalize(value)];
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
  if (flag === "--model") return /\.\w+$/.test(value) || (/[\\/]/.test(value) && findItem(value) === undefined);
  if (flag === "--classes") return /\.(txt|csv)$/i.test(value);
  if (flag === "--data" && value === SAMPLE_IMAGES) return false;
  if (flag === "--dataset") return /\.ya?ml$/.test(value);
  return value !== "" && !value.startsWith("--");
}

/** The command line of this recipe with more flags of its own. */
export function commandWith(script: Script, more: readonly string[], denoFlags: readonly string[] = []): string {
  return ["deno", "run", ...denoFlags, scriptPath(script.url), ...Deno.args, ...more].map(quoted).join(" ");
}

/** The flags as a dry run shows them, or why there are none. */
export function permissionWords(script: Script, args: readonly string[]): string {
  try {
    return permissionFlags(script, args).join(" ");
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** The sentence for an error that is Deno's refusal; undefined for other errors. */
export function permissionAdvice(error: unknown, script: Script): string | undefined {
  const refusal = findRefusal(error);
  if (refusal === undefined) return undefined;
  const [, kind, path] = /^(read|write) access to "(.*)"$/.exec(refusal) ?? [];
  // A file that is written beside another one has another name next time.
  const more = path === undefined ? {} : { [kind]: [shown(path.replace(/\/\.[^/]+\.partial(\/.*)?$/, ""))] };
  // Deno does not even tell whether it is there.
  const isTyped = path !== undefined && Deno.args.some((arg) => arg.includes(path));
  const unseen = isTyped ? "; whether that path is there shows only with it" : "";
  const lacks = `Deno was started without a permission that this recipe needs (${refusal}${unseen}).`;
  const loader = loaderRefusal(error);
  try {
    if (loader !== undefined) {
      return `${loader}, or run: ${commandWith(script, [], shortFlags(script, Deno.args).map(ofAnyProgram))}`;
    }
    return `${lacks} Run: ${commandWith(script, [], shortFlags(script, Deno.args, more))}`;
  } catch (error) {
    if (error instanceof UserError) return `${lacks} ${error.message}`;
    throw error;
  }
}

/** The same flag; for programs, without the list of those that may be started. */
export function ofAnyProgram(flag: string): string {
  return flag.startsWith("--allow-run=") ? "--allow-run" : flag;
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
  return word.startsWith("--allow-run=$(") ? word : shellLine([word]);
}
