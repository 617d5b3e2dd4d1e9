import { UserError } from "../errors.ts";
import { archiveKind, archiveKindOf, readTar, refusedEntry } from "./archive.ts";
import { compareCodePoints } from "./code_points.ts";
import { isImagePath, isLeftOut, MOST_IMAGE_BYTES, pathProblem } from "./paths.ts";
import type { ImageSource } from "./image_source.ts";
import { fileStamp } from "./source_stamp.ts";

/** Largest archive that is held in memory; users are asked to unpack larger ones. */
const MOST_BYTES = 2 ** 31;

/**
 * The images of a tar or tar.gz archive. Such an archive can only be read from its beginning to its end, so it is read
 * once and its images stay in memory. `inner` is an archive within the one at the path, read already.
 *
 * @throws {UserError} When the archive is damaged or cut off, holds over 2 GiB, or any entry is a link or
 * leads out of the archive.
 */
export async function openTar(
  path: string,
  { inner }: { inner?: { name: string; bytes: Uint8Array<ArrayBuffer> } } = {},
): Promise<ImageSource> {
  const location = [await Deno.realPath(path), ...inner === undefined ? [] : [inner.name]].join("/");
  const gzip = (inner === undefined ? await archiveKind(path) : archiveKindOf(inner.bytes)) === "gzip";
  const info = Deno.statSync(path);
  const stamp = fileStamp(info, Date.now());
  const { images, leftOut } = await readImages(path, inner?.bytes);
  const paths = [...images.keys()].sort(compareCodePoints);
  const missing = (name: string) => new UserError(`The archive ${path} has no image ${name}: check the split file.`);
  return {
    count: paths.length,
    paths,
    leftOut: leftOut.sort(compareCodePoints),
    describe: `${path} (${gzip ? "tar.gz" : "tar"} archive${inner === undefined ? "" : `, ${inner.name} in it`})`,
    location,
    has: (name) => images.has(name),
    read(name) {
      const bytes = images.get(name);
      return bytes ? Promise.resolve(bytes) : Promise.reject(missing(name));
    },
    // The bytes in memory are those of the archive as it was when it was opened.
    stamp: (name) => images.has(name) ? Promise.resolve(stamp) : Promise.reject(missing(name)),
    close: () => Promise.resolve(images.clear()),
  };
}

async function readImages(
  path: string,
  bytes: Uint8Array<ArrayBuffer> | undefined,
): Promise<{ images: Map<string, Uint8Array>; leftOut: string[] }> {
  const images = new Map<string, Uint8Array>();
  const leftOut: string[] = [];
  let held = 0;
  await readTar(path, {
    bytes,
    wants({ name, type, size }) {
      const problem = entryProblem(type, name);
      if (problem) throw refusedEntry(path, name, problem);
      if (isImagePath(name) && size > MOST_IMAGE_BYTES) {
        throw refusedEntry(path, name, `has ${size} bytes, too many for an image`);
      }
      held += size;
      if (held > MOST_BYTES) {
        throw new UserError(`The archive ${path} holds over 2 GiB: unpack it and give the folder with --data.`);
      }
      if (images.has(name)) throw refusedEntry(path, name, "is in it twice");
      if (type === "file" && isLeftOut(name)) leftOut.push(name);
      return type === "file" && isImagePath(name);
    },
    async take(name, body) {
      const image = await new Response(body).bytes();
      images.set(name, image);
      return image.length;
    },
  });
  return { images, leftOut };
}

function entryProblem(type: string, name: string): string | undefined {
  if (type === "symlink" || type === "link") return "is a link";
  if (type.endsWith("-device") || type === "fifo") return "is a device";
  if (type === "directory" && (name === "" || name === ".")) return undefined;
  return pathProblem(name);
}
