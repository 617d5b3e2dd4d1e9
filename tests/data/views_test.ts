import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { namedStream } from "../../src/data/random.ts";
import { type Box, crop, flipHorizontally, resizeBicubic, type RgbImage } from "../../src/data/resize.ts";
import { imageView, normalizeToPatches, randomCrop, viewOf } from "../../src/data/views.ts";
import { sha256Hex } from "../../src/files.ts";
import { readPreprocessFixtures } from "./preprocess_fixtures.ts";
import { sharedTest } from "../shared.ts";

const photo = await Deno.readFile(new URL("../fixtures/images/photo_size.jpg", import.meta.url));
const noise = (width: number, height: number): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 31 + i * 7) % 256),
});

sharedTest("the test view is the published preprocessing", async () => {
  for (const { file, pixels, center224, center64 } of await readPreprocessFixtures()) {
    assertEquals(viewOf(pixels, { size: 224, recipe: { kind: "test" }, path: file }), center224.data);
    assertEquals(viewOf(pixels, { size: 64, recipe: { kind: "test" }, path: file }), center64.data);
  }
});

Deno.test("a training view depends on seed, number and path, and on nothing else", async () => {
  const view = (seed: number, view: number, path: string) =>
    imageView(photo, { size: 32, recipe: { kind: "train", view, seed }, path });
  const first = await view(1, 0, "a.jpg");
  assertEquals(first.length, 32 * 32 * 3);
  assertNotEquals(await view(2, 0, "a.jpg"), first);
  assertNotEquals(await view(1, 1, "a.jpg"), first);
  assertNotEquals(await view(1, 0, "b.jpg"), first);
  assertEquals(await view(1, 0, "a.jpg"), first);
});

// Means of 40,000 draws of torchvision 0.29's RandomResizedCrop.get_params: top, left, height, width.
const laws: [number, number, number[]][] = [
  [64, 64, [10.389, 10.427, 43.045, 43.096]],
  [90, 30, [3.198, 32.328, 23.66, 25.031]],
  [20, 200, [86.816, 0.153, 25.496, 19.692]],
];
for (const [width, height, expected] of laws) {
  Deno.test(`random crops of ${width}×${height} follow torchvision's law`, () => {
    const draws = 40_000;
    const stream = namedStream(5, "law", width, height);
    const boxes = Array.from({ length: draws }, () => randomCrop({ width, height }, stream));
    for (const { left, top, width: w, height: h } of boxes) {
      assert(left >= 0 && top >= 0 && w > 0 && h > 0 && left + w <= width && top + h <= height);
    }
    (["top", "left", "height", "width"] as (keyof Box)[]).forEach((key, i) => {
      const values = boxes.map((box) => box[key]);
      const mean = values.reduce((sum, x) => sum + x) / draws;
      const error = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0)) / draws;
      assertAlmostEquals(mean, expected[i], 5 * Math.SQRT2 * error + 0.0005, key);
    });
  });
}

Deno.test("crops of the feature methods keep half of the image, and are views of their own", async () => {
  const smallest = (leastArea?: number) =>
    Array.from({ length: 300 }, (_, view) => {
      const box = randomCrop({ width: 200, height: 200 }, namedStream(1, "augmentation", view, "a.jpg"), { leastArea });
      return box.width * box.height / 200 ** 2;
    }).reduce((a, b) => Math.min(a, b));
  // Rounding of the edges takes off at most a part in 200 of each.
  assert(smallest(0.5) > 0.49 && smallest(0.5) < 0.52);
  assert(smallest() < 0.1);
  const view = (leastArea?: number) =>
    imageView(photo, { size: 32, recipe: { kind: "train", view: 0, seed: 1, leastArea }, path: "a.jpg" });
  assertEquals(await view(), await view(0.08));
  assertNotEquals(await view(), await view(0.5));
});

Deno.test("half of the training views are flipped, the others are the plain crop", () => {
  const image = noise(16, 16);
  const flips = Array.from({ length: 1000 }, (_, view) => {
    const path = "x.jpg";
    const shown = viewOf(image, { size: 16, recipe: { kind: "train", view, seed: 1 }, path });
    const box = randomCrop(image, namedStream(1, "augmentation", view, path));
    const plain = resizeBicubic(crop(image, box), { width: 16, height: 16 });
    const isPlain = shown.every((byte, i) => byte === plain.data[i]);
    if (!isPlain) assertEquals(shown, flipHorizontally(plain).data);
    return !isPlain;
  });
  assertAlmostEquals(flips.filter(Boolean).length / flips.length, 0.5, 0.08);
});

Deno.test("an image that is too long is cropped in the middle", () => {
  const never = { ...namedStream(1, "x"), uniform: (_: number, hi: number) => hi };
  assertEquals(randomCrop({ width: 1000, height: 10 }, never), { left: 493, top: 0, width: 13, height: 10 });
  assertEquals(randomCrop({ width: 10, height: 1000 }, never), { left: 0, top: 493, width: 10, height: 13 });
});

Deno.test("normalisation equals torchvision's in every bit", async () => {
  // The hash is that of ToTensor + Normalize of torch 2.13 on all bytes in each channel.
  const rgb = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const planes = normalizeToPatches(rgb, { size: 16, patch: 16 });
  assertEquals(
    await sha256Hex(new Uint8Array(planes.buffer)),
    "5d23c0b115c373c73875b37dce36aa6a54af484dd4332d5f9d07d6ebecb20900",
  );
});

Deno.test("patches come in rows, each as [channel, row, column]", () => {
  const image = noise(4, 4);
  const whole = normalizeToPatches(image.data, { size: 4, patch: 4 });
  const patches = normalizeToPatches(image.data, { size: 4, patch: 2 });
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 4; x++) {
      for (let c = 0; c < 3; c++) {
        const patch = Math.floor(y / 2) * 2 + Math.floor(x / 2);
        assertEquals(patches[patch * 12 + c * 4 + (y % 2) * 2 + (x % 2)], whole[c * 16 + y * 4 + x]);
      }
    }
  }
  assertThrows(() => normalizeToPatches(image.data, { size: 4, patch: 3 }), RangeError);
});
