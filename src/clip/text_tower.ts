/**
 * CLIP's text tower (openai/CLIP clip/model.py:343-356) on packed prompts, forward and pull-back.
 *
 * Shapes: `N` packs, `L` rows a pack, `M` learned tokens, `Q` prompts a pack, `D` width, `E` embedding, `H` heads, `d` = D/H.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";
import { standardized } from "../engine/fused.ts";
import { pickRows, spreadRows, swapped } from "../engine/rows.ts";
import { freezeBlock, freezeProjection, type FrozenBlock, type FrozenLinear } from "./block_weights.ts";
import { type ClipConfig, epsilonOf } from "./config.ts";
import type { PromptLayout } from "./prompt_layout.ts";
import { type LearnedRows, stack, type StackOptions, type StackResult } from "./stack.ts";

/** The frozen text tower. */
export interface FrozenTextTower {
  /** From the first to the last. */
  blocks: FrozenBlock[];
  /** ln_final and the projection in one: [E, D], [E]. */
  projection: FrozenLinear;
  /** LayerNorm's. */
  epsilon: number;
  /** Keys and values of the start token in each block, [1, 1, H, d]. */
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
  /** [N or 1, Q, L], or of the branch's rows. */
  pick: T;
  /** Rows that no classes share any more, from a block on; see `PromptLayout.branch`. */
  branch?: {
    /** The block whose input they are, counted from 0. */
    block: number;
    /** Each class's tokens, which take the place of the contexts, [N or 1, Q·M, D]. */
    tokens: T;
    place: T;
    spread: T;
    mask: T;
  };
}

/** What a pass returns. */
export interface TextResult<T> {
  /** [N, Q, E], not normalised. */
  features: T;
  /** From the gradient at the features to the gradient at all rows, [N, L, D]. */
  pullback(dFeatures_NQE: T): T;
  /**
   * From the gradient at the features to the gradient at each layer's contexts, [N, M, D], and at the branch's tokens:
   * one for each pack, also where packs share them. Throws {@linkcode Error} when there are none.
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
    (_, i) => freezeBlock(engine, tensor, { prefix: `transformer.resblocks.${i}`, tower: text }),
  );
  const projection = freezeProjection(engine, tensor, { norm: "ln_final", projection: "text_projection" });
  const row = Float32Array.from(options.startEmbedding);
  const positions = tensor("positional_embedding").data;
  for (let i = 0; i < text.width; i++) row[i] += positions[i];
  const program = engine.program(
    "start_token",
    (ops, [x]) => stack(ops, x, blocks).attended.flatMap(({ keys, values }) => [keys(), values()]),
  );
  const outputs = await program.run([{ shape: [1, 1, text.width], data: row }]);
  await program.dispose();
  const start = blocks.map((_, i) => ({
    keys: engine.freeze(`start_token.${i}.keys`, outputs[2 * i]),
    values: engine.freeze(`start_token.${i}.values`, outputs[2 * i + 1]),
  }));
  return { blocks, projection, epsilon: epsilonOf(text), start };
}

/** Runs packs through the tower. With `plain`, the start token is a row like any other, as in the published code. */
export function textTower<T>(
  ops: Ops<T>,
  tower: FrozenTextTower,
  inputs: TextInputs<T> & { plain?: boolean },
): TextResult<T> {
  const { learned, fixed, mask, pick, branch, plain = false } = inputs;
  const x_NLD = learned === undefined ? fixed : ops.add(ops.matMul(learned.place, learned.layers[0]), fixed);
  const start = startOf(ops, tower);
  const split = branch?.block ?? tower.blocks.length;
  const lower = stack(ops, swapped(ops, x_NLD), tower.blocks.slice(0, split), {
    learned,
    mask,
    pick: branch === undefined ? pick : undefined,
    shared: plain ? undefined : start,
  });
  const rows = branch === undefined ? lower : branched(ops, lower, {
    branch,
    upper: (x) =>
      stack(ops, x, tower.blocks.slice(split), { mask: branch.mask, pick, shared: (layer) => start(split + layer) }),
  });
  const final = standardized(ops, rows.y, tower.epsilon);
  const features = swapped(ops, ops.linear(final.normalized, tower.projection.weight, tower.projection.bias));
  const toRows = (dFeatures_NQE: T) =>
    final.pullback(ops.linearPullback(swapped(ops, dFeatures_NQE), tower.projection.weight), { centred: true });

  return {
    features,
    pullback: (dFeatures) => swapped(ops, rows.pullback(toRows(dFeatures))),
    pullbackToLearned: (dFeatures) => rows.pullbackToLearned(toRows(dFeatures)),
  };
}

/** Goes on from the rows of `lower` with rows that no classes share, each class's tokens among them. */
function branched<T>(
  ops: Ops<T>,
  lower: StackResult<T>,
  { branch, upper }: { branch: NonNullable<TextInputs<T>["branch"]>; upper: (x_KND: T) => StackResult<T> },
): Pick<StackResult<T>, "y" | "pullback" | "pullbackToLearned"> {
  const { place, spread, tokens } = branch;
  const { y, pullback } = upper(ops.add(pickRows(ops, spread, lower.y), swapped(ops, ops.matMul(place, tokens))));
  return {
    y,
    pullback: (dy) => lower.pullback(spreadRows(ops, spread, pullback(dy))),
    pullbackToLearned(dy) {
      const dx = pullback(dy);
      return [...lower.pullbackToLearned(spreadRows(ops, spread, dx)), swapped(ops, spreadRows(ops, place, dx))];
    },
  };
}

/**
 * The tower's inputs from a layout's tensors, in the order of `packTensors`, and learned tokens: contexts, those of deeper
 * layers, and, where the rows branch before block `classBlock`, each class's.
 */
export function packedInputs<T>(
  packs: readonly T[],
  layers: readonly T[],
  { layout, classBlock }: { layout: Pick<PromptLayout, "placedOnce" | "learnedFrom">; classBlock?: number },
): TextInputs<T> {
  const [place, fixed, mask, pick, ...later] = packs;
  const rows = { place, placedOnce: layout.placedOnce, from: layout.learnedFrom };
  if (classBlock === undefined) return { learned: { ...rows, layers }, fixed, mask, pick };
  const branch = { block: classBlock, tokens: layers.at(-1)!, place: later[0], spread: later[1], mask: later[2] };
  return { learned: { ...rows, layers: layers.slice(0, -1) }, fixed, mask, pick, branch };
}

/** Keys and values of the start token in each block. */
function startOf<T>(ops: Ops<T>, tower: FrozenTextTower): NonNullable<StackOptions<T>["shared"]> {
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
