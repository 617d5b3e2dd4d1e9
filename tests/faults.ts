/**
 * A file system that fails: at one chosen operation that changes files, and, where a process shall seem to be killed there,
 * at all that follow, so that nothing is tidied up.
 */

/** What happens at the chosen operation. */
export type Fault =
  /** It throws as if the disk were full; half of what was to be written is. */
  | "full disk"
  /** It does half of its work, and nothing after it happens at all. */
  | "killed";

/** One operation that changed files, or was to. */
export interface Operation {
  kind: string;
  path: string;
}

/** Thrown where a process is to seem dead. */
export class Killed extends Error {
  override name = "Killed";
}

/**
 * Runs `body` and lets the first operation fail that `choose` says yes to.
 *
 * @returns the operation that failed, if any, and what was thrown
 */
export async function withFault(
  { choose, fault }: { choose: (operation: Operation) => boolean; fault: Fault },
  body: () => Promise<unknown>,
): Promise<{ failed?: Operation; error?: unknown }> {
  let failed: Operation | undefined;
  const real = {
    open: Deno.open,
    mkdir: Deno.mkdir,
    rename: Deno.rename,
    remove: Deno.remove,
    writeFile: Deno.writeFile,
    writeTextFile: Deno.writeTextFile,
  };
  const { write, sync, truncate } = Deno.FsFile.prototype;

  async function change<T>(
    operation: Operation,
    work: { whole: () => Promise<T>; half?: () => Promise<unknown> },
  ): Promise<T> {
    if (failed !== undefined) {
      if (fault === "killed") throw new Killed();
      return await work.whole();
    }
    if (!choose(operation)) return await work.whole();
    await work.half?.();
    failed = operation;
    if (fault === "killed") throw new Killed();
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  }

  const paths = new WeakMap<Deno.FsFile, string>();
  Deno.open = async (path, options) => {
    if (!options?.write && !options?.create && !options?.append) return await real.open(path, options);
    const file = await change({ kind: "open", path: String(path) }, { whole: () => real.open(path, options) });
    paths.set(file, String(path));
    return file;
  };
  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1);
  Deno.FsFile.prototype.write = function (bytes) {
    return change({ kind: "write", path: paths.get(this) ?? "" }, {
      whole: () => write.call(this, bytes),
      half: () => write.call(this, half(bytes)),
    });
  };
  Deno.FsFile.prototype.truncate = function (length) {
    return change({ kind: "truncate", path: paths.get(this) ?? "" }, { whole: () => truncate.call(this, length) });
  };
  Deno.FsFile.prototype.sync = function () {
    // Folders are flushed too; that changes nothing.
    if (!paths.has(this)) return sync.call(this);
    return change({ kind: "sync", path: paths.get(this) ?? "" }, { whole: () => sync.call(this) });
  };
  Deno.mkdir = (path, options) =>
    change({ kind: "mkdir", path: String(path) }, { whole: () => real.mkdir(path, options) });
  Deno.rename = (from, to) => change({ kind: "rename", path: String(to) }, { whole: () => real.rename(from, to) });
  Deno.remove = (path, options) =>
    change({ kind: "remove", path: String(path) }, { whole: () => real.remove(path, options) });
  Deno.writeFile = (path, data, options) =>
    change({ kind: "writeFile", path: String(path) }, { whole: () => real.writeFile(path, data, options) });
  Deno.writeTextFile = (path, data, options) =>
    change({ kind: "writeTextFile", path: String(path) }, {
      whole: () => real.writeTextFile(path, data, options),
      half: () => real.writeTextFile(path, String(data).slice(0, String(data).length >> 1), options),
    });
  try {
    await body();
    return { failed };
  } catch (error) {
    return { failed, error };
  } finally {
    Object.assign(Deno, real);
    Object.assign(Deno.FsFile.prototype, { write, sync, truncate });
  }
}

/** A process that is to be killed, or refused by the disk, at each of its operations. */
export interface Tried {
  fault: Fault;
  /** Starts it; called again after each failure, and once more when none is left. */
  run(): Promise<unknown>;
  /** Takes away what earlier tries left. */
  clear(): Promise<void>;
  /** Checks what a failure left behind. */
  failed(operation: Operation, error: unknown): void | Promise<void>;
  /** Checks what the last start, which nothing happened to, left behind. */
  whole(how: string): Promise<void>;
}

/**
 * Starts something again and again, each time with a failure at an operation that has not failed yet, until none is left.
 *
 * @returns the keys of the operations that failed
 */
export async function failEverywhere({ fault, run, clear, failed: check, whole }: Tried): Promise<Set<string>> {
  const tried = new Set<string>();
  let triedBefore: number;
  do {
    triedBefore = tried.size;
    await clear();
    for (;;) {
      const choose = (operation: Operation) => !tried.has(keyOf(operation));
      const { failed, error } = await withFault({ fault, choose }, run);
      if (failed === undefined) {
        if (error !== undefined) throw error;
        break;
      }
      tried.add(keyOf(failed));
      await check(failed, error);
    }
    await whole(`after failures at ${[...tried].slice(triedBefore).join(", ")}`);
  } while (tried.size > triedBefore);
  return tried;
}

/** Operations on the same file, or on files of one kind, have the same key. */
export function keyOf({ kind, path }: Operation): string {
  const file = path.replace(/\.\d+\.\d+\.partial$/, ".partial");
  return `${kind} ${file.replace(/[0-9a-f]{64}/, "*").replace(/\w+[-\w]*(?=\.svg)/, "*")}`;
}
