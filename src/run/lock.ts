/** Folders that one process has to itself. */
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";

/** The file of a lock. */
export const LOCK = ".lock";

/** A held lock. */
export interface Lock {
  /** The process that held it and ended without letting go, when there was one. */
  readonly stale?: number;
  /** Unlocks. */
  release(): void;
}

/**
 * Takes a folder for this process. The operating system holds the lock and drops it with the process, however that ends,
 * so that no stale lock remains; the file only says whose it is.
 *
 * @throws {UserError} when another process works in the folder; names its id
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = `${folder}/${LOCK}`;
  let file: Deno.FsFile | undefined;
  try {
    await requireOwnFile(path);
    file = await Deno.open(path, { read: true, write: true, create: true });
    if (!await file.tryLock(true) && !await triesAgain(file)) throw await inUse(folder, file);
    const stale = await readOwner(file);
    await file.truncate(0);
    await file.seek(0, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
    return { stale, release: () => release(file!) };
  } catch (error) {
    file?.close();
    throw fileError(error, path, "write", "the lock");
  }
}

/** What is written into the lock must not go into a file elsewhere that a link leads to. */
async function requireOwnFile(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (info && !info.isFile) throw new UserError(`${path} is no file but a link, a folder or a pipe: remove it.`);
}

function release(file: Deno.FsFile): void {
  try {
    // The file stays: removing it would let two processes lock two files of one name.
    file.truncateSync(0);
  } finally {
    file.close();
  }
}

/**
 * The process that left its id in the lock of a folder, and whether it still works there; undefined where none did. Of one that
 * was killed, this holds the lock for a moment.
 */
export async function ownerOf(folder: string): Promise<{ pid: number; alive: boolean } | undefined> {
  using file = await Deno.open(`${folder}/${LOCK}`, { read: true });
  const pid = await readOwner(file);
  return pid === undefined ? undefined : { pid, alive: !await file.tryLock(false) };
}

/** Long enough for the other process to write its id, once it has the lock, and for one that only looks to be gone. */
const A_MOMENT_MS = 50;

async function triesAgain(file: Deno.FsFile): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, A_MOMENT_MS));
  return await file.tryLock(true);
}

async function inUse(folder: string, file: Deno.FsFile): Promise<UserError> {
  const owner = await readOwner(file);
  const who = owner === undefined ? "another process" : `process ${owner}`;
  return new UserError(`${folder} is in use by ${who}: wait for it to end, or give another folder with --out.`);
}

async function readOwner(file: Deno.FsFile): Promise<number | undefined> {
  const buffer = new Uint8Array(32);
  const length = await file.read(buffer) ?? 0;
  return Number(new TextDecoder().decode(buffer.subarray(0, length))) || undefined;
}
