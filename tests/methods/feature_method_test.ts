import { assertEquals } from "jsr:@std/assert@1.0.19";
import { Matrix } from "../../src/deps.ts";
import { countCorrect, crossEntropyGradient, toHost } from "../../src/methods/feature_method.ts";
import { featureLogits } from "../../src/methods/zero_shot.ts";

Deno.test("the cross-entropy and its gradient are those of the definition, bit by bit", () => {
  const logits = Matrix.rand(7, 13).mul(40).sub(20);
  const labels = Int32Array.from({ length: 7 }, (_, n) => (5 * n) % 13);
  let loss = 0;
  const gradient = logits.to2DArray().map((row, n) => {
    const top = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - top), 0);
    loss += top + Math.log(sum) - row[labels[n]];
    return row.map((value, c) => Math.exp(value - top) / sum - (c === labels[n] ? 1 : 0));
  });
  const found = crossEntropyGradient(logits, labels);
  assertEquals(found.loss, loss);
  assertEquals(found.gradient_NC.to2DArray(), gradient);
});

Deno.test("logits of features are sums in float64, rounded once, bit by bit", () => {
  const random = (rows: number, columns: number) => toHost(Matrix.rand(rows, columns).sub(0.5));
  const [images, texts] = [random(9, 301), random(6, 301)];
  const expected = Float32Array.from({ length: 9 * 6 }, (_, i) => {
    let dot = 0;
    for (let e = 0; e < 301; e++) dot += images.data[Math.floor(i / 6) * 301 + e] * texts.data[(i % 6) * 301 + e];
    return 19.97 * dot;
  });
  assertEquals(featureLogits(images, texts, { logitScale: 19.97 }), { shape: [9, 6], data: expected });
});

Deno.test("of equal logits the first counts", () => {
  assertEquals(countCorrect(new Matrix([[1, 3, 3], [2, 2, 1], [0, 1, 2]]), Int32Array.of(1, 1, 2)), 2);
});
