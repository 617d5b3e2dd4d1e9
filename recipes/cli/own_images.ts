/** Images that users name on the command line: found, looked at, and decoded one by one, so that a bad one is only named. */
import type { ClipModel } from "../../src/clip/model.ts";
import { patchesOf } from "../../src/data/batches.ts";
import { byteGate } from "../../src/data/byte_gate.ts";
import { readImageHead } from "../../src/data/image.ts";
import { isImagePath, isJunk, isLeftOut, MOST_IMAGE_BYTES } from "../../src/data/paths.ts";
import { fewAtOnce } from "../../src/data/prefetch.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { fileError, infoOf, readBytes } from "../../src/files.ts";

/** What was found at the words of the command line. */
interface Found {
  paths: string[];
  /** What was left out, in sentences. */
  leftOut: string[];
}

/**
 * Images: files, or those in folders.
 *
 * @throws {UserError} when none is named, one is not there, or a folder has none
 */
export async function findImages(words: readonly string[]): Promise<Found> {
  if (words.length === 0) throw new UserError("Name images: files, or folders of them.");
  const found: Found = { paths: [], leftOut: [] };
  for (const word of words) {
    try {
      if (!(await Deno.stat(word)).isDirectory) {
        found.paths.push(word);
        continue;
      }
      const folder = word.replace(/\/+$/, "");
      const inside = (await Array.fromAsync(Deno.readDir(word))).filter(({ name }) => !isJunk(name));
      const images = inside.filter(({ name, isDirectory }) => !isDirectory && isImagePath(name));
      const others = inside.filter(({ name, isDirectory }) => isDirectory || isLeftOut(name)).map(({ name }) => name)
        .sort();
      if (images.length === 0) {
        throw new UserError(`The folder ${word} has no JPEG, PNG, WebP or TIFF image: name images or their folder.`);
      }
      if (others.length > 0) {
        found.leftOut.push(
          `${others.length} files or folders in ${word} are left out, ${
            others[0]
          } the first: JPEG, PNG, WebP and TIFF files ` +
            "in the folder itself are read.",
        );
      }
      found.paths.push(...images.map(({ name }) => `${folder}/${name}`).sort());
    } catch (error) {
      throw fileError(error, word, "read", "the image");
    }
  }
  return found;
}

/** Some images as patches. */
export interface ReadImages {
  /** Those that could be read, in their order. */
  paths: string[];
  /** [B, N, K], of these; undefined where there are none. */
  patches_BNK?: HostTensor;
  /** Those that could not, with the reason. */
  failed: { image: string; reason: string }[];
  /** Those that a camera was turned for, by their EXIF data. */
  turned: string[];
}

/** Reads images under the test transform. */
export async function readImages(
  { config: { image } }: Pick<ClipModel, "config">,
  paths: readonly string[],
  { exif }: { exif: boolean },
): Promise<ReadImages> {
  const patches: (HostTensor | undefined)[] = paths.map(() => undefined);
  const failed: ReadImages["failed"] = [];
  const turned = new Set<string>();
  const reading = byteGate();
  await fewAtOnce(paths, async (path, i) => {
    try {
      await reading((await infoOf(path, "the image"))?.size ?? 0, async () => {
        const bytes = await readBytes(path, "the image", MOST_IMAGE_BYTES);
        if ((await readImageHead(bytes, path)).orientation !== 1) turned.add(path);
        const images = { read: () => Promise.resolve(bytes) };
        patches[i] = await patchesOf([{ path }], { ...image, images, recipe: { kind: "test", exif } });
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failed.push({ image: path, reason: error.message });
    }
  });
  const good = paths.filter((_, i) => patches[i] !== undefined);
  const whole = patches.filter((one) => one !== undefined);
  return {
    paths: good,
    patches_BNK: whole.length === 0 ? undefined : joined(whole),
    failed: failed.sort((a, b) => paths.indexOf(a.image) - paths.indexOf(b.image)),
    turned: good.filter((path) => turned.has(path)),
  };
}

/** Tensors of one image each as a tensor of all. */
function joined(tensors: readonly HostTensor[]): HostTensor {
  const [{ shape: [, ...rest], data: { length } }] = tensors;
  const data = new Float32Array(tensors.length * length);
  tensors.forEach((tensor, i) => data.set(tensor.data, i * length));
  return { shape: [tensors.length, ...rest], data };
}
