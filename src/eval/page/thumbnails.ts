/** Small pictures for pages, in a format that every browser shows. */
import { loadSharp } from "../../deps.ts";
import { imageAddress } from "./elements.ts";

/** What pictures are read from; an `ImageSource` is one. */
export interface ImageReader {
  /** Whether there is an image of this path. */
  has(path: string): boolean;
  /** The bytes of an image file. */
  read(path: string): Promise<Uint8Array>;
}

/** Longest side of a picture, in pixels: sharp on a phone's screen. */
const SIDE = 240;

/** A file of this size goes into the page as it is. */
const SMALL_ENOUGH = 16 << 10;

/** Reads pictures. What is missing or does not decode is left out: a page is not worth failing a run for. */
export async function readThumbnails(paths: readonly string[], images: ImageReader): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const path of new Set(paths)) {
    if (!images.has(path)) continue;
    const bytes = await images.read(path).then(thumbnail).catch(() => undefined);
    if (bytes !== undefined) found.set(path, bytes);
  }
  return found;
}

async function thumbnail(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.length <= SMALL_ENOUGH && imageAddress(bytes) !== undefined) return bytes;
  const sharp = await loadSharp();
  return await sharp(bytes).rotate().resize(SIDE, SIDE, { fit: "outside", withoutEnlargement: true }).jpeg({
    quality: 80,
  }).toBuffer();
}
