/**
 * Resizing exactly as Pillow does it, and the cuts of torchvision's test transform: every pixel is what the published
 * preprocessing gives, so accuracies are comparable.
 *
 * Pillow's `Resample.c`: bicubic with a = −0.5, the kernel widened when shrinking, weights as integers of 22 fractional
 * bits, the horizontal pass before the vertical one, and rounding to 8 bits after each.
 */
import { roundHalfEven } from "./round.ts";

/** An RGB image of 8 bits a channel, rows from the top, channels last. */
export interface RgbImage {
  width: number;
  height: number;
  /** `height · width · 3` bytes. */
  data: Uint8Array;
}

/** A rectangle of whole pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

const CHANNELS = 3;
const SUPPORT = 2;
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

/** A stretch of one axis of the output. */
interface Span {
  begin: number;
  length: number;
}

/** One pass along one axis: output i is the sum of `count[i]` inputs from `first[i]`, with `taps` weights reserved. */
interface Weights {
  taps: number;
  first: Int32Array;
  count: Int32Array;
  values: Int32Array;
}

/** Images come in few sizes but crops in many: enough for all sizes up to 512 to one output size. */
const CACHE_LIMIT = 512;
const cache = new Map<string, Weights>();

/** Resizes with Pillow's `Image.resize(size, Image.BICUBIC)`, equal in every pixel. */
export function resizeBicubic(image: RgbImage, size: { width: number; height: number }): RgbImage {
  return resizeWindow(image, size, { left: 0, top: 0, ...size });
}

/** What {@linkcode crop} would cut out of the resized image, without computing the rest: that may be any size. */
function resizeWindow(image: RgbImage, size: { width: number; height: number }, window: Box): RgbImage {
  const { left, top, width, height } = window;
  if (size.width === image.width && size.height === image.height) return crop(image, window);
  if (size.height === image.height) {
    const rows = crop(image, { left: 0, top, width: image.width, height });
    return horizontalPass(rows, size.width, { begin: left, length: width });
  }
  if (size.width === image.width) {
    const columns = crop(image, { left, top: 0, width, height: image.height });
    return verticalPass(columns, size.height, { begin: top, length: height });
  }
  const wide = horizontalPass(image, size.width, { begin: left, length: width });
  return verticalPass(wide, size.height, { begin: top, length: height });
}

/** Copies a rectangle. Throws {@linkcode RangeError} when it does not lie in the image. */
export function crop(image: RgbImage, box: Box): RgbImage {
  const { left, top, width, height } = box;
  const inside = left >= 0 && top >= 0 && width > 0 && height > 0 && left + width <= image.width &&
    top + height <= image.height;
  if (!inside) {
    throw new RangeError(`crop: ${JSON.stringify(box)} is not in an image of ${image.width}×${image.height}.`);
  }
  const data = new Uint8Array(width * height * CHANNELS);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * image.width + left) * CHANNELS;
    data.set(image.data.subarray(start, start + width * CHANNELS), row * width * CHANNELS);
  }
  return { width, height, data };
}

/** The image mirrored left to right. */
export function flipHorizontally(image: RgbImage): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (row * width + column) * CHANNELS;
      const to = (row * width + width - 1 - column) * CHANNELS;
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return { width, height, data };
}

/**
 * CLIP's test transform up to the normalisation: torchvision's `Resize(size, BICUBIC)` of the smaller edge, then
 * `CenterCrop(size)`.
 */
export function resizeAndCenterCrop(image: RgbImage, size: number): RgbImage {
  const resized = smallerEdgeTo(image, size);
  const left = roundHalfEven((resized.width - size) / 2);
  const top = roundHalfEven((resized.height - size) / 2);
  return resizeWindow(image, resized, { left, top, width: size, height: size });
}

/** torchvision cuts the longer edge down to a whole number, it does not round. */
function smallerEdgeTo(image: { width: number; height: number }, size: number): { width: number; height: number } {
  const { width, height } = image;
  return width <= height
    ? { width: size, height: Math.floor((size * height) / width) }
    : { width: Math.floor((size * width) / height), height: size };
}

function horizontalPass(image: RgbImage, fullWidth: number, columns: Span): RgbImage {
  const { width, height, data } = image;
  const { taps, first, count, values } = weightsFor(width, fullWidth, columns);
  const outWidth = columns.length;
  const out = new Uint8ClampedArray(outWidth * height * CHANNELS);
  for (let row = 0; row < height; row++) {
    const source = row * width * CHANNELS;
    let target = row * outWidth * CHANNELS;
    for (let column = 0; column < outWidth; column++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = source + first[column] * CHANNELS;
      const start = column * taps;
      const end = start + count[column];
      for (let tap = start; tap < end; tap++) {
        const weight = values[tap];
        red += data[from] * weight;
        green += data[from + 1] * weight;
        blue += data[from + 2] * weight;
        from += CHANNELS;
      }
      out[target] = red >> PRECISION_BITS;
      out[target + 1] = green >> PRECISION_BITS;
      out[target + 2] = blue >> PRECISION_BITS;
      target += CHANNELS;
    }
  }
  return { width: outWidth, height, data: new Uint8Array(out.buffer) };
}

function verticalPass(image: RgbImage, fullHeight: number, rows: Span): RgbImage {
  const { width, height, data } = image;
  const stride = width * CHANNELS;
  const { taps, first, count, values } = weightsFor(height, fullHeight, rows);
  const outHeight = rows.length;
  const out = new Uint8ClampedArray(outHeight * stride);
  const sums = new Int32Array(stride);
  for (let row = 0; row < outHeight; row++) {
    sums.fill(HALF);
    for (let tap = 0; tap < count[row]; tap++) {
      const weight = values[row * taps + tap];
      const from = (first[row] + tap) * stride;
      for (let i = 0; i < stride; i++) sums[i] += data[from + i] * weight;
    }
    const target = row * stride;
    for (let i = 0; i < stride; i++) out[target + i] = sums[i] >> PRECISION_BITS;
  }
  return { width, height: outHeight, data: new Uint8Array(out.buffer) };
}

function weightsFor(inSize: number, outSize: number, span: Span): Weights {
  const key = `${inSize}>${outSize}:${span.begin}+${span.length}`;
  let weights = cache.get(key);
  if (weights === undefined) {
    if (cache.size >= CACHE_LIMIT) cache.clear();
    weights = computeWeights(inSize, outSize, span);
    cache.set(key, weights);
  }
  return weights;
}

/** Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc`, operation by operation: the order of rounding matters. */
function computeWeights(inSize: number, outSize: number, span: Span): Weights {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(span.length);
  const count = new Int32Array(span.length);
  const values = new Int32Array(span.length * taps);
  const kernel = new Float64Array(taps);
  for (let i = 0; i < span.length; i++) {
    const center = (span.begin + i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inSize, Math.trunc(center + support + 0.5)) - begin;
    let total = 0;
    for (let k = 0; k < length; k++) {
      kernel[k] = bicubic((k + begin - center + 0.5) * (1 / filterScale));
      total += kernel[k];
    }
    first[i] = begin;
    count[i] = length;
    for (let k = 0; k < length; k++) {
      const weight = (total !== 0 ? kernel[k] / total : kernel[k]) * 2 ** PRECISION_BITS;
      values[i * taps + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return { taps, first, count, values };
}

/** Keys' cubic convolution with a = −0.5. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
