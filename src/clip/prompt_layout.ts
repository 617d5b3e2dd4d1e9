/**
 * How prompts are laid out so that nothing is computed twice.
 *
 * Causal attention and pooling at the end token make three savings exact: nothing after the end token is needed; the
 * start token sees only itself, so its keys and values are constants; and context tokens before the class name are
 * the same for every class. A *pack* is therefore one sequence: the shared rows once, then the remaining rows of
 * several classes, under a mask that lets each row see the shared rows and its own class only.
 */
import { UserError } from "../errors.ts";
import type { HostTensor } from "../engine/ops.ts";

/** Where the class name is among the context tokens. */
export type ClassTokenPosition = "end" | "middle" | "front";

/** A row of a prompt: a learned context token, or a token of the frozen vocabulary. */
export type PromptToken = { learned: number } | { id: number };

/** The prompt of one class, start token left out, end token last. */
export interface ClassPrompt {
  /** Learned and frozen tokens in their order. */
  tokens: PromptToken[];
  /** How many tokens at the front are the same, at the same place, in every class's prompt. */
  shared: number;
}

/** Masks and matrices of all packs. `P` packs, `L` rows a pack, `M` learned tokens a pack sees, `Q` classes a pack, `D` width. */
export interface PromptLayout {
  /** How many classes the packs hold, in order: pack `p` has classes `p·Q` … `p·Q + Q − 1`. */
  classes: number;
  /** 0/1, [P, L, M]: which learned token is in which row. Undefined when no token is learned. */
  place?: HostTensor;
  /** Whether no learned token is in two rows of a pack: not so where the class name comes before learned tokens. */
  placedOnce: boolean;
  /** The row of the first learned token where they follow each other in every pack; undefined elsewhere. */
  learnedFrom?: number;
  /** Position embeddings, and token embeddings of the frozen tokens, [P, L, D]. */
  fixed: HostTensor;
  /** 0 or a large negative number, [P, 1, L, 1 + L]; column 0 is the start token. */
  mask: HostTensor;
  /** 0/1, [P, Q, L], or [P, Q, K] of the branch's rows: each class's end token. Rows of absent classes pick the first class again. */
  pick: HostTensor;
  /** Rows that no classes share, `K` a pack, where each class's tokens replace the contexts before a later block. */
  branch?: {
    /** 0/1, [P, K, Q·M]: which class's token is in which row. */
    place: HostTensor;
    /** 0/1, [P, K, L]: the row that each row goes on from; none for contexts, which are replaced. */
    spread: HostTensor;
    /** As the layout's, [P, 1, K, 1 + K]. */
    mask: HostTensor;
  };
  /** Token rows that are computed, padding not counted. */
  tokenRows: number;
}

/** The tensors of a layout, which has learned tokens, as programs take them, in this order. */
export function packTensors({ place, fixed, mask, pick, branch }: PromptLayout): Record<string, HostTensor> {
  const later = branch && { branch_place: branch.place, branch_spread: branch.spread, branch_mask: branch.mask };
  return { place: place!, fixed, mask, pick, ...later };
}

/** Scores of forbidden keys: their exponential is exactly 0 in float32, and no engine turns it into a NaN as −∞ can. */
export const FORBIDDEN = -1e9;

/**
 * The prompt of a class with `contextTokens` learned tokens, as published (CoOp trainers/coop.py:60-182).
 * `rest` are the tokens after the learned ones in the place-holder text (name, full stop, end token), of which
 * the first `nameLength` are the name.
 */
export function classPrompt(
  rest: readonly number[],
  options: {
    contextTokens: number;
    nameLength: number;
    position: ClassTokenPosition;
    classSpecific: boolean;
    /** Longest prompt with its start token (77 for every published CLIP). */
    longest: number;
    className: string;
  },
): ClassPrompt {
  const { contextTokens, nameLength, position, classSpecific, longest, className } = options;
  if (1 + contextTokens + rest.length > longest) {
    throw new UserError(
      `The prompt of class "${className}" has ${1 + contextTokens + rest.length} tokens, more than the ${longest} ` +
        `that this model reads: use fewer context tokens than ${contextTokens} or a shorter class name.`,
    );
  }
  const learned = (from: number, to: number): PromptToken[] =>
    Array.from({ length: to - from }, (_, i) => ({ learned: from + i }));
  const name = rest.slice(0, nameLength).map((id) => ({ id }));
  const tail = rest.slice(nameLength).map((id) => ({ id }));
  const half = Math.floor(contextTokens / 2);
  const before = position === "end" ? contextTokens : position === "middle" ? half : 0;
  return {
    tokens: [...learned(0, before), ...name, ...learned(before, contextTokens), ...tail],
    shared: classSpecific ? 0 : before,
  };
}

/** What {@linkcode layOut} needs to know. */
export interface LayoutOptions {
  /** Learned tokens of one context. */
  contextTokens: number;
  /** Each class has learned tokens of its own. */
  classSpecific: boolean;
  /** Each class gets contexts of its own before a later block. */
  branches?: boolean;
  /** Learned tokens, first in each prompt, come in above the first blocks: they have no position, and their rows are zero. */
  inserted?: boolean;
  /** Width of the text tower. */
  width: number;
  /** The token's embedding, [D]. */
  embedding: (id: number) => Float32Array;
  /** Position embeddings, [77, D]. */
  positions: Float32Array;
  /** Packs grow to about this many rows. */
  rowsPerPack: number;
  /** Classes a pack, where that is decided already. */
  classesPerPack?: number;
  /** Rows of a pack, where that is decided already; as many as the longest needs when left out. */
  rows?: number;
}

/** How prompts are packed: `Q` classes a pack, `P` packs, `L` rows each. */
export function packSizes(
  prompts: readonly ClassPrompt[],
  options: Pick<LayoutOptions, "rowsPerPack" | "classesPerPack" | "rows">,
): { P: number; Q: number; L: number; total: number } {
  const shared = prompts[0].shared;
  const rowsOfClass = prompts.map((prompt) => prompt.tokens.length - shared);
  const total = rowsOfClass.reduce((sum, rows) => sum + rows, 0);
  const packsWanted = Math.max(1, Math.ceil(total / Math.max(1, options.rowsPerPack - shared)));
  const Q = options.classesPerPack ?? Math.ceil(prompts.length / packsWanted);
  const P = Math.ceil(prompts.length / Q);
  let L = options.rows ?? 0;
  for (let p = 0; p < P; p++) {
    L = Math.max(L, shared + rowsOfClass.slice(p * Q, p * Q + Q).reduce((sum, rows) => sum + rows, 0));
  }
  return { P, Q, L, total };
}

/** Packs the prompts of all classes. */
export function layOut(prompts: readonly ClassPrompt[], options: LayoutOptions): PromptLayout {
  const { contextTokens, classSpecific, inserted = false, width: D, embedding, positions } = options;
  const shared = prompts[0].shared;
  const { P, Q, L, total } = packSizes(prompts, options);
  const M = classSpecific ? Q * contextTokens : contextTokens;
  const place = new Float32Array(P * L * M);
  const fixed = new Float32Array(P * L * D);
  const mask = new Float32Array(P * L * (1 + L)).fill(FORBIDDEN);
  const pick = new Float32Array(P * Q * L);

  for (let p = 0; p < P; p++) {
    const see = (row: number, key: number) => mask[(p * L + row) * (1 + L) + key] = 0;
    const put = (row: number, token: PromptToken, at: { position: number; slot: number }) => {
      const out = fixed.subarray((p * L + row) * D, (p * L + row + 1) * D);
      const position = at.position - (inserted ? contextTokens : 0);
      if (position > 0) out.set(positions.subarray(position * D, (position + 1) * D));
      if ("learned" in token) {
        place[(p * L + row) * M + (classSpecific ? at.slot * contextTokens : 0) + token.learned] = 1;
      } else {
        const vector = embedding(token.id);
        for (let i = 0; i < D; i++) out[i] += vector[i];
      }
    };
    // Rows of padding see the start token, so that their softmax is a number.
    for (let row = 0; row < L; row++) see(row, 0);
    for (let row = 0; row < shared; row++) {
      put(row, prompts[0].tokens[row], { position: 1 + row, slot: 0 });
      for (let key = 0; key <= row; key++) see(row, 1 + key);
    }
    let from = shared;
    for (let slot = 0; slot < Q; slot++) {
      const prompt = prompts[p * Q + slot];
      if (prompt === undefined) {
        pick[(p * Q + slot) * L + pick.subarray(p * Q * L, (p * Q + 1) * L).indexOf(1)] = 1;
        continue;
      }
      const rows = prompt.tokens.length - shared;
      for (let i = 0; i < rows; i++) {
        put(from + i, prompt.tokens[shared + i], { position: 1 + shared + i, slot });
        for (let key = 0; key < shared; key++) see(from + i, 1 + key);
        for (let key = 0; key <= i; key++) see(from + i, 1 + from + key);
      }
      pick[(p * Q + slot) * L + from + rows - 1] = 1;
      from += rows;
    }
  }
  const later = options.branches ? branchOf(prompts, { ...options, classesPerPack: Q }, L) : undefined;
  return {
    classes: prompts.length,
    place: M === 0 ? undefined : { shape: [P, L, M], data: place },
    placedOnce: classSpecific || contextTokens <= shared || Q === 1,
    learnedFrom: contextTokens <= shared ? 0 : undefined,
    fixed: { shape: [P, L, D], data: fixed },
    mask: { shape: [P, 1, L, 1 + L], data: mask },
    pick: later?.pick ?? { shape: [P, Q, L], data: pick },
    ...(later && { branch: later.branch }),
    tokenRows: P * shared + total,
  };
}

/** The same packs with nothing shared, and how the L rows of each go on in theirs. */
function branchOf(
  prompts: readonly ClassPrompt[],
  options: LayoutOptions & { classesPerPack: number },
  L: number,
): Required<Pick<PromptLayout, "branch" | "pick">> {
  const [{ shared }] = prompts;
  const alone = { ...options, branches: false, classSpecific: true, rows: undefined };
  const { place, mask, pick } = layOut(prompts.map(({ tokens }) => ({ tokens, shared: 0 })), alone);
  const [P, K] = place!.shape;
  const spread = new Float32Array(P * K * L);
  for (let p = 0; p < P; p++) {
    let [from, to] = [shared, 0];
    for (const { tokens } of prompts.slice(p * options.classesPerPack, (p + 1) * options.classesPerPack)) {
      tokens.forEach((token, i) => {
        const row = i < shared ? i : from + i - shared;
        if ("id" in token) spread[(p * K + to + i) * L + row] = 1;
      });
      from += tokens.length - shared;
      to += tokens.length;
    }
  }
  return { branch: { place: place!, spread: { shape: [P, K, L], data: spread }, mask }, pick };
}
