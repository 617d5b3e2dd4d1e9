/** A method bound to the towers, and what its programs share. */
import { type FrozenImageTower, imageTower } from "../clip/image_tower.ts";
import type { PromptLayout } from "../clip/prompt_layout.ts";
import type { FrozenTextTower } from "../clip/text_tower.ts";
import type { Ops } from "../engine/ops.ts";
import type { TapeOps, Var } from "../engine/tape.ts";
import type { PromptMethod, TowerPrompts } from "../methods/prompt_method.ts";

/** What a method is bound to. */
export interface Bound {
  method: PromptMethod;
  layout: PromptLayout;
  text: FrozenTextTower;
  /** The image tower, where the method prompts it. */
  image?: FrozenImageTower;
}

/** The learned tokens of the text tower: contexts, those of deeper layers, and each class's where rows branch. */
export function textLayers<T>(contexts: T, { text, classes }: Partial<TowerPrompts<T>> = {}): T[] {
  return [contexts, ...text ?? [], ...(classes === undefined ? [] : [classes])];
}

/** Image features [B, E] of the prompted tower, on the tape of `ops`; `plain` is what that tape computes with. */
export function promptedImages<T>(
  ops: TapeOps<T>,
  plain: Ops<T>,
  at: { tower: FrozenImageTower; patches: T; prompts: readonly Var<T>[] },
): Var<T> {
  const [B] = plain.shape(at.patches);
  // One set for all images: the broadcast adds up what they want of it.
  const each = at.prompts.map((prompt) => ops.broadcastTo(prompt, [B, ...ops.shape(prompt).slice(1)]));
  const { features, pullbackToPrompts } = imageTower(plain, at.tower, at.patches, each.map(({ value }) => value));
  return ops.custom(each, features, pullbackToPrompts);
}

/** Values by name. */
export function named<T>(names: readonly string[], values: readonly T[]): Record<string, T> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
