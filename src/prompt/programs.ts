/**
 * The programs of a method that is bound to a text tower and to packed prompts, and how they are called.
 *
 * Shapes: see `src/methods/prompt_method.ts`.
 */
import type { ClipModel } from "../clip/model.ts";
import type { PromptLayout } from "../clip/prompt_layout.ts";
import type { FrozenTextTower } from "../clip/text_tower.ts";
import type { HostTensor, ProgramFunction } from "../engine/ops.ts";
import { tape, type TapeOps, type Var } from "../engine/tape.ts";
import { cosineLogits, type PromptMethod } from "../methods/prompt_method.ts";
import { groupedText } from "./grouped_text.ts";

/** The learned numbers by name, in the order of the method's. */
type Parameters = Readonly<Record<string, HostTensor>>;

/** Images of a step. */
export interface LabelledImages {
  /** [B, E], L2-normalised. */
  imageFeatures_BE: HostTensor;
  /** One-hot [B, C]. */
  labels_BC: HostTensor;
}

/** One loss of a method, and its gradient at each parameter. */
export interface Descent {
  loss: number;
  gradients: Record<string, Float32Array>;
}

/** The programs of a method. Each takes the present parameters. */
export interface PromptPrograms {
  /** All losses and their gradients: contexts, text tower and loss in one program. */
  step(params: Parameters, images: LabelledImages): Promise<Descent[]>;
  /** Contexts [G, M, D], or [C, M, D] when class-specific. */
  contexts(params: Parameters, imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** All losses at given text features [G, C, E]; gradients at those, and at the parameters where a loss uses them directly. */
  losses(
    params: Parameters,
    inputs: LabelledImages & { textFeatures_GCE: HostTensor },
  ): Promise<(Descent & { dTextFeatures_GCE: HostTensor })[]>;
  /** From the gradient at the contexts to the gradient at each parameter. */
  contextsPullback(
    params: Parameters,
    inputs: { imageFeatures_BE: HostTensor; dContexts: HostTensor },
  ): Promise<Record<string, Float32Array>>;
  /** Logits [B, C]. */
  logits(inputs: { textFeatures_GCE: HostTensor; imageFeatures_BE: HostTensor }): Promise<HostTensor>;
  /** Frees the programs, and the frozen numbers of the method and of its prompts. */
  dispose(): Promise<void>;
}

/** What a method is bound to. */
export interface Bound {
  method: PromptMethod;
  layout: PromptLayout;
  tower: FrozenTextTower;
}

/** Binds a method's programs to the model's engine. Each is prepared when it first runs. */
export function promptPrograms(model: ClipModel, bound: Bound): PromptPrograms {
  const { engine, logitScale } = model;
  const { method, layout } = bound;
  const names = Object.keys(method.params);
  const packs = Object.entries({ place: layout.place!, fixed: layout.fixed, mask: layout.mask, pick: layout.pick })
    .map(([name, value]) => engine.freeze(name, value));
  const frozen = Object.entries(method.frozen ?? {})
    .map(([name, value]) => engine.freeze(`${method.name}.${name}`, value));

  const step = engine.program(`${method.name}_step`, stepFunction(bound, logitScale));
  const contexts = engine.program(`${method.name}_contexts`, contextsFunction(bound));
  const losses = engine.program(`${method.name}_loss`, lossFunction(bound, logitScale));
  const pullback = engine.program(`${method.name}_contexts_pullback`, contextsPullbackFunction(bound));
  const logits = engine.program("cosine_logits", (ops, [textFeatures_GCE, imageFeatures_BE]) => [
    cosineLogits(ops, { textFeatures_GCE, imageFeatures_BE, logitScale }),
  ]);

  const inOrder = (params: Parameters) => names.map((name) => params[name]);
  const byName = (tensors: readonly HostTensor[]) => named(names, tensors.map(({ data }) => data));

  return {
    async step(params, { imageFeatures_BE, labels_BC }) {
      const outputs = await step.run([...inOrder(params), imageFeatures_BE, labels_BC, ...frozen, ...packs]);
      return byLoss(outputs, names.length).map(({ loss, gradients }) => ({ loss, gradients: byName(gradients) }));
    },
    async contexts(params, imageFeatures_BE) {
      return (await contexts.run([...inOrder(params), imageFeatures_BE]))[0];
    },
    async losses(params, { textFeatures_GCE, imageFeatures_BE, labels_BC }) {
      const outputs = await losses.run([
        ...inOrder(params),
        textFeatures_GCE,
        imageFeatures_BE,
        labels_BC,
        ...frozen,
      ]);
      return byLoss(outputs, 1 + names.length).map(({ loss, gradients: [dTextFeatures_GCE, ...others] }) => ({
        loss,
        gradients: byName(others),
        dTextFeatures_GCE,
      }));
    },
    async contextsPullback(params, { imageFeatures_BE, dContexts }) {
      return byName(await pullback.run([...inOrder(params), imageFeatures_BE, dContexts]));
    },
    async logits({ textFeatures_GCE, imageFeatures_BE }) {
      return (await logits.run([textFeatures_GCE, imageFeatures_BE]))[0];
    },
    async dispose() {
      for (const program of [step, contexts, losses, pullback, logits]) await program.dispose();
      for (const value of [...packs, ...frozen]) engine.release(value);
    },
  };
}

/** Inputs: parameters, image features, labels, the method's frozen numbers, packs. Outputs: see {@linkcode descents}. */
function stepFunction({ method, layout, tower }: Bound, logitScale: number): ProgramFunction {
  const [names, frozenNames] = [Object.keys(method.params), Object.keys(method.frozen ?? {})];
  const firstPack = names.length + 2 + frozenNames.length;
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length).map((x) => taped.variable(x));
    const [imageFeatures_BE, labels_BC, ...frozen] = inputs.slice(names.length, firstPack).map((x) => taped.fixed(x));
    const params = named(names, values);
    const textFeatures_GCE = groupedText(taped, ops, {
      tower,
      layout,
      contexts: method.contexts(taped, { params, imageFeatures_BE }),
      classSpecific: method.shape.classSpecific,
      packs: inputs.slice(firstPack),
    });
    const losses = method.losses(taped, {
      params,
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      imageFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descents(taped, losses, values);
  };
}

/** Inputs: parameters, image features. Output: the contexts. */
function contextsFunction({ method }: Bound): ProgramFunction {
  const names = Object.keys(method.params);
  return (ops, inputs) => [
    method.contexts(ops, {
      params: named(names, inputs.slice(0, names.length)),
      imageFeatures_BE: inputs[names.length],
    }),
  ];
}

/** Inputs: parameters, text features, image features, labels, frozen numbers. Outputs: see {@linkcode descents}. */
function lossFunction({ method }: Bound, logitScale: number): ProgramFunction {
  const [names, frozenNames] = [Object.keys(method.params), Object.keys(method.frozen ?? {})];
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length).map((x) => taped.variable(x));
    const textFeatures_GCE = taped.variable(inputs[names.length]);
    const [imageFeatures_BE, labels_BC, ...frozen] = inputs.slice(names.length + 1).map((x) => taped.fixed(x));
    const losses = method.losses(taped, {
      params: named(names, values),
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      imageFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descents(taped, losses, [textFeatures_GCE, ...values]);
  };
}

/** Inputs: parameters, image features, the gradient at the contexts. Outputs: the gradient at each parameter. */
function contextsPullbackFunction({ method }: Bound): ProgramFunction {
  const names = Object.keys(method.params);
  return (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, names.length).map((x) => taped.variable(x));
    const [imageFeatures_BE, dContexts] = inputs.slice(names.length).map((x) => taped.fixed(x));
    const contexts = method.contexts(taped, { params: named(names, values), imageFeatures_BE });
    let scalar = taped.mul(contexts, dContexts);
    const rank = taped.shape(scalar).length;
    for (let axis = 0; axis < rank; axis++) scalar = taped.sum(scalar, axis);
    return taped.gradients(scalar, values);
  };
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

function named<T>(names: readonly string[], values: readonly T[]): Record<string, T> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
