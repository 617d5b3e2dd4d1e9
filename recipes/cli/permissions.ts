/**
 * What a recipe may touch, as Deno's flags. Without a terminal Deno refuses instead of asking; then the exact command is named.
 */
import type { RecipeInfo } from "./recipe.ts";

/** What the recipes need; paths are read from what was typed, since a refused run knows no more. */
export interface Needs {
  read: string[];
  write: string[];
}

/** The flags of `deno run` for a recipe. */
export function permissionFlags(needs: Needs): string[] {
  const list = (paths: string[]) => [...new Set(paths)].join(",");
  return [
    `--allow-read=${list(needs.read)}`,
    `--allow-write=${list(needs.write)}`,
    "--allow-env",
    "--allow-ffi",
    "--allow-sys",
  ];
}

/** The command line of this recipe with more flags of its own. */
export function commandWith(recipe: RecipeInfo, more: readonly string[], denoFlags: readonly string[] = []): string {
  const words = ["deno", "run", ...denoFlags, scriptPath(recipe.url), ...Deno.args, ...more];
  return words.map(quoted).join(" ");
}

/** The sentence for an error that is Deno's refusal; nothing for other errors. */
export function permissionAdvice(error: unknown, recipe: RecipeInfo): string | undefined {
  const refusal = findRefusal(error);
  if (refusal === undefined) return undefined;
  const flags = permissionFlags(needsOf(Deno.args));
  return `Deno was started without a permission that this recipe needs (${refusal}). Run: ` +
    commandWith(recipe, [], flags);
}

/** What the command line names, and what ships with the kit. */
export function needsOf(args: readonly string[]): Needs {
  const value = (flag: string) => {
    const at = args.lastIndexOf(flag);
    const inline = args.findLast((arg) => arg.startsWith(`${flag}=`))?.slice(flag.length + 1);
    return inline ?? (at >= 0 ? args[at + 1] : undefined);
  };
  const out = value("--out") ?? "runs";
  const inputs = ["--data", "--split", "--model", "--config", "--dataset"].map(value).filter((path) =>
    path !== undefined
  );
  return {
    read: [".", ...inputs.filter((path) => /^(\.\.|\/|[A-Za-z]:)/.test(path)), ...outside(out)],
    write: [out, ".cache"],
  };
}

function outside(path: string): string[] {
  return /^(\.\.|\/|[A-Za-z]:)/.test(path) ? [path] : [];
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
  if (!url.startsWith("file:")) return url;
  const path = decodeURIComponent(new URL(url).pathname);
  const here = `${Deno.cwd()}/`;
  return path.startsWith(here) ? path.slice(here.length) : path;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
