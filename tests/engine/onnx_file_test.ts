import { assert, assertThrows } from "jsr:@std/assert@1.0.19";
import { onnxFile } from "../../src/engine/onnx_file.ts";

const floats = new Float32Array(3 * 11_000).fill(1.5);
const options = {
  name: "g",
  images: { size: 2, patch: 1, mean: [0, 0, 0], deviation: [1, 1, 1] },
  output: "out",
  metadata: {},
  numbers: () => ({ shape: [11_000, 3], data: floats }),
};

Deno.test("a graph that holds the number of images in another way than in a size is a defect, and nothing is written", () => {
  const mean = () => onnxFile((ops, x) => ops.scale(x, 1 / ops.shape(x)[0]), options);
  assertThrows(mean, Error, "depends on the number of images");
});

Deno.test("large tensors are handed on and not copied", () => {
  const parts = onnxFile((ops, x) => ops.linear(x, { name: "w", shape: [11_000, 3] }), options);
  assert(parts.some(({ buffer, byteLength }) => buffer === floats.buffer && byteLength === floats.byteLength));
});
