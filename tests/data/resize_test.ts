import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { crop, flipHorizontally, resizeAndCenterCrop, resizeBicubic, type RgbImage } from "../../src/data/resize.ts";
import { readPreprocessFixtures } from "./preprocess_fixtures.ts";
import { sharedTest } from "../shared.ts";
import cases from "../fixtures/resize.json" with { type: "json" };

/** The formula of fixtures/resize.py. */
function pattern(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 31 + i * 7) % 256);
  return { width, height, data };
}

async function sha256(image: RgbImage): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(image.data));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

sharedTest("resize, centre crop, crop + flip equal the published pixels", async () => {
  for (const { box, flip, size, pixels, center224, center64, crop224, resized } of await readPreprocessFixtures()) {
    assertEquals(resizeAndCenterCrop(pixels, 224).data, center224.data);
    assertEquals(resizeAndCenterCrop(pixels, 64).data, center64.data);
    const cut = resizeBicubic(crop(pixels, box), { width: 224, height: 224 });
    assertEquals((flip ? flipHorizontally(cut) : cut).data, crop224.data);
    assertEquals(resizeBicubic(pixels, size).data, resized.data);
  }
});

for (const { width, height, toWidth, toHeight, sha } of cases.resize) {
  Deno.test(`resizeBicubic ${width}×${height} to ${toWidth}×${toHeight} equals Pillow`, async () => {
    const image = pattern(width, height);
    const resized = resizeBicubic(image, { width: toWidth, height: toHeight });
    assertEquals([resized.width, resized.height], [toWidth, toHeight]);
    assertEquals(await sha256(resized), sha);
    assertEquals(image.data, pattern(width, height).data);
  });
}

for (const { width, height, size, sha } of cases.center) {
  Deno.test(`resizeAndCenterCrop ${width}×${height} to ${size} equals torchvision`, async () => {
    assertEquals(await sha256(resizeAndCenterCrop(pattern(width, height), size)), sha);
  });
}

Deno.test("a very long image costs no more than the square that is kept", () => {
  const image = pattern(2, 100_000);
  const square = resizeAndCenterCrop(image, 224);
  assertEquals(square.data.length, 224 * 224 * 3);
});

Deno.test("the same size gives a copy, not the image itself", () => {
  const image = pattern(5, 4);
  const copy = resizeBicubic(image, image);
  assertEquals(copy, image);
  assertEquals(copy.data === image.data, false);
});

Deno.test("crop refuses rectangles that leave the image", () => {
  const image = pattern(5, 4);
  assertEquals(crop(image, { left: 4, top: 3, width: 1, height: 1 }).data, image.data.slice(-3));
  assertThrows(() => crop(image, { left: 4, top: 3, width: 2, height: 1 }), RangeError, "is not in an image of 5×4");
  assertThrows(() => crop(image, { left: -1, top: 0, width: 2, height: 1 }), RangeError);
});

Deno.test("flipHorizontally twice is the image", () => {
  const image = pattern(5, 4);
  const flipped = flipHorizontally(image);
  assertEquals(flipped.data.slice(0, 3), image.data.slice(12, 15));
  assertEquals(flipHorizontally(flipped), image);
});
