/**
 * A file of tensors that stays on the disk: its directory is read once, a tensor's numbers when they are asked for. The
 * file is opened for each read, so nothing has to be closed, and must not change.
 */
import { UserError } from "../../errors.ts";
import { fileError, infoOfOpen, refusePipe } from "../../files.ts";
import type { Dtype } from "./dtype.ts";

/** Where a tensor's numbers are in a file. */
export interface StoredTensor {
  readonly dtype: Dtype;
  /** Sizes of the axes; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Of the first byte, counted from the beginning of the file. */
  readonly offset: number;
  /** Steps in numbers along the axes, when they are not those of a row-major tensor. */
  readonly strides?: readonly number[];
}

/** Whether a value of a file can be a number of things. */
export const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** Whether a value of a file is a list of such numbers, the sizes of a tensor's axes say. */
export const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);

/** A file that is read in pieces. */
export interface RandomAccessFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Reads exactly these bytes. */
  read(offset: number, length: number): Uint8Array;
}

/**
 * Opens a file to read pieces of it. Throws {@linkcode UserError} when it is missing or may not be read; and when, at a
 * later read, it has changed.
 */
export function openRandomAccess(path: string): RandomAccessFile {
  const stat = (file: Deno.FsFile) => {
    const { size, mtime, ino, isDirectory } = infoOfOpen(file, path);
    if (isDirectory) throw new UserError(`The weights ${path} are a folder: give the file in it.`);
    return { size, mark: `${size} ${mtime?.getTime()} ${ino}` };
  };
  const { size, mark } = withFile(path, stat);
  return {
    path,
    size,
    read: (offset, length) =>
      withFile(path, (file) => {
        if (stat(file).mark !== mark) throw new UserError(`${path} has changed since it was opened: start again.`);
        if (offset < 0 || length < 0 || offset + length > size) throw new Error(`No ${length} bytes at ${offset}`);
        const bytes = new Uint8Array(length);
        file.seekSync(offset, Deno.SeekMode.Start);
        for (let filled = 0; filled < length;) {
          const count = file.readSync(bytes.subarray(filled));
          if (count === null) throw new UserError(`${path} has become shorter since it was opened: start again.`);
          filled += count;
        }
        return bytes;
      }),
  };
}

function withFile<T>(path: string, use: (file: Deno.FsFile) => T): T {
  try {
    refusePipe(Deno.statSync(path), { path, what: "the weights" });
    using file = Deno.openSync(path, { read: true });
    return use(file);
  } catch (error) {
    throw fileError(error, path, "read", "the weights");
  }
}
