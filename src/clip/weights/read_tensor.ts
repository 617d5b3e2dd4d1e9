/** From a tensor's place in a file to its numbers as float32. */
import type { HostTensor } from "../../engine/ops.ts";
import { UserError } from "../../errors.ts";
import { DTYPE_BYTES, floatsFrom, isFloat } from "./dtype.ts";
import type { TensorRecipe } from "./names.ts";
import type { RandomAccessFile, StoredTensor } from "./tensor_file.ts";

/**
 * Reads a tensor and puts its parts together.
 *
 * @param name for messages
 * @throws {UserError} when it does not hold floating-point numbers, or the file has changed
 */
export function readTensor(
  file: RandomAccessFile,
  { recipe, name }: { recipe: TensorRecipe; name: string },
): HostTensor {
  const { parts, turned, shape } = recipe;
  const floats = parts.map((part) => readStored(file, { tensor: part, name }));
  if (turned) return { shape, data: turn(floats[0], shape) };
  return { shape, data: floats.length === 1 ? floats[0] : join(floats) };
}

/**
 * Reads one stored tensor, row-major whatever its steps in the file.
 *
 * @param name for messages
 * @throws {UserError} when it does not hold floating-point numbers, or the file has changed
 */
export function readStored(
  file: RandomAccessFile,
  { tensor, name }: { tensor: StoredTensor; name: string },
): Float32Array {
  const { dtype, shape, offset, strides } = tensor;
  if (!isFloat(dtype)) {
    throw new UserError(
      `The tensor "${name}" of ${file.path} is ${dtype}, not F16, BF16, F32 or F64: download the file again.`,
    );
  }
  const count = shape.reduce((product, size) => product * size, 1);
  if (strides === undefined || count === 0) return floatsFrom(file.read(offset, count * DTYPE_BYTES[dtype]), dtype);
  const reach = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 1);
  return gather(floatsFrom(file.read(offset, reach * DTYPE_BYTES[dtype]), dtype), { shape, strides, count });
}

function gather(
  data: Float32Array,
  { shape, strides, count }: { shape: readonly number[]; strides: readonly number[]; count: number },
): Float32Array {
  const out = new Float32Array(count);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < count; i++) {
    out[i] = data[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/** A matrix of this shape whose columns are the rows of `data`. */
function turn(data: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < rows; r++) out[r * columns + c] = data[c * rows + r];
  }
  return out;
}

function join(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
