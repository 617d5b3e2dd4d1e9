import { UserError } from "../../src/errors.ts";
import { fileError } from "../../src/files.ts";

/** A held lock. */
export interface Lock {
  /** The process that held it and ended without letting go, when there was one. */
  readonly stale?: number;
  /** Lets go. */
  release(): void;
}

/**
 * Takes a folder for this process. The operating system holds the lock and drops it with the process, however that ends,
 * so that a lock is never left behind; the file only says whose it is.
 *
 * @param folder an existing folder
 * @throws {UserError} when another process works in the folder; names its id
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const path = `${folder}/.lock`;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true });
  } catch (error) {
    throw fileError(error, path, "write", "the lock");
  }
  const buffer = new Uint8Array(32);
  const held = await file.tryLock(true);
  const length = await file.read(buffer) ?? 0;
  const owner = Number(new TextDecoder().decode(buffer.subarray(0, length))) || undefined;
  if (!held) {
    file.close();
    const who = owner === undefined ? "another process" : `process ${owner}`;
    throw new UserError(`${folder} is in use by ${who}: wait for it to end, or give another folder with --out.`);
  }
  await file.truncate(0);
  await file.seek(0, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return {
    stale: owner,
    release() {
      // The file stays: removing it would let two processes lock two files of one name.
      file.truncateSync(0);
      file.unlockSync();
      file.close();
    },
  };
}
