/**
 * What learned context tokens resemble: the words whose embeddings are nearest, as CoOp's `interpret_prompt.py` lists them.
 * The words are a hint and no translation: learned tokens lie far from all words.
 *
 * `V` vocabulary, `M` context tokens, `D` width of the text tower.
 */
import type { HostTensor } from "../engine/ops.ts";

/** The neighbours of one learned token. */
export interface NearestWords {
  /** Number of the context token, from 1. */
  token: number;
  /** The class whose token it is; null for contexts that all classes share. */
  className: string | null;
  /** Nearest first. */
  words: { word: string; distance: number }[];
}

interface NearestWordsOptions {
  /** What a token's embedding is, [D]. */
  embedding: (id: number) => Float32Array;
  /** The tokens' texts; `word(id)` has `</w>` where a word ends. */
  tokenizer: { readonly size: number; word(id: number): string };
  /** Class names, for contexts [C, M, D]. */
  classNames?: readonly string[];
  /** Neighbours of each token; 5 when left out. */
  count?: number;
}

/** Rows that are worth the time: a class-specific prompt of many classes has more than anyone reads. */
const MOST_TOKENS = 160;

/**
 * Finds the words nearest to each learned token of `ctx` [M, D] or [C, M, D], by Euclidean distance. Of many classes only
 * the first ones are looked up. Words whose embedding is all zeros (the sample model never saw them) are left out.
 */
export function nearestWords(ctx: HostTensor, options: NearestWordsOptions): NearestWords[] {
  const { embedding, tokenizer, classNames, count = 5 } = options;
  const [M, D] = ctx.shape.slice(-2);
  const rows = Math.min(ctx.data.length / D, MOST_TOKENS);
  const best: { id: number; square: number }[][] = Array.from({ length: rows }, () => []);

  for (let id = 0; id < tokenizer.size; id++) {
    const word = embedding(id);
    if (word.every((value) => value === 0)) continue;
    for (let row = 0; row < rows; row++) {
      const nearest = best[row];
      const limit = nearest.length < count ? Infinity : nearest[count - 1].square;
      const square = squaredDistance(ctx.data, { offset: row * D, word, limit });
      if (square >= limit) continue;
      nearest.splice(nearest.findLastIndex((other) => other.square <= square) + 1, 0, { id, square });
      if (nearest.length > count) nearest.pop();
    }
  }
  return best.map((nearest, row) => ({
    token: row % M + 1,
    className: ctx.shape.length === 3 ? classNames?.[Math.floor(row / M)] ?? null : null,
    words: nearest.map(({ id, square }) => ({
      word: tokenizer.word(id).replace(/<\/w>$/, ""),
      distance: Number(Math.sqrt(square).toPrecision(6)),
    })),
  }));
}

/** Stops when the sum is past the limit: most words are far, so most of the table is never summed up. */
function squaredDistance(
  data: Float32Array,
  { offset, word, limit }: { offset: number; word: Float32Array; limit: number },
): number {
  let sum = 0;
  for (let i = 0; i < word.length; i++) {
    const difference = data[offset + i] - word[i];
    sum += difference * difference;
    if ((i & 31) === 31 && sum >= limit) return sum;
  }
  return sum;
}
