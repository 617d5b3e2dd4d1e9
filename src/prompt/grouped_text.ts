/**
 * The text tower as a differentiable function of contexts: every group of contexts with every pack of classes.
 *
 * Shapes: `G` groups, `C` classes, `P` packs, `Q` classes a pack, `L` rows a pack, `M` context tokens, `D`, `E`.
 */
import type { PromptLayout } from "../clip/prompt_layout.ts";
import { type FrozenTextTower, packedInputs, textTower } from "../clip/text_tower.ts";
import type { Ops } from "../engine/ops.ts";
import type { TapeOps, Var } from "../engine/tape.ts";

/** Learned tokens and packed prompts, as tensors of a program. */
export interface GroupedText<T> {
  tower: FrozenTextTower;
  layout: PromptLayout;
  /**
   * Learned tokens of layer 0, the contexts, and of deeper layers: [G, M, D], or [C, M, D] when class-specific; last, where
   * rows branch, those of each class, [C, M, D].
   */
  layers: readonly Var<T>[];
  classSpecific: boolean;
  /** The block before which rows branch. */
  classBlock?: number;
  /** The layout's tensors, in the order of `packTensors`. */
  packs: readonly T[];
}

/** Text features [G, C, E], not normalised, on the tape of `ops`; `plain` is what that tape computes with. */
export function groupedText<T>(ops: TapeOps<T>, plain: Ops<T>, at: GroupedText<T>): Var<T> {
  const { layout, classSpecific, classBlock } = at;
  const [P, Q] = layout.pick.shape;
  const C = layout.classes;
  const ofClasses = classBlock === undefined ? [] : at.layers.slice(-1);
  const shared = at.layers.slice(0, at.layers.length - ofClasses.length);
  const byPack = (layer: Var<T>) => contextsByPack(ops, layer, { P, Q });
  const layers_G = classSpecific ? shared.map(byPack) : shared;
  const G = classSpecific ? 1 : ops.shape(layers_G[0])[0];
  const { layers: ofGroups, packs } = paired(ops, plain, { layers_G, packs: at.packs, G, P, classSpecific });
  const layers = [...ofGroups, ...ofClasses.map(byPack)];
  const { features, pullbackToLearned } = textTower(
    plain,
    at.tower,
    packedInputs(packs, layers.map(({ value }) => value), { classBlock, layout }),
  );
  const onTape = ops.custom(layers, features, pullbackToLearned);
  const E = plain.shape(features)[2];
  const all = ops.reshape(onTape, [G, P * Q, E]);
  return P * Q === C ? all : ops.slice(all, [0, 0, 0], [G, C, E]);
}

/** One sequence for each pairing of a group with a pack, groups first: learned tokens and packs copied as often as needed. */
function paired<T>(
  ops: TapeOps<T>,
  plain: Ops<T>,
  at: { layers_G: readonly Var<T>[]; packs: readonly T[]; G: number; P: number; classSpecific: boolean },
): { layers: readonly Var<T>[]; packs: readonly T[] } {
  const { layers_G, packs, G, P } = at;
  if (at.classSpecific || P === 1) return { layers: layers_G, packs };
  const [, M, D] = ops.shape(layers_G[0]);
  if (G === 1) return { layers: layers_G.map((layer) => ops.broadcastTo(layer, [P, M, D])), packs };
  const repeated = (x: T) => {
    const shape = plain.shape(x);
    const each = plain.broadcastTo(plain.reshape(x, [1, ...shape]), [G, ...shape]);
    return plain.reshape(each, [G * P, ...shape.slice(1)]);
  };
  const layers = layers_G.map((layer) => {
    const each = ops.broadcastTo(ops.reshape(layer, [G, 1, M, D]), [G, P, M, D]);
    return ops.reshape(each, [G * P, M, D]);
  });
  return { layers, packs: packs.map(repeated) };
}

/** Class-specific contexts [C, M, D] as the packs see them, [P, Q·M, D]: classes that fill up the last pack are zero. */
function contextsByPack<T>(ops: Ops<T>, contexts_CMD: T, packs: { P: number; Q: number }): T {
  const [C, M, D] = ops.shape(contexts_CMD);
  const missing = packs.P * packs.Q - C;
  const whole = missing === 0 ? contexts_CMD : ops.concat([
    contexts_CMD,
    ops.broadcastTo(ops.constant({ shape: [1, 1, 1], data: new Float32Array(1) }), [missing, M, D]),
  ], 0);
  return ops.reshape(whole, [packs.P, packs.Q * M, D]);
}
