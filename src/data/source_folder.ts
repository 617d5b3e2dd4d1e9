import { UserError } from "../errors.ts";
import { fileError, infoOf } from "../files.ts";
import { compareCodePoints } from "./code_points.ts";
import { isImagePath } from "./paths.ts";
import type { ImageSource } from "./image_source.ts";
import { fileStamp } from "./source_stamp.ts";

/**
 * The images of a folder and the folders in it. Symbolic links are followed, since the user put them there; hidden
 * files and folders are left out.
 *
 * @throws {UserError} When the folder is missing or may not be read.
 */
export async function openFolder(folder: string): Promise<ImageSource> {
  const root = folder.replace(/\/+$/, "") || "/";
  const location = await Deno.realPath(root);
  const paths = (await listImages(root, location)).sort(compareCodePoints);
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
    describe: `${folder} (folder)`,
    location,
    has: (path) => known.has(path),
    read: (path) => onImage(path, (file) => Deno.readFile(file)),
    stamp(path) {
      const lookedAt = Date.now();
      return onImage(path, async (file) => fileStamp(await Deno.stat(file), lookedAt));
    },
    close: () => Promise.resolve(),
  };
}

async function listImages(root: string, real: string): Promise<string[]> {
  const found: string[] = [];
  const waiting = [{ below: "", ancestors: [real] }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { below, ancestors } = next;
    for await (const entry of Deno.readDir(`${root}/${below}`)) {
      if (entry.name.startsWith(".")) continue;
      const path = below + entry.name;
      // A link that leads nowhere is no folder.
      const isDirectory = (entry.isSymlink ? await infoOf(`${root}/${path}`) : entry)?.isDirectory;
      if (!isDirectory) {
        if (isImagePath(path)) found.push(path);
        continue;
      }
      const real = entry.isSymlink ? await Deno.realPath(`${root}/${path}`) : `${ancestors.at(-1)}/${entry.name}`;
      if (!ancestors.includes(real)) waiting.push({ below: `${path}/`, ancestors: [...ancestors, real] });
    }
  }
  return found;
}
