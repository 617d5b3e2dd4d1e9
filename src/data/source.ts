/**
 * Where images come from: a folder, a zip archive (read in place, never unpacked to the disk), or a tar or tar.gz
 * archive (held in memory). The kind is recognised by content, not by name.
 */
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import { archiveKind } from "./archive.ts";
import type { ImageSource } from "./image_source.ts";
import { openFolder } from "./source_folder.ts";
import { openTar } from "./source_tar.ts";
import { openZip } from "./source_zip.ts";

/**
 * Opens a folder or an archive of images; whoever opened them closes them.
 *
 * @throws {UserError} When it is missing, of another kind, damaged, or an archive with entries that lead out of it.
 */
export async function openImages(path: string): Promise<ImageSource> {
  try {
    if ((await Deno.stat(path)).isDirectory) return await openFolder(path);
    const kind = await archiveKind(path);
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
