/**
 * Products of matrices, to the bit those of ml-matrix's `mmul`, in a small part of its time: that is where methods on features
 * spend theirs.
 */
import { Matrix } from "../deps.ts";
import { productKernel, TILE } from "./product_kernel.ts";

/** Rows and columns of the result that are computed at once, whole tiles, and products that a sum takes before all others have their turn. */
const ROWS = 64 * TILE.rows;
const COLUMNS = 256 * TILE.columns;
const DEPTH = 256;

/** Where in the kernel's memory the parts of A, B and the result are, in numbers. */
const LEFT = 0;
const RIGHT = LEFT + ROWS * DEPTH;
const RESULT = RIGHT + COLUMNS * DEPTH;

/** Made when first needed. */
let made: ReturnType<typeof productKernel> | undefined;

/**
 * `A·B`, or with one of them transposed, which saves a copy: `Aᵀ·B` or `A·Bᵀ`. Each number is the sum of its products in their
 * order.
 */
export function product(a: Matrix, b: Matrix, { transposed }: { transposed?: "left" | "right" } = {}): Matrix {
  const [M, K] = transposed === "left" ? [a.columns, a.rows] : [a.rows, a.columns];
  const [N, inner] = transposed === "right" ? [b.rows, b.columns] : [b.columns, b.rows];
  if (inner !== K) throw new Error(`A product of ${K} columns with ${inner} rows`);
  const { memory, addProducts } = made ??= productKernel(RESULT + ROWS * COLUMNS);
  const out = Matrix.zeros(M, N);
  for (let i = 0; i < M; i += ROWS) {
    const rows = Math.min(ROWS, M - i);
    for (let j = 0; j < N; j += COLUMNS) {
      const columns = Math.min(COLUMNS, N - j);
      const stride = TILE.columns * Math.ceil(columns / TILE.columns);
      memory.fill(0, RESULT, RESULT + TILE.rows * Math.ceil(rows / TILE.rows) * stride);
      for (let k = 0; k < K; k += DEPTH) {
        const depth = Math.min(DEPTH, K - k);
        const part = { first: k, depth };
        copyStrips(memory, a, {
          ...part,
          to: LEFT,
          from: i,
          count: rows,
          width: TILE.rows,
          down: transposed === "left",
        });
        copyStrips(memory, b, {
          ...part,
          to: RIGHT,
          from: j,
          count: columns,
          width: TILE.columns,
          down: transposed !== "right",
        });
        for (let c = 0; c < columns; c += TILE.columns) {
          for (let r = 0; r < rows; r += TILE.rows) {
            const result = RESULT + r * stride + c;
            addProducts(8 * (LEFT + r * depth), 8 * (RIGHT + c * depth), 8 * result, 8 * stride, depth);
          }
        }
      }
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) out.set(i + r, j + c, memory[RESULT + r * stride + c]);
      }
    }
  }
  return out;
}

/**
 * Copies `count` rows of a matrix, or columns (`down`), in strips of `width`: of each strip the numbers of its rows beside one
 * another, `depth` times. What a last strip is wider than that is whatever was there: its part of the result is not read.
 */
function copyStrips(
  memory: Float64Array,
  matrix: Matrix,
  at: { to: number; from: number; count: number; width: number; first: number; depth: number; down: boolean },
): void {
  const { to, from, count, width, first, depth, down } = at;
  for (let strip = 0; strip < count; strip += width) {
    const start = to + strip * depth;
    const there = Math.min(width, count - strip);
    if (down) {
      for (let k = 0; k < depth; k++) {
        for (let w = 0; w < there; w++) memory[start + k * width + w] = matrix.get(first + k, from + strip + w);
      }
    } else {
      for (let w = 0; w < there; w++) {
        for (let k = 0; k < depth; k++) memory[start + k * width + w] = matrix.get(from + strip + w, first + k);
      }
    }
  }
}
