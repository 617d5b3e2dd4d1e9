/**
 * The text tower above its first blocks, for learned tokens that come in there (MMRL): the rows below are frozen and computed once.
 *
 * Shapes: `P` packs, `L` rows a pack, `M` learned tokens, `D` width.
 */
import { type ClipModel, ROWS_PER_RUN } from "../clip/model.ts";
import { FORBIDDEN, type PromptLayout } from "../clip/prompt_layout.ts";
import { type FrozenTextTower, lowerTextTower, upperTextTower } from "../clip/text_tower.ts";
import { rowRange } from "../engine/host_tensor.ts";

/** The blocks from `blocks` on, and packs whose frozen rows are what the blocks before them give. */
export async function upperText(
  { engine }: Pick<ClipModel, "engine">,
  { tower, layout, blocks }: { tower: FrozenTextTower; layout: PromptLayout; blocks: number },
): Promise<{ tower: FrozenTextTower; layout: PromptLayout }> {
  const [P, L, D] = layout.fixed.shape;
  const learned = (p: number, row: number) => isLearned(layout, p * L + row);
  // The tokens are not there yet: no row sees theirs.
  const mask = layout.mask.data.slice();
  for (let p = 0; p < P; p++) {
    for (let key = 0; key < L; key++) {
      if (!learned(p, key)) continue;
      for (let row = 0; row < L; row++) mask[(p * L + row) * (1 + L) + 1 + key] = FORBIDDEN;
    }
  }
  const lower = engine.program("text_lower_blocks", (ops, [fixed, mask]) => [
    lowerTextTower(ops, tower, { fixed, mask, blocks }),
  ]);
  const data = new Float32Array(P * L * D);
  const step = Math.max(1, Math.floor(ROWS_PER_RUN / L));
  for (let p = 0; p < P; p += step) {
    const parts = [layout.fixed, { ...layout.mask, data: mask }].map((x) => rowRange(x, p, Math.min(P, p + step)));
    data.set((await lower.run(parts))[0].data, p * L * D);
  }
  await lower.dispose();
  for (let row = 0; row < P * L; row++) if (isLearned(layout, row)) data.fill(0, row * D, (row + 1) * D);
  return { tower: upperTextTower(tower, blocks), layout: { ...layout, fixed: { shape: [P, L, D], data } } };
}

/** Whether a row, counted over all packs, is a learned token's. */
function isLearned({ place }: PromptLayout, row: number): boolean {
  const [, , M] = place!.shape;
  return place!.data.subarray(row * M, (row + 1) * M).includes(1);
}
