/**
 * Where images come from: a folder, a zip archive (read in place, never unpacked to the disk), or a tar or tar.gz
 * archive (held in memory). The kind is recognised by content, not by name.
 */
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import type { ImageSource } from "./image_source.ts";
import { openFolder } from "./source_folder.ts";
import { openTar } from "./source_tar.ts";
import { openZip } from "./source_zip.ts";

const TAR_MAGIC_AT = 257;

/**
 * Opens a folder or an archive of images.
 *
 * @param path A folder, or a zip, tar or tar.gz file.
 * @returns the images; whoever opened them closes them
 * @throws {UserError} When it is missing, of another kind, damaged, or an archive with entries that lead out of it.
 *
 * @example
 * ```ts
 * import { openImages } from "./source.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/a.jpg`, "not decoded until it is used");
 * const images = await openImages(folder);
 * const has = images.has("a.jpg");
 * await images.close();
 * await Deno.remove(folder, { recursive: true });
 * if (!has || images.paths.join() !== "a.jpg") throw new Error("unexpected");
 * ```
 */
export async function openImages(path: string): Promise<ImageSource> {
  try {
    if ((await Deno.stat(path)).isDirectory) return await openFolder(path);
    const kind = archiveKind(await readHead(path));
    if (kind === "zip") return await openZip(path);
    if (kind !== undefined) return await openTar(path, { gzip: kind === "gzip" });
  } catch (error) {
    throw fileError(error, path, "read", "the images in");
  }
  throw new UserError(`${path} is no folder and no zip, tar or tar.gz archive: give one of these with --data.`);
}

/** The images of a source whose paths begin with a prefix, under the rest of their paths. */
export function imagesBelow(source: ImageSource, prefix: string): ImageSource {
  if (prefix === "") return source;
  const paths = source.paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  return {
    ...source,
    count: paths.length,
    paths,
    location: `${source.location}/${prefix}`,
    has: (path) => source.has(prefix + path),
    read: (path) => source.read(prefix + path),
    stamp: (path) => source.stamp(prefix + path),
  };
}

async function readHead(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path, { read: true });
  const head = new Uint8Array(512);
  let length = 0;
  for (let count: number | null = 0; count !== null && length < head.length; length += count ?? 0) {
    count = await file.read(head.subarray(length));
  }
  return head.subarray(0, length);
}

function archiveKind(head: Uint8Array): "zip" | "gzip" | "tar" | undefined {
  const text = (begin: number, end: number) => String.fromCharCode(...head.subarray(begin, end));
  if (["PK\x03\x04", "PK\x05\x06"].includes(text(0, 4))) return "zip";
  if (text(0, 2) === "\x1f\x8b") return "gzip";
  if (text(TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === "ustar") return "tar";
  return undefined;
}
