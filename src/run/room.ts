/** Refuses work that disk or memory have no room for, before it begins. */
import { statfs } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";

/** Less is not looked at: it fits, or the disk is full for other reasons. */
const SMALL = 256 << 20;

/** What is to be kept. */
export interface Kept {
  /** Where it is stored. */
  folder: string;
  bytes: number;
  /** `100,000 training views of 160 images`. */
  what: string;
  /** What to do where they do not fit: `take fewer --views`. */
  advice: string;
  /** Whether all of it is in memory, too. */
  inMemory: boolean;
}

/**
 * Refuses what the disk cannot hold beside what is there, or memory at all. Without permission to ask for either, what is
 * too large fails when it is written.
 *
 * @throws {UserError} with what it takes, what there is, and what to do
 */
export async function requireRoom({ folder, bytes, what, advice, inMemory }: Kept): Promise<void> {
  if (bytes <= SMALL) return;
  if (inMemory && await mayAsk("systemMemoryInfo")) {
    const { total } = Deno.systemMemoryInfo();
    if (bytes > total) {
      throw new UserError(
        `${what} take ${gibibytes(bytes)} of memory, and this machine has ${gibibytes(total)}: ${advice}.`,
      );
    }
  }
  if (!await mayAsk("statfs")) return;
  try {
    await Deno.mkdir(folder, { recursive: true });
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    if (bytes <= free || bytes - await bytesBelow(folder) <= free) return;
    throw new UserError(
      `${what} take ${gibibytes(bytes)} of disk in ${folder}, and ${
        gibibytes(free)
      } are free: free some space, or ${advice}.`,
    );
  } catch (error) {
    throw fileError(error, folder, "write", "the folder");
  }
}

async function mayAsk(kind: "systemMemoryInfo" | "statfs"): Promise<boolean> {
  // Deno's types do not have statfs yet.
  const descriptor = { name: "sys", kind } as Deno.SysPermissionDescriptor;
  return (await Deno.permissions.query(descriptor)).state === "granted";
}

/** What is stored already may be a part of it. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    bytes += isDirectory ? await bytesBelow(path) : (await Deno.lstat(path)).size;
  }
  return bytes;
}

/** `1,234 GiB`. */
function gibibytes(bytes: number): string {
  const value = bytes / 2 ** 30;
  return `${value < 10 ? value.toFixed(1) : Math.ceil(value).toLocaleString("en-US")} GiB`;
}
