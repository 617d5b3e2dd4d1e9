/** Which bands a TIFF file holds, by the tags of its first image: what Pillow cannot take for RGB must not be guessed at. */

const TAG = { bits: 258, photometric: 262, samples: 277 };
/** Bytes of a value by its type: 3 is SHORT, 4 is LONG. */
const SIZES: Readonly<Record<number, number>> = { 3: 2, 4: 4 };
const GREY = [0, 1];
const [RGB, PALETTE, CMYK] = [2, 3, 5];

/** Samples a pixel, bits of each, and what they are said to be. */
interface Bands {
  samples: number;
  bits: number;
  photometric: number;
}

/**
 * What is wrong with the bands of a TIFF file, in words that follow its name; undefined when they are grey, RGB, a palette
 * or CMYK, with or without transparency, as Pillow reads them (its `OPEN_INFO`), or when its head cannot be read.
 */
export function bandProblem(bytes: Uint8Array): string | undefined {
  const bands = readBands(bytes);
  if (bands === undefined) return undefined;
  const { samples, bits, photometric } = bands;
  if (samples > 4) {
    const which = samples === 13 ? "; of EuroSAT take EuroSAT_RGB.zip or EuroSAT.zip, and not EuroSAT_MS" : "";
    return `has ${samples} bands: it is multispectral, and this kit reads RGB${which}`;
  }
  const isRead = GREY.includes(photometric)
    ? samples === 1 || (samples === 2 && bits <= 8)
    : photometric === RGB
    ? samples >= 3 && (bits === 8 || bits === 16)
    : photometric === PALETTE
    ? samples <= 2
    : photometric === CMYK
    ? samples === 4
    : true;
  if (isRead) return undefined;
  const are = photometric === RGB ? "and not of 8 or 16" : "that are not said to be red, green and blue";
  return `has ${samples} bands of ${bits} bits ${are}`;
}

function readBands(bytes: Uint8Array): Bands | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const little = view.getUint8(0) === 0x49;
    const isBig = view.getUint16(2, little) === 43;
    const wide = (at: number) => isBig ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
    const first = wide(isBig ? 8 : 4);
    const count = isBig ? wide(first) : view.getUint16(first, little);
    const [head, length, valueAt] = isBig ? [8, 20, 12] : [2, 12, 8];
    const valueOf = (tag: number, usual: number) => {
      for (let i = 0; i < count; i++) {
        const entry = first + head + i * length;
        if (view.getUint16(entry, little) !== tag) continue;
        const size = SIZES[view.getUint16(entry + 2, little)];
        if (size === undefined) return usual;
        const isInside = wide(entry + 4) * size <= length - valueAt;
        const at = isInside ? entry + valueAt : wide(entry + valueAt);
        return size === 2 ? view.getUint16(at, little) : view.getUint32(at, little);
      }
      return usual;
    };
    return { samples: valueOf(TAG.samples, 1), bits: valueOf(TAG.bits, 1), photometric: valueOf(TAG.photometric, 0) };
  } catch (error) {
    // Cut off or made up: decoding says so.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
