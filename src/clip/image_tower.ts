/**
 * CLIP's vision transformer (openai/CLIP clip/model.py:206-240), forward and pull-back.
 *
 * Shapes: `B` images, `N` patches, `K` = 3·patch² numbers of a patch, `D` width, `E` embedding.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";
import { standardizePullback } from "../engine/tape.ts";
import { block, centredPullback, LAYER_NORM_EPSILON, swapped } from "./block.ts";
import { foldLayerNorm, freezeBlock, type FrozenBlock, type FrozenLinear } from "./block_weights.ts";
import type { ClipConfig } from "./config.ts";

/** The frozen image tower. */
export interface FrozenImageTower {
  /** [D, K] */
  patch: Frozen;
  /** Class embedding plus its position, [1, 1, D]. */
  classRow: Frozen;
  /** Positions of the patches, [1, N, D]. */
  positions: Frozen;
  /** ln_pre's scale and shift, [D]: the residual stream starts behind it, so they cannot be folded into a map. */
  preScale: Frozen;
  preShift: Frozen;
  blocks: FrozenBlock[];
  /** ln_post and the projection in one: [E, D], [E]. */
  projection: FrozenLinear;
  /** Picks the class row, [1, 1, 1 + N]. */
  pick: Frozen;
}

/** Freezes the image tower. */
export function freezeImageTower(
  engine: Engine,
  tensor: (name: string) => HostTensor,
  options: { config: ClipConfig },
): FrozenImageTower {
  const { image, embedding: E } = options.config;
  const D = image.width;
  const N = (image.size / image.patch) ** 2;
  const K = 3 * image.patch * image.patch;
  const positions = tensor("visual.positional_embedding").data;
  const classRow = Float32Array.from(tensor("visual.class_embedding").data);
  for (let i = 0; i < D; i++) classRow[i] += positions[i];
  const projection_DE = tensor("visual.proj").data;
  const turned = new Float32Array(projection_DE.length);
  for (let d = 0; d < D; d++) for (let e = 0; e < E; e++) turned[e * D + d] = projection_DE[d * E + e];
  const folded = foldLayerNorm({ weight: { shape: [E, D], data: turned } }, {
    scale: tensor("visual.ln_post.weight").data,
    shift: tensor("visual.ln_post.bias").data,
  });
  const pick = new Float32Array(1 + N);
  pick[0] = 1;
  const vector = (name: string, data: Float32Array) => engine.freeze(name, { shape: [D], data });
  return {
    patch: engine.freeze("visual.patch", { shape: [D, K], data: tensor("visual.conv1.weight").data }),
    classRow: engine.freeze("visual.class_row", { shape: [1, 1, D], data: classRow }),
    positions: engine.freeze("visual.positions", { shape: [1, N, D], data: positions.slice(D) }),
    preScale: vector("visual.ln_pre.weight", tensor("visual.ln_pre.weight").data),
    preShift: vector("visual.ln_pre.bias", tensor("visual.ln_pre.bias").data),
    blocks: Array.from(
      { length: image.layers },
      (_, i) => freezeBlock(engine, tensor, `visual.transformer.resblocks.${i}`),
    ),
    projection: {
      weight: engine.freeze("visual.projection.weight", folded.weight),
      bias: engine.freeze("visual.projection.bias", folded.bias),
    },
    pick: engine.freeze("visual.pick", { shape: [1, 1, 1 + N], data: pick }),
  };
}

/** Runs patches [B, N, K] through the tower: features [B, E], not normalised, and the way back to the patches. */
export function imageTower<T>(
  ops: Ops<T>,
  tower: FrozenImageTower,
  patches_BNK: T,
): { features: T; pullback(dFeatures_BE: T): T } {
  const [B, N] = ops.shape(patches_BNK);
  const D = tower.preScale.shape[0];
  const E = tower.projection.bias.shape[0];
  const rows_BND = ops.add(ops.linear(patches_BNK, tower.patch), ops.frozen(tower.positions));
  const x_BLD = ops.concat([ops.broadcastTo(ops.frozen(tower.classRow), [B, 1, D]), rows_BND], 1);
  const pre = ops.standardize(x_BLD, LAYER_NORM_EPSILON);
  const preScale = ops.frozen(tower.preScale);
  let h = swapped(ops, ops.add(ops.mul(pre.normalized, preScale), ops.frozen(tower.preShift)));
  const pullbacks: ((dy: T) => T)[] = [];
  tower.blocks.forEach((weights, i) => {
    // Only the class row is read behind the last block.
    const pick = i === tower.blocks.length - 1 ? ops.frozen(tower.pick) : undefined;
    const result = block(ops, h, weights, { pick });
    pullbacks.push(result.pullback);
    h = result.y;
  });
  const final = ops.standardize(h, LAYER_NORM_EPSILON);
  const features = ops.linear(final.normalized, tower.projection.weight, tower.projection.bias);

  function pullback(dFeatures_BE: T): T {
    const dFeatures = ops.reshape(dFeatures_BE, [1, B, E]);
    let dx = centredPullback(ops, ops.linearPullback(dFeatures, tower.projection.weight), final);
    for (let i = pullbacks.length - 1; i >= 0; i--) dx = pullbacks[i](dx);
    dx = standardizePullback(ops, ops.mul(swapped(ops, dx), preScale), pre);
    return ops.linearPullback(ops.slice(dx, [0, 1, 0], [B, N, D]), tower.patch);
  }

  return { features: ops.reshape(features, [B, E]), pullback };
}
