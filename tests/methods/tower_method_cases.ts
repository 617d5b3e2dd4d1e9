/** A small CLIP with unequal towers and the published words, and methods inside its towers. */
import { assertEquals } from "jsr:@std/assert@1.0.19";
import { randomClip } from "../../bench/random_clip.ts";
import type { ClipConfig } from "../../src/clip/config.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { namedStream } from "../../src/data/random.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { type PromptLearning, publishedValues } from "../../src/methods/method.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import { withEngine } from "../engine/ops_cases.ts";

/** Three layers of text, two of images. */
export const UNEQUAL: ClipConfig = {
  embedding: 24,
  image: { size: 16, patch: 8, width: 128, layers: 2, heads: 2 },
  text: { context: 20, vocabulary: 49408, width: 64, layers: 3, heads: 1 },
};

export const CLASSES = ["Annual_Crop", "Forest", "Sea or Lake"];

/** What every published configuration has: batch of 4, Dassl's SGD, a fresh crop each epoch. */
export const COMMON = {
  batchSize: 4,
  momentum: 0.9,
  weightDecay: 5e-4,
  warmupEpochs: 1,
  warmupLr: 1e-5,
  views: "epochs",
  promptAverage: "",
  wise: 1,
  initWords: "a photo of a",
};

/** Runs `fn` with the small model. */
export async function withModel<T>(fn: (model: ClipModel) => Promise<T>): Promise<T> {
  return await withEngine("onnx", async (engine) => {
    const model = loadModel(randomClip(UNEQUAL), { engine, tokenizer: await loadTokenizer() });
    try {
      return await fn(model);
    } finally {
      await model.dispose();
    }
  });
}

/** A method's prompt at its defaults and `settings`. */
export async function promptOf<S>(
  method: PromptLearning<S>,
  { model, seed = 1, classNames = CLASSES, ...settings }:
    & { model: ClipModel; seed?: number; classNames?: string[] }
    & Partial<S>,
): Promise<PromptMethod> {
  return await method.prompt({
    model,
    classNames,
    settings: { ...publishedValues(method as unknown as PromptLearning, null, 16), ...settings } as S,
    template: "a photo of a {}.",
    random: (name) => namedStream(seed, name),
  });
}

/** The values of a preset at 16 shots. */
export function presetValues<S>(method: PromptLearning<S>, preset: string): unknown {
  return publishedValues(method as unknown as PromptLearning, preset, 16);
}

/** Shapes by name, in order. */
export function shapesOf(params: Readonly<Record<string, HostTensor>>): string[] {
  return Object.entries(params).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
}

/** The embeddings of words, one after the other. */
export function embeddingsOf(model: ClipModel, words: readonly string[]): number[] {
  return words.flatMap((word) => {
    const ids = model.tokenizer.encode(word);
    assertEquals(ids.length, 1);
    return [...model.tokenEmbedding(ids[0])];
  });
}

/** Fails unless the numbers look drawn from a normal distribution of deviation 0.02. */
export function assertNormal({ data }: HostTensor): void {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length);
  const close = Math.abs(mean) < 0.006 && Math.abs(deviation - 0.02) < 0.004;
  assertEquals(close, true, `mean ${mean}, deviation ${deviation}`);
}
