/**
 * CoOp: a context learned in place of "a photo of a" (Zhou et al., IJCV 2022; CoOp trainers/coop.py:60-182).
 *
 * Two defects of the original are not copied: initial words are counted in tokens, not in spaces, and class-specific
 * contexts with initial words are honoured (every class starts from the words).
 */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import type { HostTensor } from "../engine/ops.ts";
import { promptLoss, type PromptMethod } from "./prompt_method.ts";
import { UserError } from "../errors.ts";

/** The standard deviation of random context tokens, as published. */
export const CONTEXT_INIT_STD = 0.02;

/** Where a context starts. */
export interface ContextInit {
  /** Words such as "a photo of a"; their tokens are the initial context and set its length. Underscores are spaces. */
  initWords?: string;
  /** How many tokens, when there are no words. */
  contextTokens: number;
  /** What the words' tokens look like, and how wide a token is. */
  model: {
    readonly config: { readonly text: { readonly width: number } };
    readonly tokenizer: { encode(text: string): number[] };
    tokenEmbedding(id: number): Float32Array;
  };
  /** Gives the random tokens: normal, mean 0, deviation 1. */
  random: { normal(): number };
}

/** The options of {@linkcode coop}. */
export interface CoopOptions extends ContextInit {
  /** Each class learns tokens of its own ("CSC"). */
  classSpecific: boolean;
  /** Where the class name stands among the learned tokens; `end` in every published table. */
  classTokenPosition: ClassTokenPosition;
  /** How many classes there are. */
  classes: number;
}

/** The initial context [M, D], or [C, M, D] with `copies`. Throws UserError for words that have no tokens. */
export function initialContext(init: ContextInit, copies?: number): HostTensor {
  const D = init.model.config.text.width;
  const lead = copies === undefined ? [] : [copies];
  const count = copies ?? 1;
  if (init.initWords !== undefined && init.initWords !== "") {
    const ids = init.model.tokenizer.encode(init.initWords.replaceAll("_", " "));
    if (ids.length === 0) {
      throw new UserError(
        `The initial words "${init.initWords}" hold no token: give words, or leave --init-words out.`,
      );
    }
    const data = new Float32Array(count * ids.length * D);
    for (let c = 0; c < count; c++) {
      ids.forEach((id, m) => data.set(init.model.tokenEmbedding(id), (c * ids.length + m) * D));
    }
    return { shape: [...lead, ids.length, D], data };
  }
  const data = new Float32Array(count * init.contextTokens * D);
  for (let i = 0; i < data.length; i++) data[i] = CONTEXT_INIT_STD * init.random.normal();
  return { shape: [...lead, init.contextTokens, D], data };
}

/**
 * CoOp with a generic or class-specific context.
 *
 * @param options The context's start, its place and whether classes share it.
 * @returns A method with one parameter `ctx`, [M, D] or [C, M, D].
 * @throws {UserError} When the initial words hold no token.
 *
 * @example Words set the length of the context
 * ```ts
 * import { coop, loadTokenizer, namedStream } from "@prompt-kit/clip-prompts";
 *
 * const tokenizer = await loadTokenizer();
 * // A `ClipModel` fits here; this is all of it that is read.
 * const model = { config: { text: { width: 8 } }, tokenizer, tokenEmbedding: (id: number) => new Float32Array(8).fill(id) };
 * const start = { model, initWords: "a photo of a", contextTokens: 16, random: namedStream(1, "context-init") };
 * const { params } = coop({ ...start, classes: 5, classSpecific: false, classTokenPosition: "end" });
 * if (params.ctx.shape.join() !== "4,8" || params.ctx.data[0] !== 320) throw new Error("unexpected");
 * ```
 */
export function coop(options: CoopOptions): PromptMethod {
  const ctx = initialContext(options, options.classSpecific ? options.classes : undefined);
  const [M, D] = ctx.shape.slice(-2);
  return {
    name: "coop",
    shape: {
      contextTokens: M,
      classTokenPosition: options.classTokenPosition,
      classSpecific: options.classSpecific,
    },
    params: { ctx },
    imageConditioned: false,
    contexts: (ops, { params }) => options.classSpecific ? params.ctx : ops.reshape(params.ctx, [1, M, D]),
    losses: (ops, inputs) => [promptLoss(ops, inputs)],
  };
}
