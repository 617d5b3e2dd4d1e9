/**
 * A prompt-learning method bound to a model and to class names: the loss and its gradients, and logits.
 *
 * Small steps run as one program, from the parameters to their gradients. Steps with more token rows than memory should
 * hold run in pieces (contexts, text features in runs, loss, pull-back in runs, contexts' pull-back), with equal results.
 *
 * Shapes: see `src/methods/method.ts`; `P` packs, `Q` classes a pack.
 */
import { type ClipModel, ROWS_PER_RUN } from "../clip/model.ts";
import { type ClassPrompt, classPrompt, type PromptLayout } from "../clip/prompt_layout.ts";
import { type FrozenTextTower, textTower } from "../clip/text_tower.ts";
import type { Frozen, HostTensor, Ops, Program } from "../engine/ops.ts";
import { tape, type TapeOps, type Var } from "../engine/tape.ts";
import { cosineLogits, type PromptMethod } from "../methods/prompt_method.ts";
import type { Parameter } from "../optim/sgd.ts";
import { contextsByPack, textRuns } from "./text_runs.ts";

/** Images of one step. */
export interface Batch {
  /** Image features [B, E], L2-normalised. */
  imageFeatures_BE: HostTensor;
  /** The class of each image, B numbers from 0 in the order of the class names. */
  labels: ArrayLike<number>;
}

/** What a step gives; the parameters are left as they are. */
export interface StepResult {
  /** The mean cross-entropy, or the method's first loss. */
  loss: number;
  /** The gradient of each parameter by its name, row-major in the parameter's shape. */
  gradients: Record<string, Float32Array>;
}

/** A method bound to a model and class names, from {@linkcode openPrompt}. */
export interface PromptSession {
  /** What is learned. */
  readonly method: PromptMethod;
  /** The learned numbers as they are now; an optimiser changes them in place. */
  readonly params: Record<string, Parameter>;
  /** As given, in the order of the labels. */
  readonly classNames: readonly string[];
  /** The prompts of all classes; what is learned is marked. */
  readonly prompts: readonly ClassPrompt[];
  /** Token rows that one image's (or, for CoOp, one step's) prompts need. */
  readonly tokenRows: number;
  /** Loss and gradients at the present parameters. Throws {@linkcode Error} for a label that is no class. */
  step(batch: Batch): Promise<StepResult>;
  /** Logits [B, C] at the present parameters. */
  logits(imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** Contexts [G, M, D], or [C, M, D] when class-specific, at the present parameters. */
  contexts(imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** Text features [G, C, E] at the present parameters, not normalised; one group unless contexts depend on images. */
  textFeatures(imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** Frees what the engine prepared for this prompt; the model stays. */
  dispose(): Promise<void>;
}

/** Token rows up to which a step runs as one program. */
const ROWS_PER_STEP = 2 * ROWS_PER_RUN;

/** The prompts of `classNames` for a method on a model. Underscores in names are spaces, as published. */
export function promptsOf(
  model: Pick<ClipModel, "config" | "tokenizer">,
  { shape }: Pick<PromptMethod, "shape">,
  classNames: readonly string[],
): ClassPrompt[] {
  return classNames.map((className) => {
    const name = className.replaceAll("_", " ");
    return classPrompt([...model.tokenizer.encode(`${name}.`), model.tokenizer.endToken], {
      contextTokens: shape.contextTokens,
      nameLength: model.tokenizer.encode(name).length,
      position: shape.classTokenPosition,
      classSpecific: shape.classSpecific,
      longest: model.config.text.context,
      className,
    });
  });
}

/** Contexts, packed prompts and tower as tensors of one program: features [G, C, E] and their pull-back to the contexts. */
function groupedText<T>(
  ops: TapeOps<T>,
  plain: Ops<T>,
  at: { tower: FrozenTextTower; layout: PromptLayout; contexts: Var<T>; packs: readonly T[]; classSpecific: boolean },
): Var<T> {
  const [P, Q] = at.layout.pick.shape;
  const C = at.layout.classes;
  const led = at.classSpecific ? contextsByPack(ops, at.contexts, { P, Q }) : at.contexts;
  const [G] = at.classSpecific ? [1] : ops.shape(led);
  // With several groups and several packs, each pairing is a sequence of its own.
  const pair = G > 1 && P > 1;
  const crossed = (x: T, shape: readonly number[]) =>
    pair
      ? plain.reshape(plain.broadcastTo(plain.reshape(x, [1, ...shape]), [G, ...shape]), [G * P, ...shape.slice(1)])
      : x;
  const [place, fixed, mask, pick] = at.packs.map((x) => crossed(x, plain.shape(x)));
  let contexts = led;
  if (pair) {
    const [, M, D] = ops.shape(led);
    contexts = ops.reshape(ops.broadcastTo(ops.reshape(led, [G, 1, M, D]), [G, P, M, D]), [G * P, M, D]);
  } else if (!at.classSpecific && P > 1) {
    contexts = ops.broadcastTo(led, [P, ...ops.shape(led).slice(1)]);
  }
  const result = textTower(plain, at.tower, {
    contexts: contexts.value,
    place,
    placedOnce: at.layout.placedOnce,
    fixed,
    mask,
    pick,
  });
  const features = ops.custom([contexts], result.features, (dy) => [result.pullback(dy)]);
  const E = plain.shape(result.features)[2];
  const all = ops.reshape(features, [G, P * Q, E]);
  return P * Q === C ? all : ops.slice(all, [0, 0, 0], [G, C, E]);
}

/**
 * Binds a method to a model and class names. The parameters start as copies of the method's.
 *
 * @param model from `loadModel`; it must outlive the session
 * @param options the method, and the C class names in the order of the labels; underscores in names are spaces
 * @returns the session; whoever opened it disposes it
 * @throws {UserError} when the prompt of a class is longer than the model reads
 *
 * @example Logits of images under an untrained CoOp prompt
 * ```ts
 * import { completeSettings, coop, namedStream, openPrompt, type PromptSettings } from "@prompt-kit/clip-prompts";
 * import { loadModel, loadTokenizer, loadWeights, openEngine } from "@prompt-kit/clip-prompts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const classNames = ["River", "Forest"];
 * const settings = completeSettings(coop, { contextTokens: 2 }).values as PromptSettings;
 * const random = (name: string) => namedStream(1, name);
 * const method = await coop.prompt({ model, classNames, settings, template: "a photo of a {}.", random });
 * const prompt = await openPrompt(model, { method, classNames });
 * const E = model.config.embedding;
 * const logits_BC = await prompt.logits({ shape: [1, E], data: new Float32Array(E).fill(1 / Math.sqrt(E)) });
 * if (logits_BC.shape.join() !== "1,2") throw new Error("unexpected");
 * ```
 */
export async function openPrompt(
  model: ClipModel,
  options: { method: PromptMethod; classNames: readonly string[] },
): Promise<PromptSession> {
  const { method, classNames } = options;
  const { engine, logitScale } = model;
  const { classSpecific } = method.shape;
  const prompts = promptsOf(model, method, classNames);
  const layout = model.layOut(prompts, method.shape);
  const tower = await model.text();
  const [P, , L] = layout.pick.shape;
  const C = layout.classes;
  const names = Object.keys(method.params);
  const params: Record<string, Parameter> = {};
  for (const name of names) {
    params[name] = { shape: [...method.params[name].shape], data: Float32Array.from(method.params[name].data) };
  }
  const frozenNames = Object.keys(method.frozen ?? {});
  const owned: Frozen[] = [];
  const freeze = (name: string, value: HostTensor) => {
    owned.push(engine.freeze(name, value));
    return owned[owned.length - 1];
  };
  const packs = [layout.place!, layout.fixed, layout.mask, layout.pick].map((t, i) =>
    freeze(["place", "fixed", "mask", "pick"][i], t)
  );
  const own = frozenNames.map((name) => freeze(`${method.name}.${name}`, method.frozen![name]));
  const runs = textRuns(model, { tower, layout, classSpecific });

  const named = <T>(keys: readonly string[], values: readonly T[]) =>
    Object.fromEntries(keys.map((key, i) => [key, values[i]])) as Record<string, T>;
  const head = names.length;

  /** Losses and their gradients at `at`, concatenated: losses first, then each loss's gradients. */
  function descend<T>(ops: TapeOps<T>, losses: readonly Var<T>[], at: readonly Var<T>[]): T[] {
    return [...losses.map((loss) => loss.value), ...losses.flatMap((loss) => ops.gradients(loss, at))];
  }

  const whole: Program = engine.program(`${method.name}_step`, (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, head).map((x) => taped.variable(x));
    const fixedVars = inputs.slice(head, head + 2 + own.length).map((x) => taped.fixed(x));
    const [imageFeatures_BE, labels_BC, ...frozen] = fixedVars;
    const contexts = method.contexts(taped, { params: named(names, values), imageFeatures_BE });
    const textFeatures_GCE = groupedText(taped, ops, {
      tower,
      layout,
      contexts,
      packs: inputs.slice(head + 2 + own.length),
      classSpecific,
    });
    const losses = method.losses(taped, {
      params: named(names, values),
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      imageFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descend(taped, losses, values);
  });

  const contextsOnly = engine.program(`${method.name}_contexts`, (ops, inputs) => [
    method.contexts(ops, { params: named(names, inputs.slice(0, head)), imageFeatures_BE: inputs[head] }),
  ]);

  const lossOnly = engine.program(`${method.name}_loss`, (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, head).map((x) => taped.variable(x));
    const textFeatures_GCE = taped.variable(inputs[head]);
    const [imageFeatures_BE, labels_BC, ...frozen] = inputs.slice(head + 1).map((x) => taped.fixed(x));
    const losses = method.losses(taped, {
      params: named(names, values),
      frozen: named(frozenNames, frozen),
      textFeatures_GCE,
      imageFeatures_BE,
      labels_BC,
      logitScale,
    });
    return descend(taped, losses, [textFeatures_GCE, ...values]);
  });

  const contextsPullback = engine.program(`${method.name}_contexts_pullback`, (ops, inputs) => {
    const taped = tape(ops);
    const values = inputs.slice(0, head).map((x) => taped.variable(x));
    const [imageFeatures_BE, cotangent] = inputs.slice(head).map((x) => taped.fixed(x));
    let scalar = taped.mul(
      method.contexts(taped, { params: named(names, values), imageFeatures_BE }),
      cotangent,
    );
    const rank = taped.shape(scalar).length;
    for (let axis = 0; axis < rank; axis++) scalar = taped.sum(scalar, axis);
    return taped.gradients(scalar, values);
  });

  const logitsOnly = engine.program("cosine_logits", (ops, [textFeatures_GCE, imageFeatures_BE]) => [
    cosineLogits(ops, { textFeatures_GCE, imageFeatures_BE, logitScale }),
  ]);

  const parameters = (): HostTensor[] => names.map((name) => params[name]);

  function oneHot(labels: ArrayLike<number>): HostTensor {
    const data = new Float32Array(labels.length * C);
    for (let i = 0; i < labels.length; i++) {
      if (!(labels[i] >= 0 && labels[i] < C)) throw new Error(`Label ${labels[i]} is not among ${C} classes`);
      data[i * C + labels[i]] = 1;
    }
    return { shape: [labels.length, C], data };
  }

  function combined(sets: Record<string, Float32Array>[]): Record<string, Float32Array> {
    return method.combine === undefined ? sets[0] : method.combine(sets);
  }

  async function stepInPieces(batch: Batch, labels_BC: HostTensor): Promise<StepResult> {
    const contexts = await contextsNow(batch.imageFeatures_BE);
    const textFeatures = await runs.encode(contexts);
    const outputs = await lossOnly.run([...parameters(), textFeatures, batch.imageFeatures_BE, labels_BC, ...own]);
    const lossCount = outputs.length / (2 + head);
    const sets: Record<string, Float32Array>[] = [];
    for (let l = 0; l < lossCount; l++) {
      const [dFeatures, ...direct] = outputs.slice(lossCount + l * (1 + head), lossCount + (l + 1) * (1 + head));
      const dContexts = await runs.pullback(contexts, dFeatures);
      const through = await contextsPullback.run([...parameters(), batch.imageFeatures_BE, dContexts]);
      sets.push(named(names, direct.map(({ data }, i) => data.map((value, j) => value + through[i].data[j]))));
    }
    return { loss: outputs[0].data[0], gradients: combined(sets) };
  }

  async function contextsNow(imageFeatures_BE: HostTensor): Promise<HostTensor> {
    return (await contextsOnly.run([...parameters(), imageFeatures_BE]))[0];
  }

  async function textFeatures(imageFeatures_BE: HostTensor): Promise<HostTensor> {
    return await runs.encode(await contextsNow(imageFeatures_BE));
  }

  return {
    method,
    params,
    classNames,
    prompts,
    tokenRows: layout.tokenRows,
    async step(batch) {
      const labels_BC = oneHot(batch.labels);
      const G = method.imageConditioned ? batch.labels.length : 1;
      if (G * P * L > ROWS_PER_STEP) return await stepInPieces(batch, labels_BC);
      const outputs = await whole.run([...parameters(), batch.imageFeatures_BE, labels_BC, ...own, ...packs]);
      const lossCount = outputs.length / (1 + head);
      const sets = Array.from(
        { length: lossCount },
        (_, l) => named(names, outputs.slice(lossCount + l * head, lossCount + (l + 1) * head).map(({ data }) => data)),
      );
      return { loss: outputs[0].data[0], gradients: combined(sets) };
    },
    async logits(imageFeatures_BE) {
      return (await logitsOnly.run([await textFeatures(imageFeatures_BE), imageFeatures_BE]))[0];
    },
    contexts: contextsNow,
    textFeatures,
    async dispose() {
      await runs.dispose();
      for (const program of [whole, contextsOnly, lossOnly, contextsPullback, logitsOnly]) await program.dispose();
      owned.forEach((value) => engine.release(value));
    },
  };
}
