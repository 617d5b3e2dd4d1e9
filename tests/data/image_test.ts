import { assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { crc32 } from "node:zlib";
import { UserError } from "../../src/errors.ts";
import { decodeRgb, imageKind, readImageHead } from "../../src/data/image.ts";
import { sha256Hex } from "../../src/files.ts";
import expected from "../fixtures/images/expected.json" with { type: "json" };

const fixture = (name: string) => Deno.readFile(new URL(`../fixtures/images/${name}`, import.meta.url));

for (const [name, { mode, width, height, sha256 }] of Object.entries(expected)) {
  Deno.test(`decodeRgb gives Pillow's pixels of ${name} (${mode})`, async () => {
    const image = await decodeRgb(await fixture(name), name);
    assertEquals([image.width, image.height, image.data.length], [width, height, width * height * 3]);
    assertEquals(await sha256Hex(image.data), sha256);
  });
}

for (
  const name of ["sampling_420.jpg", "progressive.jpg", "rgb.png", "lossy.webp", "lossless.webp", "raw.tif", "lzw.tif"]
) {
  Deno.test(`decodeRgb refuses ${name} cut off anywhere, naming it`, async () => {
    const bytes = await fixture(name);
    for (const share of [0, 0.01, 0.3, 0.6, 0.9]) {
      await assertRejects(() => decodeRgb(bytes.slice(0, bytes.length * share), `a/${name}`), UserError, `a/${name}`);
    }
  });
}

Deno.test("decodeRgb refuses what is no image, and kinds that could read other files", async () => {
  for (
    const text of ["", "hello", "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>", "GIF89a", "%PDF-1.4"]
  ) {
    await assertRejects(
      () => decodeRgb(new TextEncoder().encode(text), "x.jpg"),
      UserError,
      "The image x.jpg is not a",
    );
  }
});

Deno.test("decodeRgb refuses an image whose size its file cannot hold", async () => {
  const bytes = await fixture("rgb.png");
  const header = new DataView(bytes.buffer);
  header.setUint32(16, 12_000);
  header.setUint32(20, 12_000);
  header.setUint32(29, crc32(bytes.subarray(12, 29)));
  await assertRejects(() => decodeRgb(bytes, "bomb.png"), UserError, "bomb.png says that it is 12000×12000");
});

Deno.test("an orientation in EXIF is told, and applied only where that is asked for", async () => {
  const bytes = await fixture("exif_orientation.jpg");
  assertEquals(await readImageHead(bytes, "x"), { orientation: 6 });
  for (const name of ["sampling_444.jpg", "exif_orientation.tif", "rgb.png", "lossy.webp"]) {
    assertEquals(await readImageHead(await fixture(name), name), { orientation: 1 }, name);
  }
  const plain = await decodeRgb(bytes, "x");
  const turned = await decodeRgb(bytes, "x", { exif: true });
  assertEquals([turned.width, turned.height], [plain.height, plain.width]);
  // A quarter to the right: what was the left column from below is the upper row.
  const pixel = (
    { data, width }: typeof plain,
    x: number,
    y: number,
  ) => [...data.subarray(3 * (y * width + x)).slice(0, 3)];
  for (let y = 0; y < turned.height; y++) {
    for (let x = 0; x < turned.width; x++) {
      assertEquals(pixel(turned, x, y), pixel(plain, y, plain.height - 1 - x), `${x}, ${y}`);
    }
  }
  const upright = await fixture("sampling_444.jpg");
  assertEquals(await decodeRgb(upright, "x", { exif: true }), await decodeRgb(upright, "x"));
});

Deno.test("imageKind looks at the content and not at the name", async () => {
  assertEquals(imageKind(await fixture("grey.jpg")), "jpeg");
  assertEquals(imageKind(await fixture("grey.png")), "png");
  assertEquals(imageKind(await fixture("lossy.webp")), "webp");
  assertEquals(imageKind(await fixture("grey.tif")), "tiff");
  assertEquals(imageKind(new Uint8Array()), undefined);
});
