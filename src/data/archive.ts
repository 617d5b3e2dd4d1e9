/** What readers of archives share: the tar format, which can be read from beginning to end only, and their sentences. */
import { loadTar } from "../deps.ts";
import { messageOf, UserError } from "../errors.ts";
import { fileError } from "../files.ts";

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
  /** Called with the number of bytes of the archive that were read. */
  onProgress?: (count: { done: number; total: number }) => void;
}

/**
 * Reads a tar or tar.gz archive once, entry by entry.
 *
 * @throws {UserError} When it is damaged or cut off, or may not be read.
 */
export async function readTar(archive: string, { wants, take, onProgress }: TarReading): Promise<void> {
  const { createTarDecoder } = await loadTar();
  try {
    const bytes = await openBytes(archive, onProgress);
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      const { type = "file", size } = header;
      const name = header.name.replace(/^(\.\/)+/, "");
      if (!wants({ name, type, size })) await body.cancel();
      else if (await take(name, body) !== size) throw new Error(`${name} is cut off`);
    }
  } catch (error) {
    const told = fileError(error, archive, "read", "the archive");
    throw told instanceof UserError ? told : damagedArchive(archive, error);
  }
}

async function openBytes(
  archive: string,
  onProgress: TarReading["onProgress"],
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const file = await Deno.open(archive, { read: true });
  const total = (await file.stat()).size;
  const head = new Uint8Array(2);
  await file.read(head);
  await file.seek(0, Deno.SeekMode.Start);
  let done = 0;
  const counted = file.readable.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(piece, controller) {
        done += piece.length;
        onProgress?.({ done, total });
        controller.enqueue(piece);
      },
    }),
  );
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return isGzip ? counted.pipeThrough(new DecompressionStream("gzip")) : counted;
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
