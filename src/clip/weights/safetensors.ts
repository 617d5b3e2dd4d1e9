/**
 * The safetensors format: eight bytes with the header's length, a JSON header, the numbers. A header is not
 * trusted: it is checked against the file before memory is allocated for it.
 */
import { messageOf, UserError } from "../../errors.ts";
import { count } from "../../engine/host_tensor.ts";
import { byteLength, type Dtype, DTYPE_BYTES, floatsFrom, floatsTo, isFloat } from "./dtype.ts";
import { isCounts, type RandomAccessFile, type StoredTensor } from "./tensor_file.ts";

/** A tensor in a file that was read whole. */
export interface SafetensorEntry {
  dtype: Dtype;
  /** Sizes of the axes; `[]` for a scalar. */
  shape: readonly number[];
  /** The numbers, little-endian; a view of the file's bytes. */
  bytes: Uint8Array;
}

/** A tensor to be written: numbers as bytes of the file, or float32 to be rounded to `dtype`. */
export interface WritableTensor {
  dtype: Dtype;
  shape: readonly number[];
  data: Uint8Array | Float32Array;
}

/** Bytes before the header. */
const LENGTH_BYTES = 8;

/** The format's own limit. */
const MOST_HEADER_BYTES = 100_000_000;

/** Those without numbers take a few bytes of header and much time each; the largest models have thousands. */
const MOST_TENSORS = 100_000;
/** In the header, for a tensor: after its name and its three keys. */
const COLONS = 4;

const METADATA = "__metadata__";

/**
 * Reads a whole file of tensors; entries are views of it. Throws {@linkcode UserError} when the bytes are cut off, do
 * not add up, or were never safetensors.
 */
export function readSafetensors(
  bytes: Uint8Array,
  where: string,
): { entries: Map<string, SafetensorEntry>; metadata: Record<string, string> } {
  const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const { places, metadata } = readHeader({ path: where, size: bytes.length, read });
  const entries = new Map<string, SafetensorEntry>();
  for (const [name, place] of places) {
    entries.set(name, { dtype: place.dtype, shape: place.shape, bytes: read(place.offset, byteLength(place)) });
  }
  return { entries, metadata };
}

/**
 * A tensor's numbers as float32, exact but for F64: a view of F32 at a multiple of four bytes, otherwise a copy. Throws
 * {@linkcode UserError} when they are not floating-point numbers.
 */
export function toFloat32(entry: Pick<SafetensorEntry, "dtype" | "bytes">): Float32Array {
  if (isFloat(entry.dtype)) return floatsFrom(entry.bytes, entry.dtype);
  throw new UserError(`A tensor of ${entry.dtype} stands where one of F16, BF16, F32 or F64 belongs: check the file.`);
}

/**
 * Reads the header of a file. Throws {@linkcode UserError} unless tensors follow one another without gap or overlap to
 * the file's end.
 */
export function readHeader(
  file: RandomAccessFile,
): { places: Map<string, StoredTensor>; metadata: Record<string, string> } {
  const { path: where, size: end } = file;
  if (end < LENGTH_BYTES) throw broken(where, `it has ${end} bytes, fewer than any safetensors file`);
  const start = file.read(0, LENGTH_BYTES);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(MOST_HEADER_BYTES, end - LENGTH_BYTES))) {
    throw broken(where, `its header would have ${length} bytes, and the file has ${end}`);
  }
  const { [METADATA]: metadata = {}, ...described } = parseObject(file.read(LENGTH_BYTES, Number(length)), where);
  const begin = LENGTH_BYTES + Number(length);
  const places = new Map(
    Object.entries(described).map(([name, value]) => [name, readPlace(value, { begin, end, where, name })]),
  );
  let next = begin;
  const inOrder = [...places].sort(([, a], [, b]) => a.offset - b.offset || byteLength(a) - byteLength(b));
  for (const [name, place] of inOrder) {
    if (place.offset !== next) {
      throw broken(where, `tensor ${quote(name)} begins at byte ${place.offset} and the one before it ends at ${next}`);
    }
    next += byteLength(place);
  }
  if (next !== end) throw broken(where, `its tensors end at byte ${next} and the file at ${end}`);
  return { places, metadata: checkedMetadata(metadata, where) };
}

function parseObject(header: Uint8Array, where: string): Record<string, unknown> {
  let text: string;
  let colons: number;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(header);
    colons = colonsOf(text);
    if (colons <= COLONS * MOST_TENSORS) parsed = JSON.parse(text);
  } catch (error) {
    throw broken(where, `its header is not JSON, ${messageOf(error)}`);
  }
  if (colons > COLONS * MOST_TENSORS) throw broken(where, `its header describes over ${MOST_TENSORS} tensors`);
  if (!isObject(parsed)) throw broken(where, "its header is not a JSON object");
  // JSON.parse keeps the last of two equal keys; then there are more colons than keys.
  const keys = Object.values(parsed).reduce<number>(
    (sum, value) => sum + (isObject(value) ? Object.keys(value).length : 0),
    Object.keys(parsed).length,
  );
  if (colons !== keys) throw broken(where, "its header names something twice");
  return parsed;
}

/** How many colons JSON has outside of its strings. A regular expression overflows on a string of megabytes. */
function colonsOf(json: string): number {
  let colons = 0;
  let inside = false;
  for (let i = 0; i < json.length; i++) {
    if (inside && json[i] === "\\") i++;
    else if (json[i] === '"') inside = !inside;
    else if (!inside && json[i] === ":") colons++;
  }
  return colons;
}

function checkedMetadata(value: unknown, where: string): Record<string, string> {
  if (!isObject(value)) throw broken(where, `"${METADATA}" is not an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw broken(where, `${quote(key)} of "${METADATA}" is not text`);
  }
  return value as Record<string, string>;
}

function readPlace(
  value: unknown,
  { begin, end, where, name }: { begin: number; end: number; where: string; name: string },
): StoredTensor {
  const wrong = (why: string) => broken(where, `tensor ${quote(name)} ${why}`);
  if (!isObject(value)) throw wrong("is not described by an object");
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  if (Object.keys(others).length > 0) throw wrong(`has an unknown ${quote(Object.keys(others)[0])}`);
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    if (typeof dtype === "string" && /^F[468]_/.test(dtype)) {
      throw new UserError(
        `${where} holds numbers of fewer bits than this kit reads (tensor ${quote(name)} is ${
          quote(dtype)
        }): convert them ` +
          "to half precision, or take the model's file in fp16 or fp32.",
      );
    }
    throw wrong(`is of the unknown number format ${quote(dtype)}`);
  }
  if (!isCounts(shape) || shape.length > 32) throw wrong(`has the impossible shape ${quote(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) throw wrong(`has the impossible offsets ${quote(offsets)}`);
  const [from, to] = offsets;
  if (from > to || begin + to > end) {
    throw wrong(`lies at bytes ${begin + from} to ${begin + to}, and the file has ${end}`);
  }
  const place = { dtype: dtype as Dtype, shape, offset: begin + from };
  const wanted = byteLength(place);
  if (wanted !== to - from) {
    throw wrong(`has ${to - from} bytes where ${dtype} of shape [${shape.join(", ")}] takes ${wanted}`);
  }
  return place;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value of a hostile file in a message: short, and without control characters. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length <= 100 ? text : `${text.slice(0, 97)}…`;
}

const broken = (where: string, why: string) =>
  new UserError(`${where} is not a whole safetensors file, ${why}: download or make it again.`);

/**
 * Puts tensors into the bytes of a file, the same bytes for the same input. Wider numbers come first, otherwise the
 * order is kept, so that every tensor starts at a multiple of its number's size. Throws {@linkcode Error} when a
 * tensor's numbers are not as many as its shape says, or a name comes twice.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [name: string, tensor: WritableTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const parts = [...tensors].map(([name, tensor]) => ({ name, ...tensor, bytes: bytesOf(name, tensor) }));
  parts.sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`);
  const seen = new Set([METADATA]);
  let end = 0;
  for (const { name, dtype, shape, bytes } of parts) {
    if (seen.has(name)) throw new Error(`Two tensors are called "${name}"`);
    seen.add(name);
    const begin = end;
    end += bytes.length;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES;
  const file = new Uint8Array(LENGTH_BYTES + padded + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(text, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + text.length, LENGTH_BYTES + padded);
  let offset = LENGTH_BYTES + padded;
  for (const { bytes } of parts) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

function bytesOf(name: string, { dtype, shape, data }: WritableTensor): Uint8Array {
  const wanted = count(shape);
  const given = data instanceof Float32Array ? data.length : data.length / DTYPE_BYTES[dtype];
  if (given !== wanted) throw new Error(`Tensor "${name}" has ${given} numbers and its shape asks for ${wanted}`);
  if (!(data instanceof Float32Array)) return data;
  if (!isFloat(dtype)) throw new Error(`Tensor "${name}" is given as float32 and cannot become ${dtype}`);
  return floatsTo(data, dtype);
}
