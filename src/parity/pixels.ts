/**
 * Parity of the preprocessing up to the normalisation, as bytes: `preprocess.*`, and the image files where they are.
 */
import { decodeRgb } from "../data/image.ts";
import { type Box, crop, flipHorizontally, resizeAndCenterCrop, resizeBicubic, type RgbImage } from "../data/resize.ts";
import { openImages } from "../data/source.ts";
import { UserError } from "../errors.ts";
import type { Fixtures } from "./fixtures.ts";
import { caseLists, type ParityCase, type ParityRow, parityRow } from "./row.ts";

interface ImageCase extends Box {
  file: string;
  flip: boolean;
  resize: [number, number];
}

/** The rows of the preprocessing. `archive` holds the image files that the fixtures name; without it none are decoded. */
export async function pixelRows(fixtures: Fixtures, options: { archive?: string } = {}): Promise<ParityRow[]> {
  const { images } = await fixtures.json("preprocess.json") as { images: Record<string, ImageCase> };
  const given = await fixtures.tensors("preprocess.safetensors");
  const picture = (name: string): RgbImage => {
    const { shape: [height, width, channels], data } = given.bytes(name);
    if (channels === 3 && data.length === height * width * 3) return { width, height, data };
    throw new UserError(`The tensor "${name}" of ${fixtures.path("preprocess.safetensors")} is no image of RGB bytes.`);
  };
  const found = caseLists("resize", "center", "crop", "decoded");
  const compare = (list: ParityCase[], name: string, { got, wanted }: { got: RgbImage; wanted: RgbImage }) => {
    const sameShape = got.width === wanted.width && got.height === wanted.height;
    list.push({ name, difference: sameShape ? differentPixels(got.data, wanted.data) : Infinity });
  };

  for (const [i, { file, flip, ...box }] of Object.entries(images)) {
    const pixels = picture(`${i}/pixels`);
    for (const name of given.names().filter((name) => name.startsWith(`${i}/`))) {
      const wanted = picture(name);
      const label = `${name} (${file})`;
      const part = name.slice(i.length + 1);
      if (part === "resize") {
        compare(found.resize, label, { got: resizeBicubic(pixels, wanted), wanted });
      } else if (/^center\d+$/.test(part)) {
        compare(found.center, label, { got: resizeAndCenterCrop(pixels, wanted.width), wanted });
      } else if (/^crop\d+$/.test(part)) {
        const resized = resizeBicubic(crop(pixels, box), wanted);
        compare(found.crop, label, { got: flip ? flipHorizontally(resized) : resized, wanted });
      }
    }
  }
  if (options.archive !== undefined) {
    const source = await openImages(options.archive);
    for (const [i, { file }] of Object.entries(images)) {
      const path = source.paths.find((path) => path === file || path.endsWith(`/${file}`));
      if (path === undefined) {
        throw new UserError(`${options.archive} has no image ${file}, which preprocess.json names.`);
      }
      compare(found.decoded, file, {
        got: await decodeRgb(await source.read(path), file),
        wanted: picture(`${i}/pixels`),
      });
    }
    await source.close();
  }

  const row = (stage: string, cases: ParityCase[]) =>
    parityRow({ stage, engine: "-", tolerance: 0, unit: "different pixels" }, cases);
  return [
    ...(options.archive === undefined ? [] : [row("image files decoded", found.decoded)]),
    row("resize", found.resize),
    row("resize and centre crop", found.center),
    row("crop, resize, flip", found.crop),
  ];
}

function differentPixels(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < b.length; i += 3) if (a[i] !== b[i] || a[i + 1] !== b[i + 1] || a[i + 2] !== b[i + 2]) count++;
  return count;
}
