/**
 * Tensors in ordinary memory: their sizes, their rows, and matrices turned.
 */
import type { HostTensor } from "./ops.ts";

/** How many numbers a tensor of this shape has. */
export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Rows `from` … `to − 1` along the first axis; a view. */
export function rowRange({ shape, data }: HostTensor, from: number, to: number): HostTensor {
  const stride = data.length / shape[0];
  return { shape: [to - from, ...shape.slice(1)], data: data.subarray(from * stride, to * stride) };
}

/** Copies of some rows, by the first axis. */
export function rowsAt({ shape, data }: HostTensor, rows: readonly number[]): HostTensor {
  const size = data.length / shape[0];
  const out = new Float32Array(rows.length * size);
  rows.forEach((row, i) => out.set(data.subarray(row * size, (row + 1) * size), i * size));
  return { shape: [rows.length, ...shape.slice(1)], data: out };
}

/** Tensors one below the other along the first axis. */
export function stackedRows(parts: readonly HostTensor[]): HostTensor {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let rows = 0;
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
    rows += part.shape[0];
  }
  return { shape: [rows, ...parts[0].shape.slice(1)], data };
}

/** A matrix whose rows are the columns of another one. */
export function transposed({ shape: [rows, columns], data }: HostTensor): HostTensor {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c];
  return { shape: [columns, rows], data: out };
}
