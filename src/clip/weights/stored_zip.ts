/**
 * The directory of a zip archive as PyTorch writes them: large, with entries that are stored as they are, to be read in
 * place. Compressed entries are listed and cannot be read.
 */
import { UserError } from "../../errors.ts";
import type { RandomAccessFile } from "./tensor_file.ts";

/** An entry. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes, unpacked. */
  readonly size: number;
  /** Offset of the entry's local header. */
  readonly header: number;
  /** Why it cannot be read in place. */
  readonly unreadable?: string;
}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MOST_COMMENT_BYTES = 0xffff;
/** Largest directory in bytes: about half a million entries. */
const MOST_DIRECTORY_BYTES = 64 << 20;

const END = 0x06054b50;
const LOCATOR64 = 0x07064b50;
const END64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

/** A field of 32 bits with this value has its number in the entry's extra field. */
const IN_EXTRA = 0xffffffff;
const ZIP64_EXTRA = 1;

/** Whether a file begins as zip archives do. */
export function isZip(file: RandomAccessFile): boolean {
  return file.size >= 4 && viewOf(file.read(0, 4)).getUint32(0, true) === LOCAL;
}

/**
 * The entries of an archive by name. Throws {@linkcode UserError} when it is cut off or its directory does not add up.
 */
export function readZipDirectory(file: RandomAccessFile): Map<string, ZipEntry> {
  const { offset, size, count } = findDirectory(file);
  const bytes = file.read(offset, size);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > size || view.getUint32(at, true) !== CENTRAL) {
      throw damaged(file.path, `entry ${i + 1} of its directory is not where it should be`);
    }
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    if (next > size) throw damaged(file.path, `entry ${i + 1} of its directory is cut off`);
    const nameAt = at + CENTRAL_BYTES;
    const name = new TextDecoder().decode(bytes.subarray(nameAt, nameAt + nameBytes));
    if (entries.has(name)) throw damaged(file.path, `it has two entries ${JSON.stringify(name)}`);
    const extra = bytes.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
    entries.set(name, readEntry(file, { name, view, at, extra }));
    at = next;
  }
  return entries;
}

/**
 * Where the bytes of an entry begin in the file. Throws {@linkcode UserError} when it is compressed or encrypted, or
 * not where the directory says.
 */
export function entryOffset(file: RandomAccessFile, entry: ZipEntry): number {
  const { name, size, header } = entry;
  if (entry.unreadable !== undefined) throw damaged(file.path, `its entry ${JSON.stringify(name)} ${entry.unreadable}`);
  const view = viewOf(file.read(header, LOCAL_BYTES));
  if (view.getUint32(0, true) !== LOCAL) {
    throw damaged(file.path, `${JSON.stringify(name)} is not where the directory says`);
  }
  const offset = header + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  if (offset + size > file.size) throw damaged(file.path, `${JSON.stringify(name)} reaches beyond the end of the file`);
  return offset;
}

function readEntry(
  file: RandomAccessFile,
  { name, view, at, extra }: { name: string; view: DataView; at: number; extra: Uint8Array },
): ZipEntry {
  const wide = wideFields(extra);
  const field = (offset: number) => {
    const value = view.getUint32(at + offset, true);
    return value === IN_EXTRA ? wide.shift() ?? value : value;
  };
  // The order of the extra field.
  const size = field(24);
  const packed = field(20);
  const header = field(42);
  if (!(header + LOCAL_BYTES + packed <= file.size)) {
    throw damaged(file.path, `${JSON.stringify(name)} reaches beyond the end of the file`);
  }
  const encrypted = (view.getUint16(at + 8, true) & 1) === 1;
  const compressed = view.getUint16(at + 10, true) !== 0 || packed !== size;
  return {
    name,
    size,
    header,
    unreadable: encrypted
      ? "is encrypted"
      : compressed
      ? "is compressed, which PyTorch's tensors never are"
      : undefined,
  };
}

function wideFields(extra: Uint8Array): number[] {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length;) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === ZIP64_EXTRA) {
      const count = Math.floor(Math.min(length, extra.length - at - 4, 24) / 8);
      return Array.from({ length: count }, (_, i) => Number(view.getBigUint64(at + 4 + 8 * i, true)));
    }
    at += 4 + length;
  }
  return [];
}

function findDirectory(file: RandomAccessFile): { offset: number; size: number; count: number } {
  const tailBytes = Math.min(file.size, END_BYTES + MOST_COMMENT_BYTES);
  const tailAt = file.size - tailBytes;
  const view = viewOf(file.read(tailAt, tailBytes));
  let end = tailBytes - END_BYTES;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw damaged(file.path, "it has no directory at its end");
  let directory = {
    count: view.getUint16(end + 10, true),
    size: view.getUint32(end + 12, true),
    offset: view.getUint32(end + 16, true),
  };
  if (end >= LOCATOR_BYTES && view.getUint32(end - LOCATOR_BYTES, true) === LOCATOR64) {
    const at = Number(view.getBigUint64(end - LOCATOR_BYTES + 8, true));
    if (!(at + END64_BYTES <= file.size)) throw damaged(file.path, "its directory's end is not where it says");
    const wide = viewOf(file.read(at, END64_BYTES));
    if (wide.getUint32(0, true) !== END64) throw damaged(file.path, "its directory's end is not where it says");
    const [count, size, offset] = [32, 40, 48].map((field) => Number(wide.getBigUint64(field, true)));
    directory = { count, size, offset };
  }
  if (!(directory.offset + directory.size <= tailAt + end)) {
    throw damaged(file.path, "its directory reaches beyond the end of the file");
  }
  if (directory.size > MOST_DIRECTORY_BYTES) throw damaged(file.path, `its directory has ${directory.size} bytes`);
  return directory;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const damaged = (path: string, why: string) =>
  new UserError(`The archive ${path} is damaged or cut off (${why}): download it again.`);
