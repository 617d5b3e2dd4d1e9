/**
 * Images [3, size, size] as rows of patches, in the order in which `conv1.weight` [D, 3, patch, patch] reads them, and back.
 */
import type { HostTensor } from "../engine/ops.ts";

function visit(size: number, patch: number, at: (pixel: number, inPatches: number) => void): void {
  const grid = size / patch;
  let to = 0;
  for (let gy = 0; gy < grid; gy++) {
    for (let gx = 0; gx < grid; gx++) {
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < patch; y++) {
          const from = (c * size + gy * patch + y) * size + gx * patch;
          for (let x = 0; x < patch; x++) at(from + x, to++);
        }
      }
    }
  }
}

/** Images [B, 3, size, size] as patches [B, grid², 3·patch²]. */
export function toPatches(images_B3SS: HostTensor, patch: number): HostTensor {
  const [B, , size] = images_B3SS.shape;
  const length = 3 * size * size;
  const data = new Float32Array(B * length);
  for (let b = 0; b < B; b++) {
    visit(size, patch, (pixel, to) => data[b * length + to] = images_B3SS.data[b * length + pixel]);
  }
  return { shape: [B, (size / patch) ** 2, 3 * patch * patch], data };
}

/** Patches [B, grid², 3·patch²] as images [B, 3, size, size]. */
export function fromPatches(patches_BNK: HostTensor, size: number): HostTensor {
  const [B, , K] = patches_BNK.shape;
  const length = 3 * size * size;
  const data = new Float32Array(B * length);
  for (let b = 0; b < B; b++) {
    visit(size, Math.sqrt(K / 3), (pixel, from) => data[b * length + pixel] = patches_BNK.data[b * length + from]);
  }
  return { shape: [B, 3, size, size], data };
}
