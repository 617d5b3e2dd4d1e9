import { UserError } from "../errors.ts";
import { fileError, infoOf, readBytes } from "../files.ts";
import { compareCodePoints } from "./code_points.ts";
import { isImagePath, isJunk, isLeftOut, MOST_FOLDERS, MOST_IMAGE_BYTES } from "./paths.ts";
import type { ImageSource } from "./image_source.ts";
import { fileStamp } from "./source_stamp.ts";

/**
 * The images of a folder and the folders in it. Symbolic links are followed, since the user put them there; hidden
 * files and folders, and what systems put there, are left out.
 *
 * @throws {UserError} When the folder is missing or may not be read.
 */
export async function openFolder(folder: string): Promise<ImageSource> {
  const root = folder.replace(/\/+$/, "") || "/";
  const location = await Deno.realPath(root);
  const { images, leftOut } = await listFiles(root, location);
  const paths = images.sort(compareCodePoints);
  const known = new Set(paths);
  async function onImage<T>(path: string, work: (file: string) => Promise<T>): Promise<T> {
    if (!known.has(path)) throw new UserError(`The folder ${folder} has no image ${path}: check the split file.`);
    try {
      return await work(`${root}/${path}`);
    } catch (error) {
      throw fileError(error, `${root}/${path}`, "read", "the image");
    }
  }
  return {
    count: paths.length,
    paths,
    leftOut: leftOut.sort(compareCodePoints),
    describe: `${folder} (folder)`,
    location,
    has: (path) => known.has(path),
    size: (path) => onImage(path, async (file) => (await Deno.stat(file)).size),
    read: (path) => onImage(path, (file) => readBytes(file, "the image", MOST_IMAGE_BYTES)),
    stamp(path) {
      const lookedAt = Date.now();
      return onImage(path, async (file) => fileStamp(await Deno.stat(file), lookedAt));
    },
    close: () => Promise.resolve(),
  };
}

/** Each link to a folder with links to folders doubles the ways to what is in it: twenty such are a million. */
const MOST_WAYS = 100;

async function listFiles(root: string, real: string): Promise<{ images: string[]; leftOut: string[] }> {
  const images: string[] = [];
  const leftOut: string[] = [];
  const waiting = [{ below: "", ancestors: [real] }];
  const times = new Map<string, number>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { below, ancestors } = next;
    let isEmpty = below !== "";
    for await (const entry of Deno.readDir(`${root}/${below}`)) {
      if (isJunk(entry.name)) continue;
      isEmpty = false;
      const path = below + entry.name;
      // A link that leads nowhere is no folder.
      const isDirectory = (entry.isSymlink ? await infoOf(`${root}/${path}`) : entry)?.isDirectory;
      if (entry.name.includes("\ufffd") && (isDirectory !== false || isImagePath(path))) {
        throw new UserError(`${root}/${path} has a name that is not UTF-8 (\ufffd stands in its place): rename it.`);
      }
      if (!isDirectory) {
        if (isImagePath(path)) images.push(path);
        else if (isLeftOut(path)) leftOut.push(path);
        continue;
      }
      const real = entry.isSymlink ? await Deno.realPath(`${root}/${path}`) : `${ancestors.at(-1)}/${entry.name}`;
      if (ancestors.includes(real)) continue;
      const seen = (times.get(real) ?? 0) + 1;
      if (seen > MOST_WAYS) {
        throw new UserError(`${root}/${path} is one of over ${MOST_WAYS} ways by links to ${real}: remove such links.`);
      }
      if (ancestors.length > MOST_FOLDERS) {
        throw new UserError(`${root}/${path} lies more than ${MOST_FOLDERS} folders deep: move its images up.`);
      }
      times.set(real, seen);
      waiting.push({ below: `${path}/`, ancestors: [...ancestors, real] });
    }
    if (isEmpty) leftOut.push(below);
  }
  return { images, leftOut };
}
