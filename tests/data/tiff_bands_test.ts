import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { decodeRgb, readImageHead } from "../../src/data/image.ts";
import { bandProblem } from "../../src/data/tiff_bands.ts";
import { UserError } from "../../src/errors.ts";
import { tiffOf } from "./tiff_fixtures.ts";

const head = (samples: number, bits: number, photometric: number, options: { big?: boolean; little?: boolean } = {}) =>
  bandProblem(tiffOf({ samples, bits, photometric, ...options }));

Deno.test("bands are taken as Pillow takes them", () => {
  for (
    const [samples, bits, photometric] of [
      [1, 8, 1],
      [1, 16, 1],
      [1, 1, 0],
      [2, 8, 1],
      [3, 8, 2],
      [4, 8, 2],
      [3, 16, 2],
      [4, 16, 2],
      [1, 8, 3],
      [4, 8, 5],
      [3, 8, 6],
    ]
  ) assertEquals(head(samples, bits, photometric), undefined, `${samples} of ${bits}, ${photometric}`);
});

Deno.test("bands that are not said to be colours are refused with their number, in files of all kinds", () => {
  for (const little of [true, false]) {
    for (const big of [true, false]) {
      for (const [samples, bits] of [[2, 16], [3, 8], [3, 16], [4, 8], [4, 16]]) {
        assertEquals(
          head(samples, bits, 1, { big, little }),
          `has ${samples} bands of ${bits} bits that are not said to be red, green and blue`,
        );
      }
      assertEquals(
        head(3, 32, 2, { big, little }),
        "has 3 bands of 32 bits and not of 8 or 16",
      );
      for (const [samples, photometric] of [[5, 1], [5, 2], [8, 1], [5, 5]]) {
        assertEquals(
          head(samples, 16, photometric, { big, little }),
          `has ${samples} bands: it is multispectral, and this kit reads RGB`,
        );
      }
      assertEquals(head(13, 16, 1, { big, little })!.includes("EuroSAT_RGB.zip"), true);
    }
  }
});

Deno.test("decoding and looking at the head refuse such a file with its name; a head that is cut off is no reason", async () => {
  const bytes = tiffOf({ samples: 4, bits: 16, photometric: 1 });
  for (const look of [decodeRgb, readImageHead]) {
    await assertRejects(() => look(bytes, "a/b.tif"), UserError, "The image a/b.tif has 4 bands of 16 bits");
  }
  for (let end = 0; end < 20; end++) assertEquals(bandProblem(bytes.subarray(0, end)), undefined);
});
