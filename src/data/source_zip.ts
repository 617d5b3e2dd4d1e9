import { crc32, inflateRawSync } from "node:zlib";
import { loadZip } from "../deps.ts";
import { messageOf, UserError } from "../errors.ts";
import { infoOfOpen } from "../files.ts";
import { damagedArchive, growsTooMuch, refusedEntry } from "./archive.ts";
import { compareCodePoints } from "./code_points.ts";
import { ARCHIVE, isImagePath, isLeftOut, MOST_IMAGE_BYTES, pathProblem } from "./paths.ts";
import type { ImageSource } from "./image_source.ts";
import { fileStamp } from "./source_stamp.ts";

/** What is needed to read an entry; the library's own entries take seven kilobytes each, too much for a million. */
interface Entry {
  offset: number;
  compressedSize: number;
  size: number;
  crc: number;
  deflated: boolean;
}

const LOCAL_HEADER = 30;
const LOCAL_SIGNATURE = 0x04034b50;
/** Deflated data grows at most this many times when it is unpacked. */
const MOST_GROWTH = 1032;
/** Bytes of the largest archive within the archive. */
const MOST_ARCHIVE_BYTES = 512 << 20;

/**
 * The images of a zip archive, read in place: only its directory is held in memory.
 *
 * @throws {UserError} When the archive is damaged or cut off, or any entry is a link, encrypted, implausibly large, or
 * leads out of the archive.
 */
export async function openZip(path: string): Promise<ImageSource> {
  const location = await Deno.realPath(path);
  const file = Deno.openSync(path, { read: true });
  let entries: Map<string, Entry>;
  let leftOut: string[];
  try {
    ({ entries, leftOut } = await readDirectory(file, path));
  } catch (error) {
    file.close();
    throw error;
  }
  const paths = [...entries.keys()].filter(isImagePath).sort(compareCodePoints);
  const entryOf = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new UserError(`The archive ${path} has no image ${name}: check the split file.`);
    return entry;
  };
  return {
    count: paths.length,
    paths,
    leftOut: leftOut.sort(compareCodePoints),
    describe: `${path} (zip archive)`,
    location,
    has: (name) => entries.has(name) && isImagePath(name),
    // deno-lint-ignore require-await -- other sources do wait
    size: async (name) => entryOf(name).size,
    // deno-lint-ignore require-await -- other sources do wait
    async read(name) {
      return readEntry(file, entryOf(name), { archive: path, name });
    },
    // deno-lint-ignore require-await -- other sources do wait
    async stamp(name) {
      const { crc, size } = entryOf(name);
      const { text, settled } = fileStamp(infoOfOpen(file, path), Date.now());
      return { text: `${text} ${crc.toString(16)} ${size}`, settled };
    },
    close: () => Promise.resolve(file.close()),
  };
}

/** The entries that are images or archives, and the names of all that is left out. */
async function readDirectory(
  file: Deno.FsFile,
  path: string,
): Promise<{ entries: Map<string, Entry>; leftOut: string[] }> {
  const zip = await loadZip();
  const { size } = infoOfOpen(file, path);
  const entries = new Map<string, Entry>();
  const leftOut: string[] = [];
  const reader = new zip.ZipReader(readerOf(file, size));
  try {
    // Names are checked below, where the message can say which one is wrong.
    for await (const entry of reader.getEntriesGenerator({ filenameValidation: "tolerant", decodeText })) {
      // Archives of .NET and of old PowerShell have \ between folders; unzip reads them so too.
      const name = entry.filename.replaceAll("\\", "/");
      if (entry.directory || name.endsWith("/")) continue;
      const problem = entry.symlink ? "is a symbolic link" : pathProblem(name) ?? sizeProblem(entry, size);
      if (problem) throw refusedEntry(path, name, problem);
      if (isLeftOut(name)) leftOut.push(name);
      if (!isImagePath(name) && !(ARCHIVE.test(name) && isLeftOut(name))) continue;
      const usable = !entry.encrypted && [0, 8].includes(entry.compressionMethod);
      if (!usable) throw refusedEntry(path, name, entry.encrypted ? "is encrypted" : "is compressed in an unusual way");
      if (entries.has(name)) throw refusedEntry(path, name, "is in it twice");
      entries.set(name, {
        offset: entry.offset,
        compressedSize: entry.compressedSize,
        size: entry.uncompressedSize,
        crc: (entry.crc32 ?? 0) >>> 0,
        deflated: entry.compressionMethod === 8,
      });
    }
  } catch (error) {
    throw error instanceof UserError ? error : damagedArchive(path, error);
  }
  refuseOverlaps(entries, path);
  return { entries, leftOut };
}

/** Comments are for nobody here, and may be many times the names. */
function decodeText(_bytes: Uint8Array, _encoding: string, type: string): string | undefined {
  return type === "comment" ? "" : undefined;
}

/** Entries that share bytes are those of a small file that unpacks to more than memory holds. */
function refuseOverlaps(entries: ReadonlyMap<string, Entry>, path: string): void {
  let end = 0;
  for (const [name, { offset, compressedSize }] of [...entries].sort(([, a], [, b]) => a.offset - b.offset)) {
    if (offset < end) throw refusedEntry(path, name, "lies over another one");
    end = offset + LOCAL_HEADER + compressedSize;
  }
}

/** A `Reader` of the library, with only the members that it uses. */
function readerOf(file: Deno.FsFile, size: number): ConstructorParameters<ZipReaderClass>[0] {
  const reader = {
    size,
    initialized: true,
    init() {},
    readUint8Array: (index: number, length: number) =>
      Promise.resolve(readAt(file, index, Math.max(0, Math.min(length, size - index)))),
  };
  return reader as unknown as ConstructorParameters<ZipReaderClass>[0];
}

type ZipReaderClass = Awaited<ReturnType<typeof loadZip>>["ZipReader"];

function sizeProblem(
  entry: { offset: number; compressedSize: number; uncompressedSize: number },
  archiveSize: number,
): string | undefined {
  if (entry.offset + LOCAL_HEADER + entry.compressedSize > archiveSize) return "lies beyond the end of the archive";
  if (entry.uncompressedSize > MOST_GROWTH * entry.compressedSize + 64) {
    return `says that it grows from ${entry.compressedSize} to ${entry.uncompressedSize} bytes`;
  }
  return undefined;
}

function readEntry(file: Deno.FsFile, entry: Entry, where: { archive: string; name: string }): Uint8Array {
  const { archive, name } = where;
  if (entry.size > (isImagePath(name) ? MOST_IMAGE_BYTES : MOST_ARCHIVE_BYTES)) {
    const what = isImagePath(name) ? "an image" : "an archive in it";
    throw refusedEntry(archive, name, `has ${entry.size} bytes, too many for ${what}`);
  }
  if (!isImagePath(name) && growsTooMuch(entry.compressedSize, entry.size)) {
    throw refusedEntry(archive, name, `grows from ${entry.compressedSize} to ${entry.size} bytes`);
  }
  const header = readAt(file, entry.offset, LOCAL_HEADER);
  const view = new DataView(header.buffer);
  if (header.length < LOCAL_HEADER || view.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw damagedArchive(archive, `${name} is not where the directory says`);
  }
  const begin = entry.offset + LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true);
  const stored = readAt(file, begin, entry.compressedSize);
  const bytes = entry.deflated ? inflate(stored, entry.size, where) : stored;
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) {
    throw damagedArchive(archive, `${name} has a wrong checksum`);
  }
  return bytes;
}

function inflate(stored: Uint8Array, size: number, where: { archive: string; name: string }): Uint8Array {
  try {
    return inflateRawSync(stored, { maxOutputLength: Math.max(size, 1) });
  } catch (error) {
    throw damagedArchive(where.archive, `${where.name} does not unpack, ${messageOf(error)}`);
  }
}

/** Seeks and reads in one synchronous step, so that concurrent reads cannot move the position in between. */
function readAt(file: Deno.FsFile, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(position, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
