/** What readers of archives share: how kinds are told, the tar format, which can be read from beginning to end only, and errors. */
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { loadTar } from "../deps.ts";
import { messageOf, UserError } from "../errors.ts";
import { fileError, infoOfOpen, readHead } from "../files.ts";

/** The kind of an archive by its first bytes, not by its name; undefined when it is none. */
export async function archiveKind(path: string): Promise<ArchiveKind | undefined> {
  return archiveKindOf(await readHead(path, 512));
}

type ArchiveKind = "zip" | "gzip" | "tar";

/** {@linkcode archiveKind} of bytes. */
export function archiveKindOf(head: Uint8Array): ArchiveKind | undefined {
  const text = (begin: number, end: number) => String.fromCharCode(...head.subarray(begin, end));
  if (["PK\x03\x04", "PK\x05\x06"].includes(text(0, 4))) return "zip";
  if (text(0, 2) === "\x1f\x8b") return "gzip";
  return text(257, 262) === "ustar" ? "tar" : undefined;
}

/** An entry of a tar archive. */
export interface TarEntry {
  /** Its path, without `./` before it. */
  name: string;
  /** `file`, `directory`, `symlink`, … */
  type: string;
  /** In bytes. */
  size: number;
}

/** What {@linkcode readTar} does with the entries. */
export interface TarReading {
  /** Whether an entry is taken. Throws when the archive is refused for it. */
  wants(entry: TarEntry): boolean;
  /** Gets the bytes of an entry that is taken, and gives back how many came. */
  take(name: string, body: ReadableStream<Uint8Array>): Promise<number>;
  /** The archive's bytes, where it is no file of its own. */
  bytes?: Uint8Array<ArrayBuffer>;
  /** Called with the number of bytes of the archive that were read. */
  onProgress?: (count: { done: number; total: number }) => void;
}

/**
 * Reads a tar or tar.gz archive once, entry by entry.
 *
 * @throws {UserError} When it is damaged or cut off, or may not be read.
 */
export async function readTar(archive: string, { wants, take, bytes: held, onProgress }: TarReading): Promise<void> {
  const { createTarDecoder } = await loadTar();
  try {
    // Zeros are the end of an archive, and would be read to their own.
    if (held === undefined && (await readHead(archive, 512)).every((byte) => byte === 0)) {
      throw new Error("it is empty");
    }
    const size = held?.length ?? (await Deno.stat(archive)).size;
    const pieces = ReadableStream.from(held === undefined ? readPieces(archive, onProgress) : piecesOf(held));
    const isGzip = (held === undefined ? await archiveKind(archive) : archiveKindOf(held)) === "gzip";
    const bytes = isGzip ? ReadableStream.from(gunzip(pieces)).pipeThrough(grownNoMore(archive, size)) : pieces;
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      const { type = "file", size } = header;
      const name = header.name.replace(/^(\.\/)+/, "");
      if (!wants({ name, type, size })) await body.cancel();
      else if (await take(name, body) !== size) throw new Error(`${name} is cut off`);
    }
  } catch (error) {
    if (messageOf(error) === "Invalid EOF.") {
      throw new UserError(
        `The archive ${archive} holds more behind its end, as two archives in one file do: download it again, or unpack it ` +
          "with tar --ignore-zeros and give the folder with --data.",
      );
    }
    const told = fileError(error, archive, "read", "the archive");
    throw told instanceof UserError ? told : damagedArchive(archive, error);
  }
}

/** Unpacks one gzip member after the other, as pigz, bgzip and `cat` write them; the web's own stream ends at the first. */
async function* gunzip(pieces: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const members = createGunzip();
  // What goes wrong on the way in comes out of the members, where it is told.
  const packed = pipeline(pieces, members).catch(() => {});
  try {
    yield* members;
  } finally {
    members.destroy();
    await packed;
  }
}

/** Images hardly shrink in an archive: one that grows more was made to fill memory or time, unless all of it is small. */
const MOST_GROWTH = 100;
const SMALL_BYTES = 2 ** 26;

/** Whether what unpacks to so many bytes was made to do harm. */
export function growsTooMuch(packed: number, unpacked: number): boolean {
  return unpacked > SMALL_BYTES && unpacked > MOST_GROWTH * packed;
}

/** Ends a stream that grows too much, whatever it holds: entries, padding or nothing. */
function grownNoMore(archive: string, packed: number): TransformStream<Uint8Array, Uint8Array> {
  let unpacked = 0;
  return new TransformStream({
    transform(piece, controller) {
      unpacked += piece.length;
      if (growsTooMuch(packed, unpacked)) {
        throw new UserError(
          `The archive ${archive} is refused, it grows to over ${MOST_GROWTH} times its bytes: download it again.`,
        );
      }
      controller.enqueue(piece);
    },
  });
}

/** A piece unpacks as a whole, to a thousand times its bytes. */
const PIECE = 1 << 16;

function* piecesOf(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  for (let from = 0; from < bytes.length; from += PIECE) yield bytes.subarray(from, from + PIECE);
}

async function* readPieces(archive: string, onProgress: TarReading["onProgress"]) {
  const file = await Deno.open(archive, { read: true });
  const total = infoOfOpen(file, archive).size;
  let done = 0;
  for await (const piece of file.readable) {
    done += piece.length;
    onProgress?.({ done, total });
    yield piece;
  }
}

/** The error of an archive with an entry that no honest one has; `problem` is the end of a sentence. */
export function refusedEntry(archive: string, name: string, problem: string): UserError {
  return new UserError(
    `The archive ${archive} is refused, its entry ${JSON.stringify(name)} ${problem}: download it again.`,
  );
}

/** The error of an archive that is not whole; `why` is a reason, or what was caught. */
export function damagedArchive(archive: string, why: unknown): UserError {
  return new UserError(
    `The archive ${archive} is damaged or cut off (${messageOf(why)}): remove it and download it again.`,
  );
}
