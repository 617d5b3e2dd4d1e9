/** Small TIFF files of any bands, as GDAL and rasterio write them. */

/** What a file holds. */
export interface TiffKind {
  samples: number;
  bits: number;
  photometric: number;
  /** BigTIFF. */
  big?: boolean;
  /** The order of bytes; little end first when left out. */
  little?: boolean;
}

/** A file of 4×4 pixels, all bytes of which are 7. */
export function tiffOf({ samples, bits, photometric, big = false, little = true }: TiffKind): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(Math.ceil(16 * samples * bits / 8)).fill(7);
  const [head, wide, entry] = big ? [16, 8, 20] : [8, 4, 12];
  const tags: [tag: number, type: number, values: number[]][] = [
    [256, 3, [4]],
    [257, 3, [4]],
    [258, 3, Array(samples).fill(bits)],
    [259, 3, [1]],
    [262, 3, [photometric]],
    [273, 4, [0]],
    [277, 3, [samples]],
    [278, 3, [4]],
    [279, 4, [pixels.length]],
    [284, 3, [1]],
  ];
  const directory = (big ? 8 : 2) + tags.length * entry + wide;
  const bitsAt = head + directory;
  const dataAt = bitsAt + 2 * samples;
  const view = new DataView(new ArrayBuffer(dataAt + pixels.length));
  const putWide = (at: number, value: number) =>
    big ? view.setBigUint64(at, BigInt(value), little) : view.setUint32(at, value, little);
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, big ? 43 : 42, little);
  if (big) view.setUint16(4, 8, little);
  putWide(big ? 8 : 4, head);
  if (big) view.setBigUint64(head, BigInt(tags.length), little);
  else view.setUint16(head, tags.length, little);
  tags.forEach(([tag, type, values], i) => {
    const at = head + (big ? 8 : 2) + i * entry;
    view.setUint16(at, tag, little);
    view.setUint16(at + 2, type, little);
    putWide(at + 4, values.length);
    const valueAt = at + 4 + wide;
    if (tag === 273) view.setUint32(valueAt, dataAt, little);
    else if (values.length * 2 > wide) {
      putWide(valueAt, bitsAt);
      values.forEach((value, j) => view.setUint16(bitsAt + 2 * j, value, little));
    } else {values.forEach((value, j) =>
        type === 3 ? view.setUint16(valueAt + 2 * j, value, little) : view.setUint32(valueAt, value, little)
      );}
  });
  const bytes = new Uint8Array(view.buffer);
  bytes.set(pixels, dataAt);
  return bytes;
}
