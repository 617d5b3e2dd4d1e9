import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { Matrix } from "../../src/deps.ts";
import { product } from "../../src/methods/product.ts";

/** All numbers so that two are equal where their bits are; NaNs are one. */
const bits = (matrix: Matrix) => matrix.to1DArray().map((x) => Object.is(x, -0) ? "-0" : String(x));

/** Each number the sum of its products in their order, by the definition. */
function byDefinition(a: Matrix, b: Matrix): Matrix {
  const out = Matrix.zeros(a.rows, b.columns);
  for (let r = 0; r < a.rows; r++) {
    for (let c = 0; c < b.columns; c++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) sum += a.get(r, k) * b.get(k, c);
      out.set(r, c, sum);
    }
  }
  return out;
}

// The last three reach beyond the rows, the columns and the depth that are computed at once.
const SHAPES = [[1, 1, 1], [4, 6, 4], [5, 7, 3], [3, 2500, 9], [700, 3, 5], [2, 3, 1100], [270, 300, 1030]];

Deno.test("products have the bits of mmul, in any shape, with either side transposed", () => {
  for (const [M, K, N] of SHAPES) {
    const [a, b] = [Matrix.rand(M, K).sub(0.5), Matrix.rand(K, N).sub(0.5)];
    const expected = bits(a.mmul(b));
    assertEquals(bits(product(a, b)), expected);
    assertEquals(bits(product(a.transpose(), b, { transposed: "left" })), expected);
    assertEquals(bits(product(a, b.transpose(), { transposed: "right" })), expected);
  }
  assertEquals(product(Matrix.zeros(2, 3), Matrix.zeros(3, 0)).columns, 0);
  assertEquals(product(Matrix.zeros(2, 0), Matrix.zeros(0, 3)).to2DArray(), [[0, 0, 0], [0, 0, 0]]);
  assertThrows(() => product(Matrix.zeros(2, 3), Matrix.zeros(2, 3)), Error, "3 columns with 2 rows");
});

Deno.test("products round like JavaScript at both ends of the range, and one does not see what another left in memory", () => {
  const ends = [1e308, -1e308, 5e-324, -5e-324, -0, 0, Infinity, -Infinity, NaN, 1 + 2 ** -52, 2 ** 53 + 2];
  const at = (r: number, c: number) => ends[(r * 7 + c * 3) % ends.length];
  const [a, b] = [Matrix.zeros(11, 9), Matrix.zeros(9, 10)];
  for (let r = 0; r < 11; r++) for (let k = 0; k < 9; k++) a.set(r, k, at(r, k));
  for (let k = 0; k < 9; k++) for (let c = 0; c < 10; c++) b.set(k, c, at(k, c + 1));
  assertEquals(bits(product(a, b)), bits(byDefinition(a, b)));
  const [small, other] = [Matrix.rand(3, 2), Matrix.rand(2, 3)];
  assertEquals(bits(product(small, other)), bits(byDefinition(small, other)));
});
