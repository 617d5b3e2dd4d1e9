/** Images of a step as patches: read, decoded and cropped when the step comes near, a few at once. */
import type { HostTensor } from "../engine/ops.ts";
import { byteGate } from "./byte_gate.ts";
import type { ImageSource } from "./image_source.ts";
import { fewAtOnce } from "./prefetch.ts";
import { imageView, normalizeToPatches, type ViewRecipe } from "./views.ts";

/**
 * Patches [B, grid², 3·patch²] of images in one view, normalised.
 *
 * @throws {UserError} when an image is missing or does not decode
 */
export async function patchesOf(
  samples: readonly { path: string }[],
  options: { images: Pick<ImageSource, "read" | "size">; recipe: ViewRecipe; size: number; patch: number },
): Promise<HostTensor> {
  const { images, recipe, size, patch } = options;
  const length = 3 * size * size;
  const data = new Float32Array(samples.length * length);
  const reading = byteGate();
  await fewAtOnce(samples, async ({ path }, i) => {
    await reading(await images.size?.(path) ?? 0, async () => {
      const rgb = await imageView(await images.read(path), { size, recipe, path });
      normalizeToPatches(rgb, { size, patch, target: data.subarray(i * length, (i + 1) * length) });
    });
  });
  return { shape: [samples.length, (size / patch) ** 2, 3 * patch ** 2], data };
}
