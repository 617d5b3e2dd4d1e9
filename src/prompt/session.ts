/**
 * A prompt-learning method bound to a model and to class names: the loss and its gradients, and logits.
 *
 * Small steps run as one program, from the parameters to their gradients. Steps with more token rows than memory should
 * hold run in pieces (contexts, text features in runs, loss, pull-back in runs, contexts' pull-back), with equal results.
 *
 * Shapes: see `src/methods/method.ts`; `P` packs, `Q` classes a pack.
 */
import { type ClipModel, ROWS_PER_RUN, type TextProgress } from "../clip/model.ts";
import type { ClassPrompt } from "../clip/prompt_layout.ts";
import { rowsAt } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import type { Parameter } from "../optim/sgd.ts";
import { promptsOf } from "./class_prompts.ts";
import type { MetaPrograms } from "./meta_programs.ts";
import { readAllTheSame } from "./frozen_images.ts";
import { type Descent, type LabelledImages, type PromptPrograms, promptPrograms } from "./programs.ts";
import { type DeviceSteps, deviceSteps, type DeviceStepsOptions } from "./device_steps.ts";
import { type ClassifierFunctions, promptFunctions } from "./functions.ts";
import { type TextRuns, textRuns } from "./text_runs.ts";
import { upperText } from "./upper_text.ts";

/** Images of one step. */
export interface Batch {
  /**
   * Frozen CLIP's image features [B, E], L2-normalised; as the tower gives them for a method with a head. Left out where the
   * method prompts the image tower and its loss reads none.
   */
  imageFeatures_BE?: HostTensor;
  /** The patches of the same views, [B, N, K], where the method prompts the image tower; or what is below its tokens. */
  patches_BNK?: HostTensor;
  /** The class of each image, B numbers from 0 in the order of the class names. */
  labels: ArrayLike<number>;
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
  /** Loss and gradients at the present parameters, which stay as they are. Throws {@linkcode Error} for a label that is no class. */
  step(batch: Batch): Promise<{
    /** The mean cross-entropy, or the method's first loss. */
    loss: number;
    /** All losses of the method, the first of them again among them. */
    losses: number[];
    /** The gradient of each parameter by its name, row-major in the parameter's shape. */
    gradients: Record<string, Float32Array>;
  }>;
  /** Logits [B, C] at the present parameters, of image features as in a {@linkcode Batch}. */
  logits(imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** Contexts [G, M, D], or [C, M, D] when class-specific, at the present parameters. */
  contexts(imageFeatures_BE: HostTensor): Promise<HostTensor>;
  /** Text features [G, C, E] at the present parameters, not normalised; one group unless contexts depend on images. */
  textFeatures(
    imageFeatures_BE: HostTensor,
    onProgress?: (count: { done: number; total: number }) => void,
  ): Promise<HostTensor>;
  /** Image features [B, E] of the prompted tower at the present parameters, not normalised; undefined without image prompts. */
  encodeImages?(patches_BNK: HostTensor): Promise<HostTensor>;
  /**
   * Of a method whose learned tokens come in above the first blocks: what is below them, [B, 1 + N, D], stands for the
   * patches in a step; undefined for others.
   */
  readonly lower?: {
    /** What the blocks below the tokens make of patches. */
    rows(patches_BNK: HostTensor): Promise<HostTensor>;
    /** The features of {@linkcode PromptSession.encodeImages}, from there. */
    encode(rows_BRD: HostTensor): Promise<HostTensor>;
  };
  /**
   * Logits [B, C] at text features, of image features as in a {@linkcode Batch}; where the method has logits of its own, as
   * the image tower gives them. `learnedFrom` says whether the classes are those that were learned from.
   */
  logitsAt(
    inputs: { textFeatures_GCE: HostTensor; imageFeatures_BE: HostTensor; learnedFrom: boolean },
  ): Promise<HostTensor>;
  /**
   * Of a method that learns how to regularise: the net's numbers, and the second step of a batch; undefined for others.
   *
   * @internal
   */
  readonly meta?: MetaSession;
  /**
   * Steps whose optimiser is part of the program, on an engine whose device is apart from the host; undefined elsewhere.
   *
   * @internal
   */
  readonly onDevice?: {
    /** Why steps of so many images go back to the host all the same; undefined where they stay. */
    obstacle(images: number): string | undefined;
    /** Starts at the present parameters, which stay as they are. */
    open(options: DeviceStepsOptions): DeviceSteps<Batch>;
  };
  /**
   * The encoder and the logits as functions of tensors at the present parameters, for models that other programs run.
   *
   * @internal
   */
  functions(
    options: { learnedFrom: boolean; onProgress?: (count: { done: number; total: number }) => void },
  ): Promise<ClassifierFunctions>;
  /** Frees what the engine prepared for steps alone, gigabytes where both towers are prompted; further steps prepare it again. */
  endSteps(): Promise<void>;
  /** Frees what the engine prepared for this prompt; the model stays. */
  dispose(): Promise<void>;
}

/** Which images of a batch are the query and which the support, and how they are mixed. */
export interface BatchDraw {
  /** Indices of the batch. */
  query: number[];
  /** Indices of the batch. */
  support: number[];
  /** For each query image the index in `support` that it is mixed with. */
  mix: number[];
  /** For each query image its share in the mixture. */
  lambda: number[];
}

/** The second step of ProMetaR. */
export interface MetaSession {
  /** The regulariser net; an optimiser changes it in place. */
  readonly maps: Record<string, Parameter>;
  /** The outer loss, times its ratio, and its gradients at the present parameters and maps. */
  outer(batch: Batch, draw: BatchDraw): ReturnType<MetaPrograms["outer"]>;
}

/** Token rows up to which a step runs as one program. */
const ROWS_PER_STEP = 2 * ROWS_PER_RUN;

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
  const prompts = promptsOf(model, method, classNames);
  const { classBlock, shape: { below } } = method;
  if (classBlock !== undefined && (method.imageConditioned || below !== undefined)) {
    throw new Error(
      "Tokens of classes do not go with contexts that depend on images, nor with tokens above first blocks",
    );
  }
  const packed = model.layOut(prompts, {
    ...method.shape,
    branches: classBlock !== undefined,
    inserted: below !== undefined,
  });
  const whole = await model.text();
  const { tower: text, layout } = below === undefined
    ? { tower: whole, layout: packed }
    : await upperText(model, { tower: whole, layout: packed, blocks: below.text });
  const image = (method.depth?.image ?? 0) > 0 ? model.image() : undefined;
  const towers = { method, layout, text, image };
  const bound: BoundPrompt = {
    params: copiesOf(method.params),
    programs: promptPrograms(model, towers),
    runs: textRuns(model, { tower: text, layout, classSpecific: method.shape.classSpecific, classBlock }),
  };
  const { params, programs, runs } = bound;
  const [packs, , rowsPerPack] = layout.pick.shape;

  async function contexts(imageFeatures_BE: HostTensor): Promise<HostTensor> {
    return (await programs.layers(params, imageFeatures_BE)).text[0];
  }
  async function textFeatures(imageFeatures_BE: HostTensor, onProgress?: TextProgress): Promise<HostTensor> {
    return await runs.encode((await programs.layers(params, imageFeatures_BE)).text, onProgress);
  }
  /** Image prompts do not depend on images. */
  const any = { shape: [1, model.config.embedding], data: new Float32Array(model.config.embedding).fill(1) };
  async function encodeRows(patches_BNK: HostTensor): Promise<HostTensor> {
    return await programs.encodeImages((await programs.layers(params, any)).image, patches_BNK);
  }
  const lower = below && image && { rows: programs.lowerImages, encode: encodeRows };
  async function encodeImages(patches_BNK: HostTensor): Promise<HostTensor> {
    return await encodeRows(lower === undefined ? patches_BNK : await lower.rows(patches_BNK));
  }

  const frozenOf = ({ imageFeatures_BE }: Batch) => {
    if (imageFeatures_BE === undefined) throw readAllTheSame(method.name);
    return imageFeatures_BE;
  };
  const maps = copiesOf(method.meta?.maps ?? {});
  const meta: MetaSession | undefined = method.meta && {
    maps,
    outer(batch, draw) {
      const images = (rows: readonly number[]) => ({
        storedFeatures_BE: rowsAt(frozenOf(batch), rows),
        labels_BC: oneHot(rows.map((row) => batch.labels[row]), layout.classes),
        ...(batch.patches_BNK === undefined ? {} : { patches_BNK: rowsAt(batch.patches_BNK, rows) }),
      });
      return programs.meta!.outer(params, maps, {
        query: images(draw.query),
        support: images(draw.support),
        mix_QS: oneHot(draw.mix, draw.support.length),
        lambda_Q1: { shape: [draw.lambda.length, 1], data: Float32Array.from(draw.lambda) },
      });
    },
  };

  const rowsOfStep = (images: number) => (method.imageConditioned ? images : 1) * packs * rowsPerPack;
  function imagesOf({ imageFeatures_BE, patches_BNK, labels }: Batch): LabelledImages {
    if (image !== undefined && patches_BNK === undefined) {
      throw new Error(`${method.name} needs patches of the images`);
    }
    return { storedFeatures_BE: imageFeatures_BE, patches_BNK, labels_BC: oneHot(labels, layout.classes) };
  }
  const { engine: { memory } } = model;
  const { descent } = programs;
  const onDevice: PromptSession["onDevice"] = memory && descent && {
    obstacle(images) {
      if (meta) return "the method learns how to regularise, by a second step";
      if (method.combine) return "the method makes one gradient of two";
      const rows = rowsOfStep(images);
      return rows <= ROWS_PER_STEP ? undefined : `a step of ${rows} token rows is run in pieces`;
    },
    open: (options) =>
      deviceSteps(memory, {
        params,
        descent: descent.open,
        inputsOf: (batch: Batch) => descent.inputs(imagesOf(batch)),
      }, options),
  };
  return {
    method,
    params,
    classNames,
    prompts,
    tokenRows: layout.tokenRows,
    ...(meta === undefined ? {} : { meta }),
    ...(onDevice === undefined ? {} : { onDevice }),
    async step(batch) {
      const images = imagesOf(batch);
      if (meta) {
        const storedFeatures_BE = frozenOf(batch);
        const { losses, gradients } = await programs.meta!.modulated(params, meta.maps, {
          ...images,
          storedFeatures_BE,
        });
        return { loss: losses[0], losses, gradients };
      }
      const isSmall = rowsOfStep(batch.labels.length) <= ROWS_PER_STEP;
      const descents = isSmall ? await programs.step(params, images) : await stepInPieces(bound, images);
      const gradients = descents.map(({ gradients }) => gradients);
      const losses = descents.map(({ loss }) => loss);
      return { loss: losses[0], losses, gradients: method.combine?.(gradients) ?? gradients[0] };
    },
    async logits(imageFeatures_BE) {
      const textFeatures_GCE = await textFeatures(imageFeatures_BE);
      return await programs.logits(params, { textFeatures_GCE, imageFeatures_BE, learnedFrom: false });
    },
    logitsAt: (inputs) => programs.logits(params, inputs),
    contexts,
    textFeatures,
    ...(image === undefined ? {} : { encodeImages }),
    async functions({ learnedFrom, onProgress }) {
      const imageLayers = image === undefined ? [] : (await programs.layers(params, any)).image;
      const textFeatures_GCE = method.imageConditioned ? undefined : await textFeatures(any, onProgress);
      return promptFunctions(model, towers, { learnedFrom, params, imageLayers, textFeatures_GCE });
    },
    endSteps: () => programs.endSteps(),
    ...(lower && { lower }),
    async dispose() {
      await runs.dispose();
      await programs.dispose();
    },
  };
}

/** A method's learned numbers, and what computes with them. */
interface BoundPrompt {
  params: Record<string, Parameter>;
  programs: PromptPrograms;
  runs: TextRuns;
}

/** A step in programs of bounded size: learned tokens, features of both towers, losses, and their pull-backs. */
async function stepInPieces({ params, programs, runs }: BoundPrompt, images: LabelledImages): Promise<Descent[]> {
  const { storedFeatures_BE, patches_BNK } = images;
  const layers = await programs.layers(params, storedFeatures_BE);
  const textFeatures_GCE = await runs.encode(layers.text);
  const rawFeatures_BE = layers.image.length === 0
    ? undefined
    : await programs.encodeImages(layers.image, patches_BNK!);
  const inputs = { ...images, textFeatures_GCE, rawFeatures_BE };
  const descents: Descent[] = [];
  for (const { loss, gradients, dTextFeatures_GCE, dRawFeatures_BE } of await programs.losses(params, inputs)) {
    const dLayers = await runs.pullback(layers.text, dTextFeatures_GCE);
    if (dRawFeatures_BE) {
      dLayers.push(
        ...await programs.imagesPullback(layers.image, { patches_BNK: patches_BNK!, dRawFeatures_BE }),
      );
    }
    const throughLayers = await programs.layersPullback(params, { storedFeatures_BE, dLayers });
    descents.push({ loss, gradients: sums(gradients, throughLayers) });
  }
  return descents;
}

function sums(a: Record<string, Float32Array>, b: Record<string, Float32Array>): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(a).map(([name, data]) => [name, data.map((x, i) => x + b[name][i])]));
}

function copiesOf(params: Record<string, HostTensor>): Record<string, Parameter> {
  return Object.fromEntries(
    Object.entries(params).map(([name, { shape, data }]) => [name, { shape: [...shape], data: data.slice() }]),
  );
}

/** Labels as [B, C], 1 at each image's class. */
function oneHot(labels: ArrayLike<number>, classes: number): HostTensor {
  const data = new Float32Array(labels.length * classes);
  for (let i = 0; i < labels.length; i++) {
    if (!(labels[i] >= 0 && labels[i] < classes)) throw new Error(`Label ${labels[i]} is not among ${classes} classes`);
    data[i * classes + labels[i]] = 1;
  }
  return { shape: [labels.length, classes], data };
}
