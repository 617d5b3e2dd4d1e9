/**
 * Where images come from: a folder, a zip archive (read in place, never unpacked to the disk), or a tar or tar.gz
 * archive (held in memory). The kind is recognised by content, not by name.
 */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import { archiveKind } from "./archive.ts";
import type { ImageSource } from "./image_source.ts";
import { openFolder } from "./source_folder.ts";
import { openTar } from "./source_tar.ts";
import { openZip } from "./source_zip.ts";
import { ARCHIVE } from "./paths.ts";

/**
 * Opens a folder or an archive of images; whoever opened them closes them. Of a zip archive that holds no images, the tar
 * archive in it is opened: the only one, or the one among `known` names.
 *
 * @throws {UserError} When it is missing, of another kind, damaged, or an archive with entries that lead out of it.
 */
export async function openImages(
  path: string,
  { known = [] }: { known?: readonly string[] } = {},
): Promise<ImageSource> {
  try {
    if ((await Deno.stat(path)).isDirectory) return await openFolder(path);
    const kind = await archiveKind(path);
    if (kind === "zip") return await withoutShell(await openZip(path), { path, known });
    if (kind !== undefined) return await openTar(path);
  } catch (error) {
    throw fileError(error, path, "read", "the images in");
  }
  throw new UserError(`${path} is no folder and no zip, tar or tar.gz archive: give one of these with --data.`);
}

/** The archive within an archive that holds no images itself, as Caltech-101 comes today. */
async function withoutShell(
  shell: ImageSource,
  { path, known }: { path: string; known: readonly string[] },
): Promise<ImageSource> {
  const archives = shell.leftOut.filter((name) => ARCHIVE.test(name));
  if (shell.count > 0 || archives.length === 0) return shell;
  try {
    const named = archives.filter((name) => known.includes(basename(name)));
    const [name, ...more] = named.length > 0 ? named : archives;
    if (more.length > 0 || /\.zip$/i.test(name)) {
      throw new UserError(
        `${path} holds no images but archives (${archives.join(", ")}): unpack it and give one of them with --data.`,
      );
    }
    return await openTar(path, { inner: { name, bytes: Uint8Array.from(await shell.read(name)) } });
  } finally {
    await shell.close();
  }
}

/** The images of a source whose paths begin with a prefix, under the rest of their paths. */
export function imagesBelow(source: ImageSource, prefix: string): ImageSource {
  if (prefix === "") return source;
  const below = (paths: readonly string[]) =>
    paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  const paths = below(source.paths);
  return {
    ...source,
    count: paths.length,
    paths,
    leftOut: below(source.leftOut),
    location: `${source.location}/${prefix}`,
    has: (path) => source.has(prefix + path),
    size: source.size && ((path) => source.size!(prefix + path)),
    read: (path) => source.read(prefix + path),
    stamp: (path) => source.stamp(prefix + path),
  };
}
