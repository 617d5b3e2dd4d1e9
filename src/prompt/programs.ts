/**
 * The programs of a method that is bound to the towers and to packed prompts, and how they are called.
 *
 * A method's *layers* are its learned tokens: contexts first, then those of deeper text layers, then the image tower's.
 *
 * Shapes: see `src/methods/prompt_method.ts`; `K` numbers of a patch.
 */
import type { ClipModel } from "../clip/model.ts";
import { lowerImageTower } from "../clip/upper_image.ts";
import type { Frozen, HostTensor, Ops, ProgramFunction } from "../engine/ops.ts";
import { tape, type TapeOps, type Var } from "../engine/tape.ts";
import { cosineLogits, type PromptMethod } from "../methods/prompt_method.ts";
import { packTensors } from "../clip/prompt_layout.ts";
import { type Descending, descending, type DescentOptions } from "./descent.ts";
import { type Bound, named, promptedImages, promptedTower, seen, textLayers } from "./bound.ts";
import { frozenImages } from "./frozen_images.ts";
import { groupedText } from "./grouped_text.ts";
import { type MetaPrograms, metaPrograms } from "./meta_programs.ts";

/** The learned numbers by name, in the order of the method's. */
type Parameters = Readonly<Record<string, HostTensor>>;

/** Images of a step. */
export interface LabelledImages {
  /** Frozen CLIP's features [B, E], L2-normalised; as the tower gives them for a method with a head. Absent where none are read. */
  storedFeatures_BE?: HostTensor;
  /** One-hot [B, C]. */
  labels_BC: HostTensor;
  /** The patches of the same views, [B, N, K], where the method prompts the image tower; or what is below its tokens. */
  patches_BNK?: HostTensor;
}

/** One loss of a method, and its gradient at each parameter. */
export interface Descent {
  loss: number;
  gradients: Record<string, Float32Array>;
}

/** Learned tokens, tower by tower. */
export interface Layers {
  /** Contexts [G, M, D] (or [C, M, D] when class-specific), deeper layers [1, M, D], and those of classes [C, M, D]. */
  text: HostTensor[];
  /** [1, M, D] each. */
  image: HostTensor[];
}

/** The programs of a method. Each takes the present parameters. */
export interface PromptPrograms {
  /** All losses and their gradients: learned tokens, towers and loss in one program. */
  step(params: Parameters, images: LabelledImages): Promise<Descent[]>;
  /** The step with the optimiser's behind it, on an engine whose device is apart from the host; undefined elsewhere. */
  readonly descent?: {
    open(options: DescentOptions): Descending;
    /** What it takes besides. */
    inputs(images: LabelledImages): (HostTensor | Frozen)[];
  };
  /** The learned tokens of all layers. */
  layers(params: Parameters, storedFeatures_BE: HostTensor | undefined): Promise<Layers>;
  /**
   * All losses at given text features [G, C, E] and image features [B, E], not normalised; gradients at those, and at
   * the parameters where a loss uses them directly.
   */
  losses(
    params: Parameters,
    inputs: LabelledImages & { textFeatures_GCE: HostTensor; rawFeatures_BE?: HostTensor },
  ): Promise<(Descent & { dTextFeatures_GCE: HostTensor; dRawFeatures_BE?: HostTensor })[]>;
  /** From the gradients at the learned tokens to the gradient at each parameter. */
  layersPullback(
    params: Parameters,
    inputs: { storedFeatures_BE?: HostTensor; dLayers: readonly HostTensor[] },
  ): Promise<Record<string, Float32Array>>;
  /** What the blocks below the learned tokens make of patches, [B, 1 + N, D]: it stands for patches everywhere else. */
  lowerImages(patches_BNK: HostTensor): Promise<HostTensor>;
  /** Image features [B, E] of the prompted tower, not normalised. */
  encodeImages(layers: readonly HostTensor[], patches_BNK: HostTensor): Promise<HostTensor>;
  /** The gradients at the image tower's learned tokens. */
  imagesPullback(
    layers: readonly HostTensor[],
    inputs: { patches_BNK: HostTensor; dRawFeatures_BE: HostTensor },
  ): Promise<HostTensor[]>;
  /** The programs of a method that learns how to regularise; undefined for others. */
  meta?: MetaPrograms;
  /** Logits [B, C]: the method's own, or scaled cosines. */
  logits(
    params: Parameters,
    inputs: { textFeatures_GCE: HostTensor; imageFeatures_BE: HostTensor; learnedFrom: boolean },
  ): Promise<HostTensor>;
  /** Frees what only steps run; it is prepared again when a step needs it. */
  endSteps(): Promise<void>;
  /** Frees the programs, and the frozen numbers of the method and of its prompts. */
  dispose(): Promise<void>;
}

/** Binds a method's programs to the model's engine. Each is prepared when it first runs. */
export function promptPrograms(model: ClipModel, bound: Bound): PromptPrograms {
  const { engine, logitScale, config: { embedding } } = model;
  const { method, layout, image } = bound;
  const { below } = method.shape;
  const names = Object.keys(method.params);
  const packs = Object.entries(packTensors(layout)).map(([name, value]) => engine.freeze(name, value));
  const frozen = Object.entries(method.frozen ?? {})
    .map(([name, value]) => engine.freeze(`${method.name}.${name}`, value));
  const ofText = 1 + (method.depth?.text ?? 0) + (method.classBlock === undefined ? 0 : 1);

  const stepped = stepFunction(bound, { logitScale, embedding });
  const step = engine.program(`${method.name}_step`, stepped);
  const layers = engine.program(`${method.name}_contexts`, layersFunction(method));
  const losses = engine.program(`${method.name}_loss`, lossFunction(bound, { logitScale, embedding }));
  const pullback = engine.program(
    `${method.name}_contexts_pullback`,
    layersPullbackFunction(method, ofText + (method.depth?.image ?? 0)),
  );
  const images = engine.program(`${method.name}_images`, (ops, [patches, ...prompts]) => [
    promptedTower(ops, { tower: image!, below, patches, prompts }).features,
  ]);
  const lower = engine.program(`${method.name}_lower_images`, (ops, [patches]) => [
    lowerImageTower(ops, image!, { patches, blocks: below!.image }),
  ]);
  const imagesPullback = engine.program(
    `${method.name}_images_pullback`,
    (ops, [patches, dRaw, ...prompts]) =>
      promptedTower(ops, { tower: image!, below, patches, prompts }).pullbackToPrompts(dRaw)
        .map((dEach, i) => ops.reshape(ops.sum(dEach, 0), ops.shape(prompts[i]))),
  );
  const { scores } = method;
  const scored = scores?.params ?? [];
  const logits = [false, true].map((learnedFrom) =>
    engine.program(`${method.name}_logits`, (ops, [textFeatures_GCE, raw, ...values]) => [
      scores === undefined
        ? cosineLogits(ops, { textFeatures_GCE, imageFeatures_BE: raw, logitScale })
        : scores.logits(ops, {
          params: named(scored, values),
          textFeatures_GCE,
          ...seen(ops, raw, embedding),
          rawFeatures_BE: raw,
          logitScale,
          learnedFrom,
        }),
    ])
  );

  const inOrder = (params: Parameters) => names.map((name) => params[name]);
  const byName = (tensors: readonly HostTensor[]) => named(names, tensors.map(({ data }) => data));
  const shown = ({ patches_BNK }: LabelledImages) => image === undefined ? [] : [patches_BNK!];
  const given = (storedFeatures_BE: HostTensor | undefined) =>
    storedFeatures_BE === undefined ? [] : [storedFeatures_BE];

  /** What a step takes besides the parameters. */
  const besides = (images: LabelledImages) => {
    return [...given(images.storedFeatures_BE), images.labels_BC, ...frozen, ...packs, ...shown(images)];
  };
  const { memory } = engine;
  const descent = memory && {
    open: (options: DescentOptions) =>
      descending(memory, { ...options, name: `${method.name}_descent`, step: stepped, params: method.params }),
    inputs: besides,
  };

  const meta = method.meta && metaPrograms(engine, { bound, logitScale, frozen, packs });
  async function endSteps(): Promise<void> {
    await meta?.dispose();
    for (const program of [step, losses, pullback, imagesPullback]) await program.dispose();
  }
  return {
    meta,
    descent,
    async step(params, inputs) {
      const outputs = await step.run([...inOrder(params), ...besides(inputs)]);
      return byLoss(outputs, names.length).map(({ loss, gradients }) => ({ loss, gradients: byName(gradients) }));
    },
    async layers(params, storedFeatures_BE) {
      const all = await layers.run([...inOrder(params), ...given(storedFeatures_BE)]);
      return { text: all.slice(0, ofText), image: all.slice(ofText) };
    },
    async losses(params, { textFeatures_GCE, rawFeatures_BE, storedFeatures_BE, labels_BC }) {
      const features = rawFeatures_BE === undefined ? [textFeatures_GCE] : [textFeatures_GCE, rawFeatures_BE];
      const outputs = await losses.run([
        ...inOrder(params),
        ...features,
        ...given(storedFeatures_BE),
        labels_BC,
        ...frozen,
      ]);
      return byLoss(outputs, features.length + names.length).map(({ loss, gradients }) => ({
        loss,
        gradients: byName(gradients.slice(features.length)),
        dTextFeatures_GCE: gradients[0],
        dRawFeatures_BE: rawFeatures_BE && gradients[1],
      }));
    },
    async layersPullback(params, { storedFeatures_BE, dLayers }) {
      return byName(await pullback.run([...inOrder(params), ...given(storedFeatures_BE), ...dLayers]));
    },
    async lowerImages(patches_BNK) {
      return (await lower.run([patches_BNK]))[0];
    },
    async encodeImages(prompts, patches_BNK) {
      return (await images.run([patches_BNK, ...prompts]))[0];
    },
    async imagesPullback(prompts, { patches_BNK, dRawFeatures_BE }) {
      return await imagesPullback.run([patches_BNK, dRawFeatures_BE, ...prompts]);
    },
    async logits(params, { textFeatures_GCE, imageFeatures_BE, learnedFrom }) {
      const values = scored.map((name) => params[name]);
      return (await logits[Number(learnedFrom)].run([textFeatures_GCE, imageFeatures_BE, ...values]))[0];
    },
    endSteps,
    async dispose() {
      await endSteps();
      for (const program of [layers, images, lower, ...logits]) await program.dispose();
      for (const value of [...packs, ...frozen]) engine.release(value);
    },
  };
}

/** What the losses need of the model. */
type Scale = Pick<ClipModel, "logitScale"> & Pick<ClipModel["config"], "embedding">;

/**
 * Inputs: parameters, stored features where they are read, labels, the method's frozen numbers, packs, patches. Outputs: see
 * {@linkcode descents}.
 */
function stepFunction({ method, layout, text, image }: Bound, { logitScale, embedding }: Scale): ProgramFunction {
  const [names, frozenNames] = [Object.keys(method.params), Object.keys(method.frozen ?? {})];
  const packCount = Object.keys(packTensors(layout)).length;
  const fewest = 1 + frozenNames.length + packCount + Number(image !== undefined);
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length).map((x) => taped.variable(x));
    const { given, rest } = storedAmong(inputs.slice(names.length), fewest);
    const [labels_BC, ...frozen] = rest.slice(0, 1 + frozenNames.length).map((x) => taped.fixed(x));
    const [packs, [patches]] = [
      rest.slice(1 + frozenNames.length, fewest),
      rest.slice(1 + frozenNames.length + packCount),
    ];
    const { rawFeatures_BE, storedFeatures_BE } = frozenImages(taped, method, given && taped.fixed(given));
    const params = named(names, values);
    const contexts = method.contexts(taped, { params, imageFeatures_BE: storedFeatures_BE });
    const deeper = method.deeper?.(taped, params);
    const textFeatures_GCE = groupedText(taped, ops, {
      tower: text,
      layout,
      layers: textLayers(contexts, deeper),
      classSpecific: method.shape.classSpecific,
      classBlock: method.classBlock,
      packs,
    });
    const losses = method.losses(taped, {
      params,
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      ...(image === undefined ? { imageFeatures_BE: storedFeatures_BE } : seen(
        taped,
        promptedImages(taped, ops, { tower: image, below: method.shape.below, patches, prompts: deeper!.image }),
        embedding,
      )),
      storedFeatures_BE,
      rawFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descents(taped, losses, values);
  };
}

/** Inputs: parameters, stored features where they are read. Outputs: the learned tokens of all layers. */
function layersFunction(method: PromptMethod): ProgramFunction {
  const names = Object.keys(method.params);
  return (ops, inputs) =>
    layersOf(ops, method, {
      params: named(names, inputs),
      imageFeatures_BE: frozenImages(ops, method, inputs[names.length]).storedFeatures_BE,
    });
}

function layersOf<T>(
  ops: Ops<T>,
  method: PromptMethod,
  inputs: { params: Record<string, T>; imageFeatures_BE: T },
): T[] {
  const deeper = method.deeper?.(ops, inputs.params);
  return [...textLayers(method.contexts(ops, inputs), deeper), ...deeper?.image ?? []];
}

/**
 * Inputs: parameters, text features, image features where they are prompted, stored features where they are read, labels,
 * frozen numbers.
 */
function lossFunction({ method, image }: Bound, { logitScale, embedding }: Scale): ProgramFunction {
  const [names, frozenNames] = [Object.keys(method.params), Object.keys(method.frozen ?? {})];
  const features = image === undefined ? 1 : 2;
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length + features).map((x) => taped.variable(x));
    const [textFeatures_GCE, promptedFeatures_BE] = values.slice(names.length);
    const { given, rest } = storedAmong(inputs.slice(names.length + features), 1 + frozenNames.length);
    const [labels_BC, ...frozen] = rest.map((x) => taped.fixed(x));
    const { rawFeatures_BE, storedFeatures_BE } = frozenImages(taped, method, given && taped.fixed(given));
    const losses = method.losses(taped, {
      params: named(names, values),
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      ...(promptedFeatures_BE === undefined
        ? { imageFeatures_BE: storedFeatures_BE }
        : seen(taped, promptedFeatures_BE, embedding)),
      storedFeatures_BE,
      rawFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descents(taped, losses, [...values.slice(names.length), ...values.slice(0, names.length)]);
  };
}

/**
 * Inputs: parameters, stored features where they are read, the gradients at the `count` layers of learned tokens. Outputs: the
 * gradient at each parameter.
 */
function layersPullbackFunction(method: PromptMethod, count: number): ProgramFunction {
  const names = Object.keys(method.params);
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length).map((x) => taped.variable(x));
    const { given, rest } = storedAmong(inputs.slice(names.length), count);
    const dLayers = rest.map((x) => taped.fixed(x));
    const { storedFeatures_BE: imageFeatures_BE } = frozenImages(taped, method, given && taped.fixed(given));
    const layers = layersOf(taped, method, { params: named(names, values), imageFeatures_BE });
    const products = layers.map((layer, l) => total(taped, taped.mul(layer, dLayers[l])));
    return taped.gradients(products.reduce((sum, product) => taped.add(sum, product)), values);
  };
}

/** Frozen CLIP's features, where a step has them, and the inputs after them, of which there are `count`. */
function storedAmong<T>(inputs: readonly T[], count: number): { given?: T; rest: readonly T[] } {
  return inputs.length > count ? { given: inputs[0], rest: inputs.slice(1) } : { rest: inputs };
}

/** The sum of all numbers of a tensor. */
function total<T>(ops: TapeOps<T>, x: Var<T>): Var<T> {
  let sum = x;
  for (const axis of ops.shape(x).keys()) sum = ops.sum(sum, axis);
  return sum;
}

/** Outputs of a program: all losses, then the gradients of each loss at `at`. */
function descents<T>(ops: TapeOps<T>, losses: readonly Var<T>[], at: readonly Var<T>[]): T[] {
  return [...losses.map((loss) => loss.value), ...losses.flatMap((loss) => ops.gradients(loss, at))];
}

/** The inverse of {@linkcode descents}, for losses with `count` gradients each. */
function byLoss(outputs: readonly HostTensor[], count: number): { loss: number; gradients: HostTensor[] }[] {
  const losses = outputs.length / (1 + count);
  return Array.from({ length: losses }, (_, l) => ({
    loss: outputs[l].data[0],
    gradients: outputs.slice(losses + l * count, losses + (l + 1) * count),
  }));
}
