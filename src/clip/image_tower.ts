/**
 * CLIP's vision transformer (openai/CLIP clip/model.py:206-240), forward and pull-back.
 *
 * Shapes: `B` images, `N` patches, `K` = 3·patch² numbers of a patch, `M` learned rows, `D` width, `E` embedding.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";
import { standardized } from "../engine/fused.ts";
import { swapped } from "../engine/rows.ts";
import { freezeBlock, freezeProjection, type FrozenBlock, type FrozenLinear } from "./block_weights.ts";
import { type ClipConfig, epsilonOf } from "./config.ts";
import { stack } from "./stack.ts";

/** The frozen image tower. */
export interface FrozenImageTower {
  /** [D, K] */
  patch: Frozen;
  /** Class embedding plus its position, [1, 1, D]. */
  classRow: Frozen;
  /** Positions of the patches, [1, N, D]. */
  positions: Frozen;
  /** LayerNorm's. */
  epsilon: number;
  /** ln_pre's scale and shift, [D]: the residual stream starts after it, so they cannot be folded into a map. */
  preScale: Frozen;
  preShift: Frozen;
  blocks: FrozenBlock[];
  /** ln_post and the projection in one: [E, D], [E]. */
  projection: FrozenLinear;
  /** ln_post's scale and shift, [D], for rows that another projection follows. */
  postScale: Frozen;
  postShift: Frozen;
  /** Picks the class row, [1, 1, 1 + N]. */
  pick: Frozen;
}

/** Freezes the image tower. */
export function freezeImageTower(
  engine: Engine,
  tensor: (name: string) => HostTensor,
  options: { config: ClipConfig },
): FrozenImageTower {
  const { image } = options.config;
  const D = image.width;
  const N = (image.size / image.patch) ** 2;
  const K = 3 * image.patch * image.patch;
  const positions = tensor("visual.positional_embedding").data;
  const classRow = Float32Array.from(tensor("visual.class_embedding").data);
  for (let i = 0; i < D; i++) classRow[i] += positions[i];
  const pick = new Float32Array(1 + N);
  pick[0] = 1;
  return {
    patch: engine.freeze("visual.patch", { shape: [D, K], data: tensor("visual.conv1.weight").data }),
    classRow: engine.freeze("visual.class_row", { shape: [1, 1, D], data: classRow }),
    positions: engine.freeze("visual.positions", { shape: [1, N, D], data: positions.slice(D) }),
    epsilon: epsilonOf(image),
    preScale: engine.freeze("visual.ln_pre.weight", tensor("visual.ln_pre.weight")),
    preShift: engine.freeze("visual.ln_pre.bias", tensor("visual.ln_pre.bias")),
    blocks: Array.from(
      { length: image.layers },
      (_, i) => freezeBlock(engine, tensor, { prefix: `visual.transformer.resblocks.${i}`, tower: image }),
    ),
    projection: freezeProjection(engine, tensor, { norm: "visual.ln_post", projection: "visual.proj" }),
    postScale: engine.freeze("visual.ln_post.weight", tensor("visual.ln_post.weight")),
    postShift: engine.freeze("visual.ln_post.bias", tensor("visual.ln_post.bias")),
    pick: engine.freeze("visual.pick", { shape: [1, 1, 1 + N], data: pick }),
  };
}

/** What a pass returns. */
export interface ImageResult<T> {
  /** [B, E], not normalised. */
  features: T;
  /** From the gradient at the features to the gradient at the patches, [B, N, K]. */
  pullback(dFeatures_BE: T): T;
  /**
   * From the gradient at the features to the gradient at each layer's prompts, [B, M, D]: one for each image, also where
   * images share them. Throws {@linkcode Error} when there are none.
   */
  pullbackToPrompts(dFeatures_BE: T): T[];
}

/**
 * Runs patches [B, N, K] through the tower.
 *
 * `prompts` are learned rows [B or 1, M, D] of layer 0, 1, …, as published: those of layer 0 follow the patches, get no
 * position and go through ln_pre with all other rows; those of deeper layers replace them before their block.
 */
export function imageTower<T>(
  ops: Ops<T>,
  tower: FrozenImageTower,
  patches_BNK: T,
  prompts: readonly T[] = [],
): ImageResult<T> {
  const [B, N] = ops.shape(patches_BNK);
  const D = tower.preScale.shape[0];
  const E = tower.projection.bias.shape[0];
  const image = firstRows(ops, tower, patches_BNK);
  const { pre } = image;
  const M = prompts.length === 0 ? 0 : ops.shape(prompts[0])[1];
  const prompted = prompts.length === 0 ? undefined : beforeBlocks(ops, tower, prompts[0]);
  const x_BLD = prompted === undefined
    ? image.rows
    : ops.concat([image.rows, ops.broadcastTo(prompted.rows, [B, M, D])], 1);
  const rows = stack(ops, swapped(ops, x_BLD), tower.blocks, {
    learned: prompted && { place: atTheEnd(ops, 1 + N, M), placedOnce: true, from: 1 + N, layers: prompts },
    // Only the class row is read after the last block.
    pick: prompted === undefined ? ops.frozen(tower.pick) : firstRow(ops, 1 + N + M),
  });
  const final = standardized(ops, rows.y, tower.epsilon);
  const features = ops.linear(final.normalized, tower.projection.weight, tower.projection.bias);
  const toRows = (dFeatures_BE: T) => {
    const dFeatures = ops.reshape(dFeatures_BE, [1, B, E]);
    return final.pullback(ops.linearPullback(dFeatures, tower.projection.weight), { centred: true });
  };

  return {
    features: ops.reshape(features, [B, E]),
    pullback(dFeatures_BE) {
      const dRows = swapped(ops, rows.pullback(toRows(dFeatures_BE)));
      const dImage = prompted === undefined ? dRows : ops.slice(dRows, [0, 0, 0], [B, 1 + N, D]);
      const dx = pre.pullback(scaled(ops, tower, dImage));
      return ops.linearPullback(ops.slice(dx, [0, 1, 0], [B, N, D]), tower.patch);
    },
    pullbackToPrompts(dFeatures_BE) {
      const [first, ...deeper] = rows.pullbackToLearned(toRows(dFeatures_BE));
      return [prompted!.pre.pullback(scaled(ops, tower, first)), ...deeper];
    },
  };
}

function scaled<T>(ops: Ops<T>, tower: FrozenImageTower, x: T): T {
  return ops.mul(x, ops.frozen(tower.preScale));
}

/** ln_pre. */
function beforeBlocks<T>(ops: Ops<T>, tower: FrozenImageTower, x: T) {
  const pre = standardized(ops, x, tower.epsilon);
  return { pre, rows: ops.add(scaled(ops, tower, pre.normalized), ops.frozen(tower.preShift)) };
}

/** The first block's input, [B, 1 + N, D]: the class row, then the patches'. */
export function firstRows<T>(ops: Ops<T>, tower: FrozenImageTower, patches_BNK: T) {
  const [B] = ops.shape(patches_BNK);
  const classRow = ops.broadcastTo(ops.frozen(tower.classRow), [B, 1, tower.preScale.shape[0]]);
  const patchRows_BND = ops.add(ops.linear(patches_BNK, tower.patch), ops.frozen(tower.positions));
  return beforeBlocks(ops, tower, ops.concat([classRow, patchRows_BND], 1));
}

/** 0/1, [1, L, M]: `M` learned tokens follow `before` other rows. */
export function atTheEnd<T>(ops: Ops<T>, before: number, M: number): T {
  const data = new Float32Array((before + M) * M);
  for (let m = 0; m < M; m++) data[(before + m) * M + m] = 1;
  return ops.constant({ shape: [1, before + M, M], data });
}

/** Picks the first of `rows` rows, [1, 1, L]. */
function firstRow<T>(ops: Ops<T>, rows: number): T {
  return ops.constant({ shape: [1, 1, rows], data: Float32Array.of(1, ...new Float32Array(rows - 1)) });
}
