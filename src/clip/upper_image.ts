/**
 * The image tower in two parts, for learned tokens that come in above its first blocks (MMRL; clip/model_mmrl.py): what
 * the blocks below them give depends on nothing learned.
 *
 * Published, the tokens follow the class row; here they follow the patches: without a mask, the order of rows is nothing
 * but their names.
 *
 * Shapes: `B` images, `N` patches, `K` = 3·patch² numbers of a patch, `M` learned tokens, `D` width, `E` embedding.
 */
import type { Ops } from "../engine/ops.ts";
import { standardized } from "../engine/fused.ts";
import { swapped } from "../engine/rows.ts";
import { atTheEnd, firstRows, type FrozenImageTower, type ImageResult } from "./image_tower.ts";
import { stack } from "./stack.ts";

/** The rows [B, 1 + N, D] that the first `blocks` blocks make of patches [B, N, K]. */
export function lowerImageTower<T>(ops: Ops<T>, tower: FrozenImageTower, at: { patches: T; blocks: number }): T {
  const { rows } = firstRows(ops, tower, at.patches);
  return swapped(ops, stack(ops, swapped(ops, rows), tower.blocks.slice(0, at.blocks)).y);
}

/**
 * Runs the rows of {@linkcode lowerImageTower} through the other blocks, with learned tokens [B or 1, M, D] for each of
 * them, which replace those of the block before. The features are [B, E + D], not normalised: the class row's, then the
 * mean of the tokens' rows after ln_post.
 */
export function upperImageTower<T>(
  ops: Ops<T>,
  tower: FrozenImageTower,
  at: { rows: T; blocks: number; tokens: readonly T[] },
): Pick<ImageResult<T>, "features" | "pullbackToPrompts"> {
  const { rows, blocks, tokens } = at;
  const [B, R, D] = ops.shape(rows);
  const [, M] = ops.shape(tokens[0]);
  const E = tower.projection.bias.shape[0];
  const x_BLD = ops.concat([rows, ops.broadcastTo(tokens[0], [B, M, D])], 1);
  const passed = stack(ops, swapped(ops, x_BLD), tower.blocks.slice(blocks), {
    learned: { place: atTheEnd(ops, R, M), placedOnce: true, from: R, layers: tokens },
    pick: classAndTokens(ops, R, M),
  });
  const final = standardized(ops, passed.y, tower.epsilon);
  const classRow = ops.slice(final.normalized, [0, 0, 0], [1, B, D]);
  const mean = ops.mean(ops.slice(final.normalized, [1, 0, 0], [M, B, D]), 0);
  const scale = ops.frozen(tower.postScale);
  const features = ops.concat([
    ops.linear(classRow, tower.projection.weight, tower.projection.bias),
    ops.add(ops.mul(mean, scale), ops.frozen(tower.postShift)),
  ], 2);
  return {
    features: ops.reshape(features, [B, E + D]),
    pullbackToPrompts(dFeatures) {
      const dFeatures_1BF = ops.reshape(dFeatures, [1, B, E + D]);
      const dClass = ops.linearPullback(ops.slice(dFeatures_1BF, [0, 0, 0], [1, B, E]), tower.projection.weight);
      const dMean = ops.scale(ops.mul(ops.slice(dFeatures_1BF, [0, 0, E], [1, B, D]), scale), 1 / M);
      const dRows = ops.concat([dClass, ops.broadcastTo(dMean, [M, B, D])], 0);
      return passed.pullbackToLearned(final.pullback(dRows));
    },
  };
}

/** Picks the first of `before` rows and the `M` after them, [1, 1 + M, L]. */
function classAndTokens<T>(ops: Ops<T>, before: number, M: number): T {
  const L = before + M;
  const data = new Float32Array((1 + M) * L);
  data[0] = 1;
  for (let m = 0; m < M; m++) data[(1 + m) * L + before + m] = 1;
  return ops.constant({ shape: [1, 1 + M, L], data });
}
