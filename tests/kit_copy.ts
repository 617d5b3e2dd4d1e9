/** A copy of the kit in a folder of its own, for tests of tasks that write into it. */
import { ROOT } from "./tasks.ts";

const IMAGES = ["sampling_444.jpg", "sampling_422.jpg", "sampling_420.jpg", "keep_rgb.jpg", "grey.jpg"];

/** The classes of the images in `data/tiny`. */
export const TINY_CLASSES = ["Field", "Forest", "Lake", "River"];

/** Flags of a run on `data/tiny` of a second or two. */
export const ON_TINY = ["--data", "data/tiny", "--shots", "2", "--quiet"];

/** Copies what a clone has, and adds ten images for each of four classes; the caller removes it. */
export async function copyOfKit(): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  for (const name of ["src", "recipes", "data", "tests/stand_ins", "mod.ts", "deno.json", "deno.lock"]) {
    await copy(`${ROOT}${name}`, `${folder}/${name}`);
  }
  for (const name of TINY_CLASSES) {
    for (const image of IMAGES) {
      await copy(`${ROOT}tests/fixtures/images/${image}`, `${folder}/data/tiny/${name}/${image}`);
      await copy(`${ROOT}tests/fixtures/images/${image}`, `${folder}/data/tiny/${name}/2_${image}`);
    }
  }
  return folder;
}

/** Copies a file or a folder, and makes the folders above it. */
export async function copy(from: string, to: string): Promise<void> {
  if (!(await Deno.stat(from)).isDirectory) {
    await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}
