/**
 * The sha256 of image files, computed once: a run is identified by the bytes of its images, and reading all of them at
 * each start would take too long. A hash is stored with its image's stamp (size, times and inode; in a zip archive also
 * the entry's checksum) and is used again only while the image has exactly that stamp. Hashes of images that changed
 * less than 2 seconds before are not stored, because a further change could leave the stamp as it is.
 *
 * The store is one text file for each source of images, named by the sha256 of the source's location:
 *
 * | line | what |
 * |---|---|
 * | 1 | `clip-image-hashes 2` and the sha256 of all bytes after this line |
 * | 2 | the location, as JSON |
 * | others | sha256, stamp and path (as JSON) of an image, with tabs between |
 *
 * A file that does not match its checksum or names another location is ignored and replaced. What other processes have
 * stored meanwhile is kept; when two write at the same moment the last one wins, and lost hashes are computed again.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readIfThere, removeStalePartials, sha256Hex, writeFileAtomic } from "../files.ts";
import { byteGate } from "./byte_gate.ts";
import type { ImageSource } from "./image_source.ts";
import type { ImageStamp } from "./source_stamp.ts";

interface ImageHashOptions {
  /** Folder of the stores, made when missing: `.cache/hashes`, beside the features and not among them. */
  folder: string;
  /** The images; they must stay open. */
  images: Pick<ImageSource, "location" | "has" | "stamp" | "size" | "read">;
  /** Looks at the bytes of each image that is read, and throws where they are of no use; what is stored was looked at. */
  check?(bytes: Uint8Array, path: string): Promise<unknown>;
  /** Called while images are read, with the paths that are done of those asked for; never when all are stored. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/**
 * Hashes of images, in lower-case hexadecimal; from {@linkcode openImageHashes}. All throw {@linkcode UserError} when
 * an image is missing or cannot be read, or the store cannot be written.
 */
interface ImageHashes {
  /** The sha256 of each image's bytes, in the order of the paths. */
  hashesOf(paths: readonly string[]): Promise<string[]>;
  /** The sha256 of the lines `path TAB sha256 LF`, in the order of the paths: names, order and bytes all count. */
  imagesSha256(paths: readonly string[]): Promise<string>;
}

const FORMAT = "clip-image-hashes 2";
/** Images that are in memory at once. */
const AT_ONCE = 16;
/** The most work that is lost when the process is killed. */
const SAVE_EVERY_MS = 30_000;

interface StoredHash {
  stamp: string;
  sha256: string;
}

/**
 * Opens the stored hashes of a source of images. There is nothing to close.
 *
 * @throws {UserError} When the store may not be read; a damaged one is ignored.
 */
export async function openImageHashes(options: ImageHashOptions): Promise<ImageHashes> {
  const { folder, images, check, onProgress } = options;
  const file = join(folder, `${await sha256Hex(new TextEncoder().encode(images.location))}.tsv`);
  const stored = await readStore(file, images);
  const reading = byteGate();
  let unsaved = false;

  async function save(): Promise<void> {
    unsaved = false;
    await removeStalePartials(folder);
    for (const [path, hash] of await readStore(file, images)) if (!stored.has(path)) stored.set(path, hash);
    await writeFileAtomic(file, await storeText(images.location, stored));
  }

  /** The hash of an image, with the stamp where it had to be computed. */
  async function lookUp(path: string): Promise<{ path: string; sha256: string; computedAt?: ImageStamp }> {
    // Taken before the bytes are read: if they change in between, the stored stamp no longer matches.
    const stamp = await images.stamp(path);
    const known = stored.get(path);
    if (known?.stamp === stamp.text) return { path, sha256: known.sha256 };
    return await reading(await images.size?.(path) ?? 0, async () => {
      const bytes = await images.read(path);
      await check?.(bytes, path);
      return { path, sha256: await sha256Hex(bytes), computedAt: stamp };
    });
  }

  async function hashesOf(paths: readonly string[]): Promise<string[]> {
    const hashes: string[] = [];
    let read = false;
    let saved = performance.now();
    while (hashes.length < paths.length) {
      const found = await Promise.all(paths.slice(hashes.length, hashes.length + AT_ONCE).map(lookUp));
      for (const { path, sha256, computedAt } of found) {
        hashes.push(sha256);
        read ||= computedAt !== undefined;
        if (!computedAt?.settled) continue;
        stored.set(path, { stamp: computedAt.text, sha256 });
        unsaved = true;
      }
      if (read) onProgress?.({ done: hashes.length, total: paths.length });
      if (unsaved && (hashes.length === paths.length || performance.now() - saved > SAVE_EVERY_MS)) {
        await save();
        saved = performance.now();
      }
    }
    return hashes;
  }

  return {
    hashesOf,
    async imagesSha256(paths) {
      const hashes = await hashesOf(paths);
      const hash = createHash("sha256");
      paths.forEach((path, i) => hash.update(`${path}\t${hashes[i]}\n`));
      return hash.digest("hex");
    },
  };
}

/** The stored hashes of images that still exist; empty when the file is missing, damaged or of another source. */
async function readStore(
  file: string,
  images: Pick<ImageSource, "location" | "has">,
): Promise<Map<string, StoredHash>> {
  const stored = new Map<string, StoredHash>();
  const bytes = await readIfThere(file, "the stored hashes");
  if (bytes === undefined) return stored;
  const headEnd = bytes.indexOf(10) + 1;
  const body = bytes.subarray(headEnd);
  const decoder = new TextDecoder();
  if (decoder.decode(bytes.subarray(0, headEnd)) !== await headLine(body)) return stored;
  const [location, ...lines] = decoder.decode(body).trimEnd().split("\n");
  if (location !== JSON.stringify(images.location)) return stored;
  for (const line of lines) {
    const [sha256, stamp, json] = line.split("\t");
    const path: string = JSON.parse(json);
    if (images.has(path)) stored.set(path, { stamp, sha256 });
  }
  return stored;
}

async function storeText(location: string, stored: ReadonlyMap<string, StoredHash>): Promise<string> {
  const lines = [JSON.stringify(location)];
  for (const [path, { stamp, sha256 }] of stored) lines.push(`${sha256}\t${stamp}\t${JSON.stringify(path)}`);
  const body = `${lines.join("\n")}\n`;
  return await headLine(new TextEncoder().encode(body)) + body;
}

async function headLine(body: Uint8Array): Promise<string> {
  return `${FORMAT} ${await sha256Hex(body)}\n`;
}
