/** Unpacks downloaded tar archives into folders of images. */
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { fileError, infoOf, removeIfThere } from "../files.ts";
import { readTar, refusedEntry, type TarReading } from "./archive.ts";
import { isImagePath, MOST_IMAGE_BYTES, pathProblem } from "./paths.ts";

interface UnpackOptions extends Pick<TarReading, "onProgress"> {
  /** Removed from the names of entries; entries without it are skipped. */
  prefix: string;
}

/**
 * Unpacks the images and text files of a tar or tar.gz archive beside it, where they appear only after all of them were
 * read, and counts them. The archive stays.
 *
 * @throws {UserError} When the archive is damaged, an entry leads out of it, or the disk is full.
 */
export async function unpackTar(archive: string, options: UnpackOptions): Promise<number> {
  const folder = dirname(archive);
  const waiting = join(folder, `.${basename(archive)}.unpacking`);
  try {
    await removeIfThere(waiting);
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
    await removeIfThere(waiting).catch(() => {});
  }
}

async function unpackInto(folder: string, archive: string, { prefix, onProgress }: UnpackOptions): Promise<number> {
  const made = new Set<string>();
  const taken = new Set<string>();
  const below = (name: string) => name.startsWith(prefix) ? name.slice(prefix.length) : "";
  let files = 0;
  await readTar(archive, {
    wants({ name: full, type, size }) {
      const name = below(full);
      // Links are never created; they could point anywhere.
      if (type !== "file" || name === "") return false;
      const problem = pathProblem(name);
      if (problem) throw refusedEntry(archive, full, problem);
      const isHidden = name.split("/").some((part) => part.startsWith("."));
      if (isHidden || !isImagePath(name) && !/\.txt$/i.test(name)) return false;
      if (size > MOST_IMAGE_BYTES) {
        throw refusedEntry(archive, full, `has ${size} bytes, too many for an image or a text`);
      }
      return true;
    },
    async take(full, body) {
      const path = join(folder, below(full));
      if (taken.has(path)) throw refusedEntry(archive, full, "is in it twice");
      taken.add(path);
      if (!made.has(dirname(path))) await Deno.mkdir(dirname(path), { recursive: true });
      made.add(dirname(path));
      await Deno.writeFile(path, body);
      files++;
      return (await Deno.stat(path)).size;
    },
    onProgress,
  });
  return files;
}

/** Moves what is in a folder into another one; folders that exist are merged. */
async function moveInto(from: string, to: string): Promise<void> {
  for (const { name, isDirectory } of await Array.fromAsync(Deno.readDir(from))) {
    const target = join(to, name);
    if (isDirectory && (await infoOf(target))?.isDirectory) await moveInto(join(from, name), target);
    else await Deno.rename(join(from, name), target);
  }
}
