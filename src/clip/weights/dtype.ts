/** Number formats of tensors in files, under the names that safetensors gives them, and their way to float32. */
import { count } from "../../engine/host_tensor.ts";

/** Bytes of one number. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const satisfies Record<string, number>;

/** A number format. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** How many bytes the numbers of a row-major tensor take. */
export const byteLength = ({ dtype, shape }: { dtype: Dtype; shape: readonly number[] }): number =>
  DTYPE_BYTES[dtype] * count(shape);

/** Formats that hold weights. */
export type FloatDtype = "F64" | "F32" | "F16" | "BF16";

/** Whether numbers of this format become float32 by {@linkcode floatsFrom}. */
export const isFloat = (dtype: Dtype): dtype is FloatDtype =>
  dtype === "F32" || dtype === "F16" || dtype === "BF16" || dtype === "F64";

let halves: Float32Array | undefined;

/** The value of every half-precision number by its bits: a look-up is faster than any conversion. */
function halfTable(): Float32Array {
  return halves ??= new Float32Array(new Float16Array(Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits).buffer));
}

/** Little-endian numbers of a file as float32: a view of float32 at a multiple of four bytes, otherwise a copy. */
export function floatsFrom(bytes: Uint8Array, dtype: FloatDtype): Float32Array {
  const size = DTYPE_BYTES[dtype];
  const count = bytes.length / size;
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  if (dtype === "F32") return new Float32Array(buffer, byteOffset, count);
  if (dtype === "F64") return new Float32Array(new Float64Array(buffer, byteOffset, count));
  const bits = new Uint16Array(buffer, byteOffset, count);
  return dtype === "F16" ? fromHalves(bits) : fromBrainFloats(bits);
}

function fromHalves(bits: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
  return out;
}

/** A bfloat16 is the upper half of a float32. */
function fromBrainFloats(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}

/** Float32 as little-endian numbers of a file; half precision rounds to the nearest, ties to even. */
export function floatsTo(data: Float32Array, dtype: FloatDtype): Uint8Array {
  switch (dtype) {
    case "F32":
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    case "F64":
      return new Uint8Array(new Float64Array(data).buffer);
    case "F16":
      return new Uint8Array(new Float16Array(data).buffer);
    case "BF16":
      return new Uint8Array(toBrainFloats(data).buffer);
  }
}

function toBrainFloats(data: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const out = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    // Half of the last place kept, and one bit more when that place is odd; rounding up must not turn a NaN into a number.
    const rounded = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
    out[i] = Number.isNaN(data[i]) ? 0x7fc0 : rounded;
  }
  return out;
}
