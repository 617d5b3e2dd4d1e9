/**
 * Files that are either whole or not there: written beside, flushed to the disk and renamed into place; and hashes of
 * files of any size. Whatever the file system refuses is told in one sentence.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { messageOf, UserError } from "./errors.ts";
import { readPromptly } from "./read_promptly.ts";

/** Containers that share a folder may have the same process ids too. */
let partialCount = Math.floor(Math.random() * 2 ** 32);

/**
 * Writes a file so that no reader ever sees a part of it: first as `.NAME.PID.N.partial`, flushed, then renamed.
 * A file that was there stays as it was until the new one is complete. The folder is made when missing.
 *
 * @throws {UserError} When the disk is full, the folder read-only, or writing not allowed.
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string | readonly Uint8Array[],
): Promise<void> {
  const parts = typeof content === "string"
    ? [new TextEncoder().encode(content)]
    : content instanceof Uint8Array
    ? [content]
    : content;
  const folder = dirname(path);
  const partial = join(folder, `.${basename(path)}.${Deno.pid}.${partialCount++}.partial`);
  try {
    const file = await openPartial(partial, folder);
    try {
      for (const bytes of parts) await writeAll(file, bytes);
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

/** Writes all bytes: one call may take a part of them only. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
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
 * Removes what killed runs left of files that they were writing: `.NAME.PID.N.partial` of over an hour ago. The folder may
 * be missing; the folders in it are left alone.
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

/** The names in a folder; none where there is no folder. */
export async function namesIn(folder: string): Promise<Set<string>> {
  try {
    return new Set((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Set();
    throw fileError(error, folder, "read", "the folder");
  }
}

/** What the file system says of what is at a path; undefined when nothing is. */
export function infoOf(path: string, what?: string): Promise<Deno.FileInfo | undefined> {
  return Deno.stat(path).catch(undefinedWhenMissing(path, "read", what));
}

/** Bytes of the largest file of numbers that is read whole, such as a prompt or a chunk of stored features. */
const MOST_BYTES = 512 << 20;
/** Of JSON: a report of ImageNet's has a tenth. Values take many times the bytes of their text. */
const MOST_JSON_BYTES = 64 << 20;
/** Of texts that people and runs write: settings, lists of names, notes. */
export const MOST_TEXT_BYTES = 4 << 20;

/** Reads a file of a size that fits in memory. */
async function readBounded(path: string, what = "the file", most = MOST_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  const info = await Deno.stat(path);
  requireReadable(info, { path, what }, most);
  return info.size > 0 ? await Deno.readFile(path) : await readUnsized(path, what, most);
}

/** Files that the system makes up, as those in `/proc`, have no size until they are read, and some have no end. */
async function readUnsized(path: string, what: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path, { read: true });
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const block = new Uint8Array(1 << 16);
    const count = await readPromptly(file, block, { path, what });
    if (count === null) return await new Blob(blocks).bytes();
    blocks.push(block.subarray(0, count));
    size += count;
    requireSize(size, { path, what }, most);
  }
}

/** Refuses what has no end, and what has more bytes than any file of its kind. */
export function requireReadable(info: Deno.FileInfo, of: { path: string; what: string }, most: number): void {
  refusePipe(info, of);
  requireSize(info.size, of, most);
}

function requireSize(size: number, of: { path: string; what: string }, most: number): void {
  if (size <= most) return;
  const mebibytes = Math.round(size / 2 ** 20).toLocaleString("en");
  throw new UserError(
    `Cannot read ${of.what} ${of.path}: it has ${mebibytes} MiB, and ${most / 2 ** 20} are the most.`,
  );
}

/** Reading a pipe or a device may never end, or never begin. A folder is left to the file system to refuse. */
export function refusePipe(
  { isFile, isDirectory }: Deno.FileInfo,
  { path, what }: { path: string; what: string },
): void {
  if (!isFile && !isDirectory) {
    throw new UserError(`Cannot read ${what} ${path}: it is a pipe or a device, give a file.`);
  }
}

/**
 * What the file system says of an open file. Where the path is a link, Deno asks for permission to what it leads to, which
 * it does not to read it; without that permission, what it says of the path.
 */
export function infoOfOpen(file: Deno.FsFile, path: string): Deno.FileInfo {
  try {
    return file.statSync();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return Deno.statSync(path);
    throw error;
  }
}

/** Reads a file whole; undefined when there is none. */
export function readIfThere(
  path: string,
  what?: string,
  most?: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return readBounded(path, what, most).catch(undefinedWhenMissing(path, "read", what));
}

/** Removes a file, or a folder with all that is in it, when it is there. */
export function removeIfThere(path: string): Promise<void> {
  return Deno.remove(path, { recursive: true }).catch(undefinedWhenMissing(path, "write"));
}

/**
 * Reads a file whole; `what` says what it is, for the message: `the split file`.
 *
 * @throws {UserError} When it is missing or cannot be read.
 */
export function readBytes(path: string, what: string, most?: number): Promise<Uint8Array<ArrayBuffer>> {
  return readBounded(path, what, most).catch(throwFileError(path, "read", what));
}

/** Reads a JSON file; {@linkcode UserError} as of {@linkcode readBytes} and {@linkcode parseJson}. */
export async function readJson(
  path: string,
  what: string,
  { most = MOST_JSON_BYTES, unique = false } = {},
): Promise<unknown> {
  return parseJson(await readBytes(path, what, most), { path, what, unique });
}

/** Reads a text file; {@linkcode UserError} as of {@linkcode readBytes} and {@linkcode textOf}. */
export async function readText(path: string, what: string, most = MOST_TEXT_BYTES): Promise<string> {
  return textOf(await readBytes(path, what, most), { path, what });
}

/**
 * The text of a file that a user wrote, without the byte-order mark that some editors put first.
 *
 * @throws {UserError} When it is not UTF-8.
 */
export function textOf(bytes: Uint8Array, { path, what }: { path: string; what: string }): string {
  const file = `${what.charAt(0).toUpperCase()}${what.slice(1)} ${path}`;
  if (isUtf16(bytes)) throw new UserError(`${file} is written in UTF-16: save it as UTF-8.`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(
      `${file} is not written in UTF-8 (a Windows code page, perhaps): save it as UTF-8.`,
      { cause },
    );
  }
}

/** By its byte-order mark, or by the zero byte that Latin letters have in UTF-16. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  const marked = first === 0xff && second === 0xfe || first === 0xfe && second === 0xff;
  return marked || bytes.length % 2 === 0 && bytes.subarray(0, 64).includes(0);
}

/**
 * Parses the bytes of a JSON file. Throws {@linkcode UserError} when they are not JSON; the message names the place. Where
 * people write such files, `unique` refuses a key that an object has twice, of which the last would be taken.
 */
export function parseJson(bytes: Uint8Array, options: { path: string; what: string; unique?: boolean }): unknown {
  const text = textOf(bytes, options);
  try {
    const { levels, colons } = options.unique || bytes.length > HARMLESS_BYTES
      ? scanJson(bytes)
      : { levels: 0, colons: 0 };
    // Lists in lists take thirty times their text.
    if (levels > MOST_LEVELS) throw new SyntaxError(`its lists are ${levels.toLocaleString("en")} levels deep`);
    const value = JSON.parse(text);
    if (options.unique && colons !== keysOf(value)) throw new SyntaxError("it names a key twice");
    return value;
  } catch (error) {
    const what = options.what.charAt(0).toUpperCase() + options.what.slice(1);
    throw new UserError(`${what} ${options.path} is not valid JSON (${messageOf(error)}): restore it or remove it.`);
  }
}

/** No file of a user's has more than a few levels, and small ones do no harm. */
const MOST_LEVELS = 100;
const HARMLESS_BYTES = 1 << 20;

/** How deep the lists and objects of JSON are, and how many colons it has outside of its texts: one for each key. */
function scanJson(bytes: Uint8Array): { levels: number; colons: number } {
  let [level, levels, colons, isText] = [0, 0, 0, false];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isText) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) isText = false;
    } else if (byte === 0x22) isText = true;
    else if (byte === 0x3a) colons++;
    else if (byte === 0x5b || byte === 0x7b) levels = Math.max(levels, ++level);
    else if (byte === 0x5d || byte === 0x7d) level--;
  }
  return { levels, colons };
}

function keysOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const item of Array.isArray(value) ? value : Object.values(value)) count += keysOf(item);
  return count;
}

/** The bytes of a file, block by block; each is overwritten by the next one. */
export async function* readBlocks(path: string): AsyncGenerator<Uint8Array> {
  const fail = throwFileError(path, "read");
  const of = { path, what: "the file" };
  const info = await Deno.stat(path).catch(fail);
  refusePipe(info, of);
  using file = await Deno.open(path, { read: true }).catch(fail);
  const block = new Uint8Array(1 << 20);
  const read = () => (info.size > 0 ? file.read(block) : readPromptly(file, block, of)).catch(fail);
  for (let count = await read(); count !== null; count = await read()) yield block.subarray(0, count);
}

/** The first bytes of a file, fewer when it is shorter. */
export async function readHead(path: string, length: number): Promise<Uint8Array> {
  for await (const block of readBlocks(path)) return block.slice(0, length);
  return new Uint8Array(0);
}

/**
 * The sha256 of bytes, or of the file at a path, in lower-case hexadecimal.
 *
 * @throws {UserError} When the file is missing or cannot be read.
 */
export async function sha256Hex(source: Uint8Array | string): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of typeof source === "string" ? readBlocks(source) : [source]) hash.update(block);
  return hash.digest("hex");
}

/** Turns what the file system refused into a sentence that says what to do. Other errors come back as they are. */
export function fileError(error: unknown, path: string, action: "read" | "write", what = "the file"): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const advice = adviceFor(error, path, action);
  return advice ? new UserError(`Cannot ${action} ${what} ${path}: ${advice}.`, { cause: error }) : error;
}

const WRITING = ["mkdir", "remove", "rename", "writefile", "truncate", "copy", "link", "symlink", "chmod", "utime"];

/**
 * What the system refused, in a sentence, where nobody has told it yet: Deno's message ends with the call and the path.
 * Undefined for other errors.
 */
export function refusedBySystem(error: unknown): UserError | undefined {
  const [, call, path] = /\(os error \d+\): (\w+) '(.+?)'(?: -> '.+')?$/s.exec(messageOf(error)) ?? [];
  if (path === undefined) return undefined;
  const told = fileError(error, path, WRITING.includes(call) ? "write" : "read", "what is at");
  return told instanceof UserError ? told : undefined;
}

/** {@linkcode fileError} for a promise: `Deno.rename(from, to).catch(throwFileError(to, "write"))`. */
export function throwFileError(path: string, action: "read" | "write", what?: string): (error: unknown) => never {
  return (error) => {
    throw fileError(error, path, action, what);
  };
}

function undefinedWhenMissing(path: string, action: "read" | "write", what?: string): (error: unknown) => undefined {
  return (error) => {
    const isMissing = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
    if (!isMissing) throw fileError(error, path, action, what);
  };
}

const NOT_YOURS = {
  read: "it may not be read by you, change its permissions",
  write: "the folder or file may not be written by you, change its permissions or choose another folder",
};
const TOO_MANY_OPEN = "too many files are open, raise the limit with ulimit -n";

const ADVICE: Readonly<Record<string, string | { read: string; write: string }>> = {
  ENOSPC: "the disk is full, free some space or choose another folder",
  EDQUOT: "your disk quota is used up, free some space or choose another folder",
  EROFS: "the file system is read-only, choose a folder that can be written",
  EACCES: NOT_YOURS,
  EPERM: NOT_YOURS,
  ENOENT: { read: "it does not exist, check the path", write: "its folder is gone, make it again or choose another" },
  ENOTDIR: "a part of the path is a file and not a folder, check the path",
  EEXIST: "a file or a link that leads nowhere has that name, remove it or choose another folder",
  EISDIR: "it is a folder and not a file, check the path",
  EMFILE: TOO_MANY_OPEN,
  ENFILE: TOO_MANY_OPEN,
  EIO: "the device reported an input/output error, check the disk",
  ELOOP: "its symbolic links lead in a circle, remove them or choose another path",
  EINVAL: "its name or the file system does not allow it, check the path",
  ENAMETOOLONG: "the name is too long, choose a shorter one",
  EFBIG: "the file is too large for the file system, choose another folder",
};

function adviceFor(error: Error, path: string, action: "read" | "write"): string | undefined {
  if (error instanceof Deno.errors.NotCapable) {
    const folder = action === "write" ? dirname(path) : path;
    return `Deno was started without permission for it, add --allow-${action}=${folder}`;
  }
  const { code = "" } = error as { code?: string };
  if (code === "ENOENT" && path.includes("\ufffd")) {
    return "its name is not UTF-8 (\ufffd stands in its place), or it does not exist: rename it, or check the path";
  }
  const advice = ADVICE[code];
  if (advice !== undefined) return typeof advice === "object" ? advice[action] : advice;
  // What else a system may refuse, with the number that it has there: a file that is gone from its server, a lock, a socket.
  const [, refused] = /^(.+?) \(os error \d+\)/.exec(error.message) ?? [];
  return refused && `the system says "${refused}", check the path or choose another`;
}
