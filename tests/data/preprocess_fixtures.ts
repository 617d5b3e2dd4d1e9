import type { Box, RgbImage } from "../../src/data/resize.ts";
import { readSafetensors } from "../../src/clip/weights/safetensors.ts";
import { sharedPath } from "../shared.ts";

/** One image of `reference/preprocess.*`, whose README says what is what. */
export interface PreprocessFixture {
  file: string;
  box: Box;
  flip: boolean;
  size: { width: number; height: number };
  pixels: RgbImage;
  center224: RgbImage;
  center64: RgbImage;
  crop224: RgbImage;
  resized: RgbImage;
}

/** Reads the preprocessing fixtures. */
export async function readPreprocessFixtures(folder = sharedPath("reference")): Promise<PreprocessFixture[]> {
  const { images } = JSON.parse(await Deno.readTextFile(`${folder}/preprocess.json`));
  const path = `${folder}/preprocess.safetensors`;
  const { entries } = readSafetensors(await Deno.readFile(path), path);
  const image = (name: string): RgbImage => {
    const { shape: [height, width], bytes } = entries.get(name)!;
    return { width, height, data: bytes };
  };
  return Object.keys(images).map((i) => {
    const { file, left, top, width, height, flip } = images[i];
    const resized = image(`${i}/resize`);
    return {
      file,
      box: { left, top, width, height },
      flip,
      size: { width: resized.width, height: resized.height },
      pixels: image(`${i}/pixels`),
      center224: image(`${i}/center224`),
      center64: image(`${i}/center64`),
      crop224: image(`${i}/crop224`),
      resized,
    };
  });
}
