/** A method bound to the towers, and what its programs share. */
import { type FrozenImageTower, type ImageResult, imageTower } from "../clip/image_tower.ts";
import type { PromptLayout } from "../clip/prompt_layout.ts";
import type { FrozenTextTower } from "../clip/text_tower.ts";
import { upperImageTower } from "../clip/upper_image.ts";
import type { Ops } from "../engine/ops.ts";
import type { TapeOps, Var } from "../engine/tape.ts";
import {
  l2Normalize,
  type LossInputs,
  type PromptMethod,
  type PromptShape,
  type TowerPrompts,
} from "../methods/prompt_method.ts";

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

/** The prompted image tower, and what it starts from: patches, or the output of the blocks below the learned tokens. */
interface PromptedImages<T, P> {
  tower: FrozenImageTower;
  below?: PromptShape["below"];
  patches: T;
  prompts: readonly P[];
}

/** The prompted image tower. */
export function promptedTower<T>(
  ops: Ops<T>,
  { tower, below, patches, prompts }: PromptedImages<T, T>,
): Pick<ImageResult<T>, "features" | "pullbackToPrompts"> {
  return below === undefined
    ? imageTower(ops, tower, patches, prompts)
    : upperImageTower(ops, tower, { rows: patches, blocks: below.image, tokens: prompts });
}

/** Image features of the prompted tower, on the tape of `ops`; `plain` is what that tape computes with. */
export function promptedImages<T>(ops: TapeOps<T>, plain: Ops<T>, at: PromptedImages<T, Var<T>>): Var<T> {
  const [B] = plain.shape(at.patches);
  // One set for all images: the broadcast adds up what they want of it.
  const each = at.prompts.map((prompt) => ops.broadcastTo(prompt, [B, ...ops.shape(prompt).slice(1)]));
  const { features, pullbackToPrompts } = promptedTower(plain, { ...at, prompts: each.map(({ value }) => value) });
  return ops.custom(each, features, pullbackToPrompts);
}

/** What a loss sees of the prompted tower's features: unit ones [B, E], and the mean of the learned rows where it follows. */
export function seen<T>(
  ops: Ops<T>,
  raw: T,
  E: number,
): Pick<LossInputs<T>, "imageFeatures_BE" | "tokenFeatures_BD"> {
  const [B, F] = ops.shape(raw);
  if (F === E) return { imageFeatures_BE: l2Normalize(ops, raw) };
  return {
    imageFeatures_BE: l2Normalize(ops, ops.slice(raw, [0, 0], [B, E])),
    tokenFeatures_BD: ops.slice(raw, [0, E], [B, F - E]),
  };
}

/** Values by name. */
export function named<T>(names: readonly string[], values: readonly T[]): Record<string, T> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
