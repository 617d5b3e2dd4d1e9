/**
 * The two programs of a method that learns how to regularise (ProMetaR): the modulated gradient of a batch, and the outer
 * gradient through one inner step.
 *
 * The inner step's gradient is taken on one tape and differentiated by another tape below it: second order is a tape over a
 * tape, since all pull-backs are written in `Ops`.
 *
 * Shapes: `Q` query images, `S` support images; others as in `src/methods/prompt_method.ts`.
 */
import type { Engine, Frozen, HostTensor, Ops, ProgramFunction } from "../engine/ops.ts";
import { tape, type TapeOps, type Var } from "../engine/tape.ts";
import { cosineLogits, crossEntropy, l2Normalize } from "../methods/prompt_method.ts";
import { modulated } from "../methods/modulation.ts";
import { groupedText } from "./grouped_text.ts";
import { packTensors } from "../clip/prompt_layout.ts";
import { type Bound, named, promptedImages, textLayers } from "./bound.ts";

type Tensors = Readonly<Record<string, HostTensor>>;

/** Images with one-hot labels [B, C]. */
export interface MetaImages {
  storedFeatures_BE: HostTensor;
  labels_BC: HostTensor;
  patches_BNK?: HostTensor;
}

/** The draws of a meta step. */
export interface MetaDraw {
  query: MetaImages;
  support: MetaImages;
  /** One-hot [Q, S]: the support image that each query image is mixed with. */
  mix_QS: HostTensor;
  /** Share of the query image in each mixture, [Q, 1]. */
  lambda_Q1: HostTensor;
}

/** What the programs give. */
export interface MetaPrograms {
  /** The task's loss, the regulariser, and the modulated gradient of each parameter. */
  modulated(
    params: Tensors,
    maps: Tensors,
    images: MetaImages,
  ): Promise<{ losses: number[]; gradients: Record<string, Float32Array> }>;
  /** The outer loss, its gradients (times the outer ratio) at parameters and maps, and the adapted parameters. */
  outer(params: Tensors, maps: Tensors, draw: MetaDraw): Promise<{
    loss: number;
    gradients: Record<string, Float32Array>;
    mapGradients: Record<string, Float32Array>;
    adapted: Record<string, Float32Array>;
  }>;
  dispose(): Promise<void>;
}

/** Binds the programs; `frozen` and `packs` belong to the method's other programs. */
export function metaPrograms(
  engine: Engine,
  at: { bound: Bound; logitScale: number; frozen: readonly Frozen[]; packs: readonly Frozen[] },
): MetaPrograms {
  const { bound, frozen, packs } = at;
  const { method } = bound;
  const names = Object.keys(method.params);
  const mapNames = Object.keys(method.meta!.maps);
  const inner = engine.program(`${method.name}_modulated`, modulatedFunction(at));
  const outer = engine.program(`${method.name}_outer`, outerFunction(at));
  const inOrder = (tensors: Tensors, keys: readonly string[]) => keys.map((key) => tensors[key]);
  const seen = ({ storedFeatures_BE, labels_BC, patches_BNK }: MetaImages) => [
    storedFeatures_BE,
    labels_BC,
    ...(patches_BNK === undefined ? [] : [patches_BNK]),
  ];
  const datas = (keys: readonly string[], tensors: readonly HostTensor[]) =>
    named(keys, tensors.map(({ data }) => data));
  return {
    async modulated(params, maps, images) {
      const [ce, regulariser, ...gradients] = await inner.run([
        ...inOrder(params, names),
        ...inOrder(maps, mapNames),
        ...frozen,
        ...packs,
        ...seen(images),
      ]);
      return { losses: [ce.data[0], regulariser.data[0]], gradients: datas(names, gradients) };
    },
    async outer(params, maps, { query, support, mix_QS, lambda_Q1 }) {
      const [loss, ...rest] = await outer.run([
        ...inOrder(params, names),
        ...inOrder(maps, mapNames),
        ...frozen,
        ...packs,
        ...seen(support),
        ...seen(query),
        mix_QS,
        lambda_Q1,
      ]);
      const P = names.length;
      return {
        loss: loss.data[0],
        gradients: datas(names, rest.slice(0, P)),
        mapGradients: datas(mapNames, rest.slice(P, P + mapNames.length)),
        adapted: datas(names, rest.slice(P + mapNames.length)),
      };
    },
    async dispose() {
      await inner.dispose();
      await outer.dispose();
    },
  };
}

/** Inputs of both programs in their parts. */
function parts<T>({ method, layout, image }: Bound, inputs: readonly T[]) {
  const names = Object.keys(method.params);
  const mapNames = Object.keys(method.meta!.maps);
  const frozenNames = Object.keys(method.frozen ?? {});
  let at = 0;
  const take = (count: number) => inputs.slice(at, at += count);
  const images = (): { storedFeatures_BE: T; labels_BC: T; patches_BNK?: T } => {
    const [storedFeatures_BE, labels_BC, patches_BNK] = take(image === undefined ? 2 : 3);
    return { storedFeatures_BE, labels_BC, patches_BNK };
  };
  const params = named(names, take(names.length));
  const maps = named(mapNames, take(mapNames.length));
  const frozen = named(frozenNames, take(frozenNames.length));
  const packs = take(Object.keys(packTensors(layout)).length);
  return { params, maps, frozen, packs, images, rest: () => inputs.slice(at) };
}

/** Text features [1, C, E] at given parameters, on the tape of `ops`. */
function textAt<T>(
  ops: TapeOps<T>,
  plain: Ops<T>,
  { bound, params, packs, stored }: {
    bound: Bound;
    params: Record<string, Var<T>>;
    packs: readonly T[];
    stored: Var<T>;
  },
): Var<T> {
  const { method, layout, text } = bound;
  const contexts = method.contexts(ops, { params, imageFeatures_BE: stored });
  const layers = textLayers(contexts, method.deeper?.(ops, params));
  return groupedText(ops, plain, {
    tower: text,
    layout,
    layers,
    classSpecific: false,
    classBlock: method.classBlock,
    packs,
  });
}

/** Image features [B, E] at given parameters, not normalised; the stored ones where no image prompt is learned. */
function imagesAt<T>(
  ops: TapeOps<T>,
  plain: Ops<T>,
  { bound, params, patches, stored }: { bound: Bound; params: Record<string, Var<T>>; patches?: T; stored: Var<T> },
): Var<T> {
  const { image: tower, method } = bound;
  if (tower === undefined) return stored;
  return promptedImages(ops, plain, { tower, patches: patches!, prompts: method.deeper!(ops, params).image });
}

/** Gradients of the task's loss and of the regulariser, taken on a tape over `plain`. */
function bothGradients<T>(
  plain: Ops<T>,
  at: {
    bound: Bound;
    logitScale: number;
    params: Record<string, T>;
    frozen: Record<string, T>;
    packs: readonly T[];
    images: { storedFeatures_BE: T; labels_BC: T; patches_BNK?: T };
  },
): { losses: T[]; task: T[]; regulariser: T[] } {
  const { bound, logitScale, frozen, packs, images } = at;
  const ops = tape(plain);
  const names = Object.keys(at.params);
  const values = names.map((name) => ops.variable(at.params[name]));
  const params = named(names, values);
  const stored = ops.fixed(images.storedFeatures_BE);
  const [ce, regulariser] = bound.method.losses(ops, {
    params,
    frozen: Object.fromEntries(Object.entries(frozen).map(([name, value]) => [name, ops.fixed(value)])),
    textFeatures_GCE: textAt(ops, plain, { bound, params, packs, stored }),
    imageFeatures_BE: bound.image === undefined
      ? stored
      : l2Normalize(ops, imagesAt(ops, plain, { bound, params, patches: images.patches_BNK, stored })),
    storedFeatures_BE: stored,
    labels_BC: ops.fixed(images.labels_BC),
    logitScale,
  });
  return {
    losses: [ce.value, regulariser.value],
    task: ops.gradients(ce, values),
    regulariser: ops.gradients(regulariser, values),
  };
}

interface At {
  bound: Bound;
  logitScale: number;
}

function modulatedFunction({ bound, logitScale }: At): ProgramFunction {
  return (ops, inputs) => {
    const { params, maps, frozen, packs, images } = parts(bound, inputs);
    const both = bothGradients(ops, { bound, logitScale, params, frozen, packs, images: images() });
    return [...both.losses, ...modulated(ops, { ...both, names: Object.keys(params), maps })];
  };
}

function outerFunction({ bound, logitScale }: At): ProgramFunction {
  const { meta } = bound.method;
  return <T>(ops: Ops<T>, inputs: readonly T[]) => {
    const below = tape(ops);
    const given = parts(bound, inputs);
    const variables = (tensors: Record<string, T>) =>
      Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, below.variable(value)]));
    const fixed = (tensors: Record<string, T>) =>
      Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, below.fixed(value)]));
    const [params, maps, frozen] = [variables(given.params), variables(given.maps), fixed(given.frozen)];
    const names = Object.keys(params);
    const support = given.images();
    const query = given.images();
    const [mix_QS, lambda_Q1] = given.rest().map((x) => below.fixed(x));

    const both = bothGradients<Var<T>>(below, {
      bound,
      logitScale,
      params,
      frozen,
      packs: given.packs.map((x) => below.fixed(x)),
      images: fixed(support as unknown as Record<string, T>) as never,
    });
    // First order: the inner gradients are taken as they are, and only the net that mixes them is differentiated.
    const held = (gradients: Var<T>[]) =>
      meta!.order === "first" ? gradients.map(({ value }) => below.fixed(value)) : gradients;
    const step = modulated(below, { names, task: held(both.task), regulariser: held(both.regulariser), maps });
    const adapted = Object.fromEntries(
      names.map((name, i) => [name, below.sub(params[name], below.scale(step[i], meta!.adaptRate))]),
    );

    const S = ops.shape(support.labels_BC)[0];
    const Q = ops.shape(query.labels_BC)[0];
    const together = (a: T, b: T) => ops.concat([a, b], 0);
    const stored = below.fixed(together(query.storedFeatures_BE, support.storedFeatures_BE));
    const patches = query.patches_BNK && together(query.patches_BNK, support.patches_BNK!);
    const text = textAt(below, ops, { bound, params: adapted, packs: given.packs, stored });
    const raw = imagesAt(below, ops, { bound, params: adapted, patches, stored });
    const E = ops.shape(raw.value)[1];
    const mixed = (ofQuery: Var<T>, ofSupport: Var<T>) =>
      below.add(
        below.mul(lambda_Q1, ofQuery),
        below.mul(below.shift(below.scale(lambda_Q1, -1), 1), below.matMul(mix_QS, ofSupport)),
      );
    const features = mixed(below.slice(raw, [0, 0], [Q, E]), below.slice(raw, [Q, 0], [S, E]));
    const labels = mixed(below.fixed(query.labels_BC), below.fixed(support.labels_BC));
    const logits = cosineLogits(below, {
      textFeatures_GCE: text,
      imageFeatures_BE: l2Normalize(below, features),
      logitScale,
    });
    const loss = below.scale(crossEntropy(below, logits, labels), meta!.outerRatio);
    return [
      loss.value,
      ...below.gradients(loss, [...Object.values(params), ...Object.values(maps)]),
      ...names.map((name) => adapted[name].value),
    ];
  };
}
