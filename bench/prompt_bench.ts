/**
 * Sessions on a model of ViT-B/16's size, as the benchmarks time them: CoCoOp, and methods with prompts inside the towers.
 */
import type { ClipConfig } from "../src/clip/config.ts";
import { type ClipModel, loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { namedStream } from "../src/data/random.ts";
import type { Engine, HostTensor } from "../src/engine/ops.ts";
import { cocoopPrompt } from "../src/methods/cocoop.ts";
import type { PromptLearning } from "../src/methods/method.ts";
import { normalizeRows } from "../src/methods/zero_shot.ts";
import { sgdStep } from "../src/optim/sgd.ts";
import { type Batch, openPrompt, type PromptSession } from "../src/prompt/session.ts";
import { completeSettings } from "../src/run/config.ts";
import { noiseTensor, randomClip, VIT_B_16 } from "./random_clip.ts";

/** What is timed, and what PyTorch needs to do the same. */
export interface PromptBench {
  model: ClipModel;
  session: PromptSession;
  /** The 77 ids of each class's place-holder prompt. */
  tokens: number[][];
  /** L2-normalised features of `count` images. */
  images(count: number): HostTensor;
}

/** Opens CoCoOp with four context tokens on the given classes. */
export async function promptBench(
  engine: Engine,
  classNames: readonly string[],
  size: ClipConfig = VIT_B_16,
): Promise<PromptBench> {
  const model = await benchModel(engine, size);
  const { embedding } = model.config;
  const method = cocoopPrompt({
    contextTokens: 4,
    initWords: "a photo of a",
    model,
    random: namedStream(1, "context-init"),
    embedding,
    metaNetRandom: namedStream(1, "meta-net-init"),
  });
  const session = await openPrompt(model, { method, classNames });
  return {
    model,
    session,
    tokens: placeholderTokens(model, classNames),
    images: (count) => normalizeRows(noiseTensor([count, embedding], 5)),
  };
}

/** The 77 ids of each class's place-holder prompt. */
export function placeholderTokens({ tokenizer, config }: ClipModel, classNames: readonly string[]): number[][] {
  return classNames.map((name) => {
    const ids = [tokenizer.startToken, ...tokenizer.encode(`a photo of a ${name}.`), tokenizer.endToken];
    return [...ids, ...new Array<number>(config.text.context - ids.length).fill(0)];
  });
}

/** A model of random weights, of ViT-B/16's size unless another is given. */
export async function benchModel(engine: Engine, size: ClipConfig = VIT_B_16): Promise<ClipModel> {
  return loadModel(randomClip(size), { engine, tokenizer: await loadTokenizer() });
}

/** Opens a method by its first preset. */
export async function openMethod<S>(
  model: ClipModel,
  learning: PromptLearning<S>,
  classNames: readonly string[],
): Promise<PromptSession> {
  const method = await learning.prompt({
    model,
    classNames: [...classNames],
    settings: completeSettings<S>(learning, {} as Partial<S>).values as S,
    template: "a photo of a {}.",
    random: (name) => namedStream(1, name),
  });
  return await openPrompt(model, { method, classNames });
}

/** Patches of images, [B, N, K]. */
export function noisePatches(images: number, { image }: ClipConfig): HostTensor {
  const { size, patch } = image;
  return noiseTensor([images, (size / patch) ** 2, 3 * patch * patch], 3);
}

/** Training, as runs do it. */
export interface SgdSteps {
  step(batch: Batch): Promise<void>;
  /** What a run does at the end of an epoch. */
  read(): Promise<void>;
  close(): Promise<void>;
}

/** SGD at CoCoOp's published rate: on the device, where the session's engine keeps it apart, or on the host. */
export function sgdSteps(session: PromptSession, where: "device" | "host"): SgdSteps {
  const options = { momentum: 0.9, weightDecay: 5e-4, velocity: {} };
  const learningRate = 0.0025;
  if (where === "host") {
    return {
      async step(batch) {
        const { gradients } = await session.step(batch);
        sgdStep(session.params, gradients, { ...options, learningRate });
      },
      read: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }
  const steps = session.onDevice!.open(options);
  let done = 0;
  return {
    step: (batch) => steps.step(batch, { steps: done++, learningRate, rates: {} }),
    async read() {
      await steps.read();
    },
    close: () => steps.close(),
  };
}
