import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { Matrix } from "../../src/deps.ts";
import { product } from "../../src/methods/product.ts";

Deno.test("products have the bits of mmul, in any shape, with either side transposed, longer than what is summed at once", () => {
  for (const [M, K, N] of [[1, 1, 1], [4, 6, 2], [5, 7, 3], [3, 2500, 9]]) {
    const [a, b] = [Matrix.rand(M, K), Matrix.rand(K, N)];
    const expected = a.mmul(b).to2DArray();
    assertEquals(product(a, b).to2DArray(), expected);
    assertEquals(product(a.transpose(), b, { transposed: "left" }).to2DArray(), expected);
    assertEquals(product(a, b.transpose(), { transposed: "right" }).to2DArray(), expected);
  }
  assertEquals(product(Matrix.zeros(2, 3), Matrix.zeros(3, 0)).columns, 0);
  assertThrows(() => product(Matrix.zeros(2, 3), Matrix.zeros(2, 3)), Error, "3 columns with 2 rows");
});
