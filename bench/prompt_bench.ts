/**
 * A CoCoOp session on a model of ViT-B/16's size, as the step and evaluation benchmarks time it.
 */
import { type ClipModel, loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { namedStream } from "../src/data/random.ts";
import type { Engine, HostTensor } from "../src/engine/ops.ts";
import { cocoopPrompt } from "../src/methods/cocoop.ts";
import { normalizeRows } from "../src/methods/zero_shot.ts";
import { openPrompt, type PromptSession } from "../src/prompt/session.ts";
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
export async function promptBench(engine: Engine, classNames: readonly string[]): Promise<PromptBench> {
  const tokenizer = await loadTokenizer();
  const model = loadModel(randomClip(VIT_B_16), { engine, tokenizer });
  const { text, embedding } = model.config;
  const method = cocoopPrompt({
    contextTokens: 4,
    initWords: "a photo of a",
    model,
    random: namedStream(1, "context-init"),
    embedding,
    metaNetRandom: namedStream(1, "meta-net-init"),
  });
  const session = await openPrompt(model, { method, classNames });
  const tokens = classNames.map((name) => {
    const ids = [tokenizer.startToken, ...tokenizer.encode(`a photo of a ${name}.`), tokenizer.endToken];
    return [...ids, ...new Array<number>(text.context - ids.length).fill(0)];
  });
  return {
    model,
    session,
    tokens,
    images: (count) => normalizeRows(noiseTensor([count, embedding], 5)),
  };
}
