import { UserError } from "../errors.ts";
import { fileError } from "../files.ts";
import { compareCodePoints } from "./code_points.ts";
import { isImagePath } from "./paths.ts";
import type { ImageSource } from "./source.ts";

/**
 * The images of a folder and the folders in it. Symbolic links are followed, for they are the user's own; hidden files
 * and folders are left out.
 *
 * @throws {UserError} When the folder is missing or may not be read.
 */
export async function openFolder(folder: string): Promise<ImageSource> {
  const root = folder.replace(/\/+$/, "") || "/";
  const paths = (await listImages(root)).sort(compareCodePoints);
  const known = new Set(paths);
  return {
    count: paths.length,
    paths,
    describe: `${folder} (folder)`,
    has: (path) => known.has(path),
    async read(path) {
      if (!known.has(path)) throw new UserError(`The folder ${folder} has no image ${path}: check the split file.`);
      try {
        return await Deno.readFile(`${root}/${path}`);
      } catch (error) {
        throw fileError(error, `${root}/${path}`, "read", "the image");
      }
    },
    close: () => Promise.resolve(),
  };
}

async function listImages(root: string): Promise<string[]> {
  const found: string[] = [];
  const waiting = [{ below: "", ancestors: [await Deno.realPath(root)] }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { below, ancestors } = next;
    for await (const entry of Deno.readDir(`${root}/${below}`)) {
      if (entry.name.startsWith(".")) continue;
      const path = below + entry.name;
      const isDirectory = entry.isSymlink ? await leadsToFolder(`${root}/${path}`) : entry.isDirectory;
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

async function leadsToFolder(link: string): Promise<boolean> {
  try {
    return (await Deno.stat(link)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
