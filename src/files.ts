/**
 * Files that are either whole or not there: written beside, flushed to the disk and renamed into place; and hashes of
 * files of any size. Whatever the file system refuses is told in one sentence.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { UserError } from "./errors.ts";

const READ_BLOCK = 1 << 20;

let partialCount = 0;

/**
 * Writes a file so that no reader ever sees a part of it: first as `.NAME.PID.N.partial`, flushed, then renamed.
 * A file that was there stays as it was until the new one is complete.
 *
 * @param path Where the file will be; its folder is made when missing.
 * @param content Bytes, or text to be written as UTF-8.
 * @throws {UserError} When the disk is full, the folder read-only, or writing not allowed.
 *
 * @example
 * ```ts
 * import { writeFileAtomic } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await writeFileAtomic(`${folder}/new/note.txt`, "whole or not there");
 * const names = Array.from(Deno.readDirSync(`${folder}/new`), ({ name }) => name);
 * await Deno.remove(folder, { recursive: true });
 * if (names.join() !== "note.txt") throw new Error("unexpected");
 * ```
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const folder = dirname(path);
  const partial = join(folder, `.${basename(path)}.${Deno.pid}.${partialCount++}.partial`);
  try {
    const file = await openPartial(partial, folder);
    try {
      for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw fileError(error, path, "write");
  }
  await flushFolder(folder);
}

async function openPartial(partial: string, folder: string): Promise<Deno.FsFile> {
  const options = { write: true, create: true, truncate: true };
  try {
    return await Deno.open(partial, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(folder, { recursive: true });
    return await Deno.open(partial, options);
  }
}

/** Without this a power cut can undo a rename; file systems and permissions that do not allow it lose only that. */
async function flushFolder(folder: string): Promise<void> {
  try {
    using handle = await Deno.open(folder, { read: true });
    await handle.sync();
  } catch {
    return;
  }
}

/** A file that is being written is younger than this. */
const STALE_AFTER_MS = 3_600_000;

/**
 * Removes what killed runs left of files that they were writing: `.NAME.PID.N.partial` of over an hour ago.
 *
 * @param folder Looked through, without the folders in it; it may be missing.
 */
export async function removeStalePartials(folder: string): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !/^\..+\.\d+\.\d+\.partial$/.test(name)) continue;
      const path = join(folder, name);
      const written = (await Deno.stat(path)).mtime?.getTime() ?? Date.now();
      if (Date.now() - written > STALE_AFTER_MS) await Deno.remove(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, folder, "write", "in the folder");
  }
}

/**
 * Reads a file whole.
 *
 * @param what What the file is, for the message: `the split file`.
 * @throws {UserError} When it is missing or cannot be read.
 */
export async function readBytes(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError(error, path, "read", what);
  }
}

/**
 * Reads a JSON file.
 *
 * @param what What the file is, for the message: `the split file`.
 * @throws {UserError} When it is missing, cannot be read, or is not JSON; the message names the place.
 */
export async function readJson(path: string, what: string): Promise<unknown> {
  return parseJson(await readBytes(path, what), { path, what });
}

/**
 * Parses the bytes of a JSON file.
 *
 * @param options Path of the file, and what it is (`the split file`), for the message.
 * @throws {UserError} When they are not JSON; the message names the place.
 */
export function parseJson(bytes: Uint8Array, options: { path: string; what: string }): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${capitalize(options.what)} ${options.path} is not valid JSON (${reason}): restore it or remove it.`,
    );
  }
}

/**
 * The sha256 of bytes, or of a file read in blocks, in lower-case hexadecimal.
 *
 * @param source Bytes, or the path of a file.
 * @throws {UserError} When the file is missing or cannot be read.
 *
 * @example
 * ```ts
 * import { SAMPLE_MODEL_SHA256 } from "./data/sample_features.ts";
 * import { sha256Hex } from "./files.ts";
 *
 * if (await sha256Hex("data/sample/model.safetensors") !== SAMPLE_MODEL_SHA256) throw new Error("unexpected");
 * ```
 */
export async function sha256Hex(source: Uint8Array | string): Promise<string> {
  const hash = createHash("sha256");
  if (typeof source !== "string") return hash.update(source).digest("hex");
  try {
    using file = await Deno.open(source, { read: true });
    const block = new Uint8Array(READ_BLOCK);
    for (let count = await file.read(block); count !== null; count = await file.read(block)) {
      hash.update(block.subarray(0, count));
    }
  } catch (error) {
    throw fileError(error, source, "read");
  }
  return hash.digest("hex");
}

/**
 * Turns what the file system refused into a sentence that says what to do. Other errors come back as they are.
 *
 * @param error What was caught.
 * @param path The file or folder that was worked on.
 * @param action What was being done to it.
 * @param what What the file is; `the file` when not given.
 */
export function fileError(error: unknown, path: string, action: "read" | "write", what = "the file"): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const advice = adviceFor(error, path, action);
  return advice ? new UserError(`Cannot ${action} ${what} ${path}: ${advice}.`, { cause: error }) : error;
}

function adviceFor(error: Error, path: string, action: "read" | "write"): string | undefined {
  const code = (error as { code?: string }).code;
  if (error instanceof Deno.errors.NotCapable) {
    const folder = action === "write" ? dirname(path) : path;
    return `Deno was started without permission for it, add --allow-${action}=${folder}`;
  }
  switch (code) {
    case "ENOSPC":
      return "the disk is full, free some space or choose another folder";
    case "EDQUOT":
      return "your disk quota is used up, free some space or choose another folder";
    case "EROFS":
      return "the file system is read-only, choose a folder that can be written";
    case "EACCES":
    case "EPERM":
      return action === "write"
        ? "the folder or file may not be written by you, change its permissions or choose another folder"
        : "it may not be read by you, change its permissions";
    case "ENOENT":
      return action === "write"
        ? "its folder is gone, make it again or choose another"
        : "it does not exist, check the path";
    case "ENOTDIR":
      return "a part of the path is a file and not a folder, check the path";
    case "EISDIR":
      return "it is a folder and not a file, check the path";
    case "EMFILE":
    case "ENFILE":
      return "too many files are open, raise the limit with ulimit -n";
    case "EIO":
      return "the device reported an input/output error, check the disk";
    case "ENAMETOOLONG":
      return "the name is too long, choose a shorter one";
    case "EFBIG":
      return "the file is too large for the file system, choose another folder";
  }
  return undefined;
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
