/** Methods by name, the kit's, or by path, the user's. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import { MOST_TEXT_BYTES, requireReadable, sha256Hex } from "../../src/files.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { type Method, methodFault, withVariants } from "../../src/methods/method.ts";
import { rememberLabel } from "../../src/methods/method_label.ts";
import { orList } from "../../src/methods/setting.ts";
import { RUN_SETTINGS } from "../../src/run/settings.ts";
import { TERMINAL_SETTINGS } from "./terminal.ts";

/** A method, and the file that it came from, where that is the user's. */
export interface FoundMethod {
  method: Method;
  /** Undefined for the kit's. */
  file?: { path: string; sha256: string };
}

/** Whether a word names a file and not a method of the kit. */
export function isMethodFile(word: string): boolean {
  return /\.[mc]?[jt]s$/.test(word);
}

/**
 * The path of a method's file as the user meant it: below the folder that they stand in, which `deno task` leaves for the
 * kit's.
 */
export function typedPath(word: string): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "INIT_CWD" });
  const folder = state === "granted" ? Deno.env.get("INIT_CWD") : undefined;
  return resolve(folder ?? ".", word);
}

/**
 * A method by its name or file.
 *
 * @throws {UserError} when there is none, or the file exports none
 */
export async function findMethod(word: string): Promise<FoundMethod> {
  if (isMethodFile(word)) return await loadMethod(word);
  const known = KIT_METHODS.flatMap(withVariants);
  const method = known.find(({ name }) => name === word);
  if (method !== undefined) return { method };
  const names = known.map(({ name }) => name);
  throw new UserError(
    `There is no method "${word}": take ${orList(names)}, or the path of a file.${didYouMean(word, names)}`,
  );
}

/**
 * The method that a file exports: as its default, or as the only method among its exports.
 *
 * @throws {UserError} when the file is missing, does not load, or exports no method
 */
export async function loadMethod(path: string): Promise<FoundMethod> {
  const exported = await importFile(path);
  const candidates = "default" in exported ? [exported.default] : Object.values(exported);
  const methods = candidates.filter((one) => methodFault(one) === undefined);
  if (methods.length === 1) {
    const method = methods[0] as Method;
    requireOwnNames(method, path);
    rememberLabel(method);
    return { method, file: { path, sha256: await sha256Hex(path) } };
  }
  if (methods.length > 1) {
    throw new UserError(`${path} exports ${methods.length} methods: export the one to run as its default.`);
  }
  const why = candidates.length === 1 ? ` (${methodFault(candidates[0])})` : "";
  throw new UserError(`${path} exports no method${why}: see "Adding a method" in docs/methods.md.`);
}

/** Results of another method would be taken for its own, and flags of every run would mean something else. */
function requireOwnNames({ name, settings }: Method, path: string): void {
  if (KIT_METHODS.flatMap(withVariants).some((one) => one.name === name)) {
    throw new UserError(`The method in ${path} is called "${name}", as one of the kit's: give it another name.`);
  }
  const taken = Object.keys(settings).find((one) => one in RUN_SETTINGS || one in TERMINAL_SETTINGS);
  if (taken === undefined) return;
  throw new UserError(
    `The method in ${path} has a setting "${taken}", which every run has already: give it another name.`,
  );
}

async function importFile(path: string): Promise<Record<string, unknown>> {
  const { href } = pathToFileURL(resolve(path));
  // Deno would read a device, or any size, to its end; where it may not look, importing says so.
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) throw new UserError(`${path} is a folder: name the file of the method in it.`);
  if (info !== undefined) requireReadable(info, { path, what: "the method file" }, MOST_TEXT_BYTES);
  try {
    return await import(href);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // Deno's refusal becomes the command that has the permission.
    if (/^Requires \w+ access to /.test(reason)) throw error;
    // The file itself, and not one that it imports.
    if (reason.startsWith(`Module not found "${href}"`)) {
      throw new UserError(`There is no file ${path}: check the path of the method.`);
    }
    throw new UserError(`The method file ${path} does not load: ${reason.split("\n")[0]}`, { cause: error });
  }
}
