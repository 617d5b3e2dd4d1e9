/** A learned prompt as functions of tensors, of which a graph can be written that needs nothing of this kit. */
import type { ClipModel } from "../clip/model.ts";
import { packTensors } from "../clip/prompt_layout.ts";
import { lowerImageTower } from "../clip/upper_image.ts";
import type { HostTensor, Ops, TensorFunction } from "../engine/ops.ts";
import { tape } from "../engine/tape.ts";
import { cosineLogits } from "../methods/prompt_method.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import { type Bound, promptedTower, seen, textLayers } from "./bound.ts";
import { groupedText } from "./grouped_text.ts";

/** What classifies, as functions of tensors. */
export interface ClassifierFunctions {
  /** Features [B, E] of patches [B, N, K]; those of the frozen image tower when left out. */
  encode?: TensorFunction;
  /** Logits [B, C] of features; undefined where they are no such function. */
  logits?: TensorFunction;
  /** Unit text features [C, E], where the logits are scaled cosines of frozen CLIP's image features with them. */
  texts_CE?: HostTensor;
}

/** What of a prompt does not depend on the image, as it is now. */
export interface Computed {
  params: Readonly<Record<string, HostTensor>>;
  /** Learned tokens of the image tower's layers, [1, M, D] each. */
  imageLayers: readonly HostTensor[];
  /** Text features [1, C, E]; undefined where contexts depend on the image. */
  textFeatures_GCE?: HostTensor;
}

/** Writes what depends on the image as functions of it, and holds the rest as constants. */
export function promptFunctions(
  { config: { embedding: E }, logitScale }: Pick<ClipModel, "config" | "logitScale">,
  { method, layout, text, image }: Bound,
  options: Computed & { learnedFrom: boolean },
): ClassifierFunctions {
  const { params, imageLayers, textFeatures_GCE, learnedFrom } = options;
  const { scores, shape: { below, classSpecific }, classBlock } = method;
  const constants = <T>(ops: Ops<T>): Record<string, T> =>
    Object.fromEntries(Object.entries(params).map(([name, value]) => [name, ops.constant(value)]));

  function encode<T>(ops: Ops<T>, patches: T): T {
    const rows = below === undefined ? patches : lowerImageTower(ops, image!, { patches, blocks: below.image });
    const prompts = imageLayers.map((layer) => ops.constant(layer));
    return promptedTower(ops, { tower: image!, below, patches: rows, prompts }).features;
  }

  /** Text features [B, C, E] of contexts that depend on the image. */
  function textsOf<T>(ops: Ops<T>, imageFeatures_BE: T): T {
    const named = constants(ops);
    const layers = textLayers(method.contexts(ops, { params: named, imageFeatures_BE }), method.deeper?.(ops, named));
    const taped = tape(ops);
    return groupedText(taped, ops, {
      tower: text,
      layout,
      layers: layers.map((layer) => taped.fixed(layer)),
      classSpecific,
      classBlock,
      packs: Object.values(packTensors(layout)).map((pack) => ops.constant(pack)),
    }).value;
  }

  function logits<T>(ops: Ops<T>, features: T): T {
    const image = seen(ops, features, E);
    const texts = textFeatures_GCE === undefined
      ? textsOf(ops, image.imageFeatures_BE)
      : ops.constant(textFeatures_GCE);
    return scores === undefined
      ? cosineLogits(ops, { textFeatures_GCE: texts, ...image, logitScale })
      : scores.logits(ops, {
        params: constants(ops),
        textFeatures_GCE: texts,
        ...image,
        rawFeatures_BE: features,
        logitScale,
        learnedFrom,
      });
  }

  const isPlain = image === undefined && scores === undefined && textFeatures_GCE !== undefined;
  return {
    encode: image && encode,
    logits,
    texts_CE: isPlain
      ? normalizeRows({ shape: textFeatures_GCE.shape.slice(1), data: textFeatures_GCE.data })
      : undefined,
  };
}
