/**
 * Views of an image: what the model is shown. The test view is CLIP's own preprocessing; a training view is a random
 * crop and flip by torchvision's law, from random numbers that belong to the seed, the view and the image alone, so
 * that views can be computed in any order, on any machine, and again.
 */
import { withRgb } from "./image.ts";
import { namedStream, type RandomStream } from "./random.ts";
import { type Box, crop, flipHorizontally, resizeAndCenterCrop, resizeBicubic, type RgbImage } from "./resize.ts";
import { roundHalfEven } from "./round.ts";

/** Which view of an image. */
export type ViewRecipe =
  /** Smaller edge resized, centre cropped. */
  | {
    kind: "test";
    /** Whether an orientation in EXIF is applied; not in the published code. */
    exif?: boolean;
  }
  /** A random resized crop and perhaps a flip; views of different numbers are independent. */
  | {
    kind: "train";
    /** Number of the view, from 0. */
    view: number;
    /** Seed of the run. */
    seed: number;
    /** The least share of the image that a crop keeps; {@linkcode LEAST_AREA} when left out. */
    leastArea?: number;
  };

/** The first training views of a seed. */
export function trainingRecipes(
  { seed, count, leastArea }: { seed: number; count: number; leastArea?: number },
): ViewRecipe[] {
  return Array.from({ length: count }, (_, view) => ({ kind: "train", view, seed, leastArea }));
}

/** torchvision's `RandomResizedCrop` as the published configurations of prompt learning set it. */
export const LEAST_AREA = 0.08;
/** {@linkcode ViewRecipe}'s `leastArea` for Tip-Adapter, GDA and LP++, whose training crops keep at least half of the image. */
export const LEAST_AREA_OF_FEATURE_METHODS = 0.5;
const RATIO = [3 / 4, 4 / 3] as const;
const TRIES = 10;
const FLIP_PROBABILITY = 0.5;

/** CLIP's channel means and deviations, of bytes that are divided by 255. */
export const MEAN = [0.48145466, 0.4578275, 0.40821073];
export const DEVIATION = [0.26862954, 0.26130258, 0.27577711];

interface ViewOptions {
  /** Edge of the square that comes out, in pixels. */
  size: number;
  recipe: ViewRecipe;
  /** Path of the image in its data set: names it in messages, and its random numbers. */
  path: string;
}

/**
 * Decodes an image file and makes one view of it: `size · size · 3` bytes RGB, rows from the top.
 *
 * @throws {UserError} When the image does not decode.
 */
export async function imageView(bytes: Uint8Array, options: ViewOptions): Promise<Uint8Array> {
  const { recipe, path } = options;
  return await withRgb(
    { bytes, name: path, exif: recipe.kind === "test" && recipe.exif },
    (image) => viewOf(image, options),
  );
}

/** One view of a decoded image, `size · size · 3` bytes RGB. */
export function viewOf(image: RgbImage, options: ViewOptions): Uint8Array {
  const { size, recipe, path } = options;
  if (recipe.kind === "test") return resizeAndCenterCrop(image, size).data;
  const stream = namedStream(recipe.seed, "augmentation", recipe.view, path);
  const box = randomCrop(image, stream, { leastArea: recipe.leastArea });
  const resized = resizeBicubic(crop(image, box), { width: size, height: size });
  return stream.random() < FLIP_PROBABILITY ? flipHorizontally(resized).data : resized.data;
}

/**
 * The crop of torchvision's `RandomResizedCrop`: area and aspect ratio drawn up to ten times until they fit; failing
 * that, the largest crop in the middle whose ratio is allowed.
 */
export function randomCrop(
  image: { width: number; height: number },
  stream: RandomStream,
  options: { leastArea?: number } = {},
): Box {
  const { width, height } = image;
  const { leastArea = LEAST_AREA } = options;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = width * height * stream.uniform(leastArea, 1);
    const ratio = Math.exp(stream.uniform(Math.log(RATIO[0]), Math.log(RATIO[1])));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = stream.below(height - h + 1);
      return { left: stream.below(width - w + 1), top, width: w, height: h };
    }
  }
  return middleCrop(width, height);
}

function middleCrop(width: number, height: number): Box {
  const ratio = width / height;
  const w = ratio > RATIO[1] ? roundHalfEven(height * RATIO[1]) : width;
  const h = ratio < RATIO[0] ? roundHalfEven(width / RATIO[0]) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** The normalised value of every byte in every channel, in float32 at each step as torchvision computes it. */
const NORMALIZED = MEAN.map((mean, channel) => {
  const deviation = Math.fround(DEVIATION[channel]);
  return Float32Array.from({ length: 256 }, (_, byte) => {
    return Math.fround(Math.fround(byte / 255) - Math.fround(mean)) / deviation;
  });
});

/**
 * Normalises the bytes of an image with CLIP's means and deviations and cuts it into patches, in the order in which
 * `conv1.weight` [width, 3, patch, patch] reads them: [grid², 3·patch²] with grid = size / patch, patches in rows from the
 * top, each [channel, row, column]. They are put into `target`, or into a new array.
 *
 * @throws {RangeError} When the bytes are not such an image, or patches do not fill it.
 */
export function normalizeToPatches(
  rgb: Uint8Array,
  options: { size: number; patch: number; target?: Float32Array },
): Float32Array {
  const { size, patch } = options;
  if (rgb.length !== size * size * 3 || size % patch !== 0) {
    throw new RangeError(
      `normalizeToPatches: ${rgb.length} bytes are not ${size}×${size} pixels in patches of ${patch}.`,
    );
  }
  const target = options.target ?? new Float32Array(rgb.length);
  const grid = size / patch;
  let to = 0;
  for (let gridRow = 0; gridRow < grid; gridRow++) {
    for (let gridColumn = 0; gridColumn < grid; gridColumn++) {
      for (let channel = 0; channel < 3; channel++) {
        const normalized = NORMALIZED[channel];
        for (let row = 0; row < patch; row++) {
          let from = ((gridRow * patch + row) * size + gridColumn * patch) * 3 + channel;
          for (let column = 0; column < patch; column++, from += 3) target[to++] = normalized[rgb[from]];
        }
      }
    }
  }
  return target;
}
