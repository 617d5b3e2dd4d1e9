/** Unpacks downloaded tar archives, which can be read from beginning to end only, into folders of images. */
import { basename, dirname, join } from "node:path";
import { loadTar } from "../deps.ts";
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import { isImagePath, pathProblem } from "./paths.ts";

/** How to unpack an archive. */
export interface UnpackOptions {
  /** Removed from the names of entries; entries without it are skipped. */
  prefix: string;
  /** Called with the number of bytes of the archive that were read. */
  onProgress?: (count: { done: number; total: number }) => void;
}

/**
 * Unpacks the images and text files of a tar or tar.gz archive beside it. They appear only after all of them were read.
 *
 * @param archive Path of the archive; it stays.
 * @returns How many files were unpacked.
 * @throws {UserError} When the archive is damaged, an entry leads out of it, or the disk is full.
 */
export async function unpackTar(archive: string, options: UnpackOptions): Promise<number> {
  const folder = dirname(archive);
  const waiting = join(folder, `.${basename(archive)}.unpacking`);
  try {
    await removeFolder(waiting);
    await Deno.mkdir(waiting);
    const files = await unpackInto(waiting, archive, options);
    if (files === 0) {
      throw new UserError(`The archive ${archive} holds nothing below "${options.prefix}": download it again.`);
    }
    await moveInto(waiting, folder);
    return files;
  } catch (error) {
    throw fileError(error, folder, "write", "what is unpacked into");
  } finally {
    await removeFolder(waiting).catch(() => {});
  }
}

async function unpackInto(folder: string, archive: string, options: UnpackOptions): Promise<number> {
  const { createTarDecoder } = await loadTar();
  const made = new Set<string>();
  let files = 0;
  try {
    for await (
      const { header, body } of (await openTarBytes(archive, options)).pipeThrough(createTarDecoder({ strict: true }))
    ) {
      const full = header.name.replace(/^(\.\/)+/, "");
      const name = full.startsWith(options.prefix) ? full.slice(options.prefix.length) : "";
      const problem = header.type === "file" && name !== "" ? pathProblem(name) : undefined;
      if (problem) {
        throw new UserError(
          `The archive ${archive} is refused, its entry ${JSON.stringify(full)} ${problem}: download it again.`,
        );
      }
      const hidden = name.split("/").some((part) => part.startsWith("."));
      // Links are never created; they could point anywhere.
      if (header.type !== "file" || hidden || !(isImagePath(name) || /\.txt$/i.test(name))) {
        await body.cancel();
        continue;
      }
      const path = join(folder, name);
      if (!made.has(dirname(path))) await Deno.mkdir(dirname(path), { recursive: true });
      made.add(dirname(path));
      await Deno.writeFile(path, body);
      if ((await Deno.stat(path)).size !== header.size) throw new Error(`${full} is cut off`);
      files++;
    }
  } catch (error) {
    const told = fileError(error, archive, "read", "the archive");
    if (told instanceof UserError || error instanceof Deno.errors.NotCapable) throw told;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`The archive ${archive} is damaged or cut off (${reason}): remove it and download it again.`);
  }
  return files;
}

async function openTarBytes(archive: string, options: UnpackOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
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
        options.onProgress?.({ done, total });
        controller.enqueue(piece);
      },
    }),
  );
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return isGzip ? counted.pipeThrough(new DecompressionStream("gzip")) : counted;
}

/** Moves what is in a folder into another one; folders that exist are merged. */
async function moveInto(from: string, to: string): Promise<void> {
  for (const { name, isDirectory } of await Array.fromAsync(Deno.readDir(from))) {
    const target = join(to, name);
    if (isDirectory && await isFolder(target)) await moveInto(join(from, name), target);
    else await Deno.rename(join(from, name), target);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
