/**
 * CLIP's text tower (openai/CLIP clip/model.py:343-356) on packed prompts, forward and pull-back.
 *
 * Shapes: `N` packs, `L` rows a pack, `M` learned tokens, `Q` prompts a pack, `D` width, `E` embedding, `H` heads.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";
import { centredPullback, LAYER_NORM_EPSILON, swapped } from "./block.ts";
import { freezeBlock, freezeProjection, type FrozenBlock, type FrozenLinear } from "./block_weights.ts";
import type { ClipConfig } from "./config.ts";
import { type LearnedRows, stack, type StackOptions } from "./stack.ts";

/** The frozen text tower. */
export interface FrozenTextTower {
  /** From the first to the last. */
  blocks: FrozenBlock[];
  /** ln_final and the projection in one: [E, D], [E]. */
  projection: FrozenLinear;
  /** Keys and values of the start token in each block, [1, 1, H, 64]. */
  start: { keys: Frozen; values: Frozen }[];
}

/** One or more packs of prompts, as tensors of a program. */
export interface TextInputs<T> {
  /**
   * The contexts [N or 1, M, D] of layer 0, whose rows of `fixed` are their positions, and for deep prompts those of the
   * layers after it, which get no positions.
   */
  learned?: LearnedRows<T>;
  /** [N or 1, L, D] */
  fixed: T;
  /** [N or 1, 1, L, 1 + L], or [… L, L] when the start token is a row of the pack. */
  mask: T;
  /** [N or 1, Q, L] */
  pick: T;
}

/** What a pass returns. */
export interface TextResult<T> {
  /** [N, Q, E], not normalised. */
  features: T;
  /** From the gradient at the features to the gradient at all rows, [N, L, D]. */
  pullback(dFeatures_NQE: T): T;
  /**
   * From the gradient at the features to the gradient at each layer's contexts, [N, M, D]: one for each pack, also where
   * packs share them. Throws {@linkcode Error} when there are none.
   */
  pullbackToLearned(dFeatures_NQE: T): T[];
}

/** Freezes the text tower and computes the start token's keys and values. */
export async function freezeTextTower(
  engine: Engine,
  tensor: (name: string) => HostTensor,
  options: { config: ClipConfig; startEmbedding: Float32Array },
): Promise<FrozenTextTower> {
  const { text } = options.config;
  const blocks = Array.from(
    { length: text.layers },
    (_, i) => freezeBlock(engine, tensor, `transformer.resblocks.${i}`),
  );
  const projection = freezeProjection(engine, tensor, { norm: "ln_final", projection: "text_projection" });
  const row = Float32Array.from(options.startEmbedding);
  const positions = tensor("positional_embedding").data;
  for (let i = 0; i < text.width; i++) row[i] += positions[i];
  const program = engine.program(
    "start_token",
    (ops, [x]) => stack(ops, x, blocks).attended.flatMap(({ keys, values }) => [keys, values]),
  );
  const outputs = await program.run([{ shape: [1, 1, text.width], data: row }]);
  await program.dispose();
  const start = blocks.map((_, i) => ({
    keys: engine.freeze(`start_token.${i}.keys`, outputs[2 * i]),
    values: engine.freeze(`start_token.${i}.values`, outputs[2 * i + 1]),
  }));
  return { blocks, projection, start };
}

/** Runs packs through the tower. With `plain`, the start token is a row like any other, as in the published code. */
export function textTower<T>(
  ops: Ops<T>,
  tower: FrozenTextTower,
  inputs: TextInputs<T> & { plain?: boolean },
): TextResult<T> {
  const { learned, fixed, mask, pick, plain = false } = inputs;
  const x_NLD = learned === undefined ? fixed : ops.add(ops.matMul(learned.place, learned.layers[0]), fixed);
  const rows = stack(ops, swapped(ops, x_NLD), tower.blocks, {
    learned,
    mask,
    pick,
    shared: plain ? undefined : startOf(ops, tower),
  });
  const final = ops.standardize(rows.y, LAYER_NORM_EPSILON);
  const features = swapped(ops, ops.linear(final.normalized, tower.projection.weight, tower.projection.bias));
  const toRows = (dFeatures_NQE: T) =>
    centredPullback(ops, ops.linearPullback(swapped(ops, dFeatures_NQE), tower.projection.weight), final);

  return {
    features,
    pullback: (dFeatures) => swapped(ops, rows.pullback(toRows(dFeatures))),
    pullbackToLearned: (dFeatures) => rows.pullbackToLearned(toRows(dFeatures)),
  };
}

/** Keys and values of the start token in each block. */
function startOf<T>(ops: Ops<T>, tower: FrozenTextTower): StackOptions<T>["shared"] {
  return (layer) => {
    const { keys, values } = tower.start[layer];
    return { keys: ops.frozen(keys), values: ops.frozen(values) };
  };
}

/** The rows [N, L, D] that the first `blocks` blocks make of packs without learned tokens. */
export function lowerTextTower<T>(
  ops: Ops<T>,
  tower: FrozenTextTower,
  at: Pick<TextInputs<T>, "fixed" | "mask"> & { blocks: number },
): T {
  const shared = startOf(ops, tower);
  return swapped(
    ops,
    stack(ops, swapped(ops, at.fixed), tower.blocks.slice(0, at.blocks), { mask: at.mask, shared }).y,
  );
}

/** The tower without its first blocks. */
export function upperTextTower(tower: FrozenTextTower, blocks: number): FrozenTextTower {
  return { ...tower, blocks: tower.blocks.slice(blocks), start: tower.start.slice(blocks) };
}

/** A causal mask over `rows` rows without a constant start token, [1, 1, L, L], as published (clip/model.py:328-334). */
export function causalMask(rows: number, forbidden: number): HostTensor {
  const data = new Float32Array(rows * rows);
  for (let r = 0; r < rows; r++) data.fill(forbidden, r * rows + r + 1, (r + 1) * rows);
  return { shape: [1, 1, rows, rows], data };
}
