/**
 * The images that ship with the kit, `data/sample/images.zip`: so many of EuroSAT's that methods inside the image tower
 * train and are evaluated on a fresh clone. `recipes/sample.ts` makes the file, the same bytes each time.
 */
import { crc32 } from "node:zlib";
import type { SampleFeatures } from "./sample_features.ts";

/** Test images of each class: the first in the order of the published split. */
const TEST_IMAGES = 100;

/** The paths of the images, sorted: the few-shot images of every stored seed, and the first test images of each class. */
export function sampleImagePaths({ source, split }: Pick<SampleFeatures, "source" | "split">): string[] {
  const splits = source.seeds.map(split);
  const test = Map.groupBy(splits[0].test, ({ label }) => label).values();
  const samples = [
    ...splits.flatMap(({ train, val }) => [...train, ...val]),
    ...[...test].flatMap((ofClass) => ofClass.slice(0, TEST_IMAGES)),
  ];
  return [...new Set(samples.map(({ path }) => path))].sort();
}

/** A file of an archive. */
export interface ArchivedFile {
  path: string;
  bytes: Uint8Array;
}

/** Version 2.0 of the format, its first with folders. */
const NEEDED_VERSION = 20;
/** The same, written on Unix. */
const MADE_BY = 3 << 8 | NEEDED_VERSION;
/** 1 January 2018, the year of EuroSAT, as MS-DOS counts days. */
const DAY = (2018 - 1980) << 9 | 1 << 5 | 1;
/** A file that its owner may write and all may read. */
const MODE = 0o644 << 16 >>> 0;

/** A zip archive of uncompressed files, all of one day: nothing in it depends on when or where it is written. */
export function storedZip(files: readonly ArchivedFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let offset = 0;
  for (const { path, bytes } of files) {
    const name = new TextEncoder().encode(path);
    // Flags, method, time, day, checksum, both sizes, length of the name, no extra field.
    const about: Field[] = [
      [2, 0],
      [2, 0],
      [2, 0],
      [2, DAY],
      [4, crc32(bytes)],
      [4, bytes.length],
      [4, bytes.length],
      [2, name.length],
      [2, 0],
    ];
    const local = record("PK\x03\x04", [[2, NEEDED_VERSION], ...about]);
    parts.push(local, name, bytes);
    // No comment, first disk, no internal attributes.
    const rest: Field[] = [[2, 0], [2, 0], [2, 0], [4, MODE], [4, offset]];
    entries.push(record("PK\x01\x02", [[2, MADE_BY], [2, NEEDED_VERSION], ...about, ...rest]), name);
    offset += local.length + name.length + bytes.length;
  }
  const size = entries.reduce((sum, { length }) => sum + length, 0);
  const count = files.length;
  const end = record("PK\x05\x06", [[2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]]);
  return joined([...parts, ...entries, end]);
}

/** A little-endian number of so many bytes. */
type Field = readonly [bytes: 2 | 4, value: number];

function record(mark: string, fields: readonly Field[]): Uint8Array {
  const out = new Uint8Array(4 + fields.reduce((sum, [bytes]) => sum + bytes, 0));
  const view = new DataView(out.buffer);
  out.set(new TextEncoder().encode(mark));
  let at = 4;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return out;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
