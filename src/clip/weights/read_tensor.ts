/** From a tensor's place in a file to its numbers as float32. */
import { count, stackedRows, transposed } from "../../engine/host_tensor.ts";
import type { HostTensor } from "../../engine/ops.ts";
import { UserError } from "../../errors.ts";
import { DTYPE_BYTES, floatsFrom, isFloat } from "./dtype.ts";
import type { TensorRecipe } from "./names.ts";
import type { RandomAccessFile, StoredTensor } from "./tensor_file.ts";

/** Reads a tensor and puts its parts together; {@linkcode UserError} as of {@linkcode readStored}. */
export function readTensor(
  file: RandomAccessFile,
  { recipe, name }: { recipe: TensorRecipe; name: string },
): HostTensor {
  const parts = recipe.parts.map((part) => ({ shape: part.shape, data: readStored(file, { tensor: part, name }) }));
  if (recipe.turned) return transposed(parts[0]);
  return parts.length === 1 ? { shape: recipe.shape, data: parts[0].data } : stackedRows(parts);
}

/**
 * Reads one stored tensor, row-major whatever its steps in the file. Throws {@linkcode UserError} when it does not hold
 * floating-point numbers, or the file has changed.
 */
export function readStored(
  file: RandomAccessFile,
  { tensor, name }: { tensor: StoredTensor; name: string },
): Float32Array {
  const { dtype, shape, offset, strides } = tensor;
  if (!isFloat(dtype)) {
    throw new UserError(
      `The tensor "${name}" of ${file.path} is ${dtype}, not F16, BF16, F32 or F64: save the model in one of these.`,
    );
  }
  const numbers = count(shape);
  if (strides === undefined || numbers === 0) return floatsFrom(file.read(offset, numbers * DTYPE_BYTES[dtype]), dtype);
  const reach = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 1);
  const data = floatsFrom(file.read(offset, reach * DTYPE_BYTES[dtype]), dtype);
  const out = new Float32Array(numbers);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < numbers; i++) {
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
