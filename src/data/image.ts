/**
 * Images as Pillow's `Image.open(…).convert("RGB")` gives them, equal in every pixel: JPEG, PNG, WebP and TIFF.
 *
 * sharp (libvips) decodes; what it would do differently from Pillow is switched off or done here: colour profiles are
 * ignored, alpha is dropped and not blended, CMYK is turned to RGB by Pillow's plain formula, 16-bit grey is cut at 255.
 */
import { loadSharp } from "../deps.ts";
import { messageOf, UserError } from "../errors.ts";
import { byteGate } from "./byte_gate.ts";
import type { RgbImage } from "./resize.ts";
import { bandProblem } from "./tiff_bands.ts";

/** Pillow stops here too. */
const MOST_PIXELS = 178_956_970;
/** An image of this many bytes in memory is fine however small its file is. */
const SMALL_ENOUGH = 64 << 20;
/** Valid files of these kinds expand at most as far as deflate can, about 1032 times. */
const MOST_GROWTH = 1100;

type Sharp = Awaited<ReturnType<typeof loadSharp>>;
type Metadata = Awaited<ReturnType<ReturnType<Sharp>["metadata"]>>;

/** How an image file is decoded. */
interface DecodeOptions {
  /** Whether the orientation that a camera noted in EXIF is applied, which the published code does not do. */
  exif?: boolean;
}

/**
 * Decodes an image file to RGB, 8 bits a channel; `name` is what to call it in messages.
 *
 * An orientation in EXIF is not applied unless asked for. One in a TIFF is, because Pillow does.
 *
 * @throws {UserError} When it is of another kind, has other bands, is damaged, cut off, or implausibly large.
 */
export function decodeRgb(bytes: Uint8Array, name: string, options: DecodeOptions = {}): Promise<RgbImage> {
  return withRgb({ bytes, name, ...options }, (image) => image);
}

const decoding = byteGate();

/**
 * {@linkcode decodeRgb} for a use after which the image is let go: no more are decoded at a time than memory is meant to
 * hold.
 */
export async function withRgb<T>(
  { bytes, name, exif }: { bytes: Uint8Array; name: string } & DecodeOptions,
  use: (image: RgbImage) => T,
): Promise<T> {
  return await onImage(
    { bytes, name },
    (image) => decoding(3 * image.metadata.width * image.metadata.height, async () => use(await rgbOf(image, exif))),
  );
}

async function rgbOf({ open, metadata, kind }: OpenImage, exif?: boolean): Promise<RgbImage> {
  const image = kind === "tiff" || exif ? open().autoOrient() : open();
  if (metadata.space === "cmyk") return await decodeCmyk(image);
  if (metadata.space === "grey16" && metadata.channels === 1) return await decodeGrey16(image);
  const { data, info } = await image.removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: info.channels === 3 ? data : repeatChannel(data) };
}

/** An image whose head is fine. */
interface OpenImage {
  open: () => ReturnType<Sharp>;
  metadata: Metadata;
  kind: string;
}

/**
 * Looks at the head of an image file, without decoding it; gives the orientation that EXIF notes, 1 when it is upright.
 *
 * @throws {UserError} As {@linkcode decodeRgb}, but for damage that only decoding finds.
 */
export async function readImageHead(bytes: Uint8Array, name: string): Promise<{ orientation: number }> {
  return await onImage({ bytes, name }, ({ metadata, kind }) =>
    // One in a TIFF is applied anyway.
    Promise.resolve({ orientation: kind === "tiff" ? 1 : metadata.orientation ?? 1 }));
}

/** Opens an image whose head is fine; what fails then is told with its name. */
async function onImage<T>(
  { bytes, name }: { bytes: Uint8Array; name: string },
  work: (image: OpenImage) => Promise<T>,
): Promise<T> {
  const kind = imageKind(bytes);
  if (kind === undefined) {
    throw new UserError(
      `The image ${name} is not a JPEG, PNG, WebP or TIFF file: convert it or take it out of the data.`,
    );
  }
  const problem = kind === "tiff" ? bandProblem(bytes) : undefined;
  if (problem) throw new UserError(`The image ${name} ${problem}: convert it to RGB or take it out of the data.`);
  const sharp = await loadSharp();
  const open = () => sharp(bytes, { failOn: "error", ignoreIcc: true, limitInputPixels: MOST_PIXELS });
  try {
    const metadata = await open().metadata();
    checkSize(metadata, { bytes, name });
    return await work({ open, metadata, kind });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = messageOf(error).split("\n")[0].trim().replace(/\.$/, "");
    throw new UserError(
      `The image ${name} does not decode (${reason}): restore the file or take it out of the data.`,
      { cause: error },
    );
  }
}

/** The kind of an image file by its first bytes; undefined when it is none that is decoded here. */
export function imageKind(bytes: Uint8Array): "jpeg" | "png" | "webp" | "tiff" | undefined {
  const text = (begin: number, end: number) => String.fromCharCode(...bytes.subarray(begin, end));
  if (text(0, 3) === "\xff\xd8\xff") return "jpeg";
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return "png";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "webp";
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(text(0, 4))) return "tiff";
  return undefined;
}

function checkSize(metadata: Metadata, file: { bytes: Uint8Array; name: string }): void {
  const { width, height } = metadata;
  if (width * height * 3 <= Math.max(SMALL_ENOUGH, MOST_GROWTH * file.bytes.length)) return;
  throw new UserError(
    `The image ${file.name} says that it is ${width}×${height} but has only ${file.bytes.length} bytes: it is damaged or made to do harm; take it out of the data.`,
  );
}

async function decodeCmyk(image: ReturnType<Sharp>): Promise<RgbImage> {
  const { data, info } = await image.pipelineColourspace("cmyk").toColourspace("cmyk").raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels < 4) throw new Error(`${info.channels} channels instead of 4`);
  const rgb = new Uint8Array(info.width * info.height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += info.channels, to += 3) {
    const white = 255 - data[from + 3];
    for (let c = 0; c < 3; c++) rgb[to + c] = Math.max(0, white - multiplyBytes(data[from + c], white));
  }
  return { width: info.width, height: info.height, data: rgb };
}

/** `a · b / 255`, rounded as Pillow's `MULDIV255` does. */
function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

async function decodeGrey16(image: ReturnType<Sharp>): Promise<RgbImage> {
  const { data, info } = await image.toColourspace("grey16").raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  const values = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const grey = new Uint8Array(info.width * info.height);
  for (let i = 0; i < grey.length; i++) grey[i] = Math.min(255, values.getUint16(2 * i * info.channels, true));
  return { width: info.width, height: info.height, data: repeatChannel(grey) };
}

function repeatChannel(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i], 3 * i, 3 * i + 3);
  return rgb;
}
