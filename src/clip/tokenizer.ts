/**
 * Text to token ids, as openai/CLIP's `simple_tokenizer.py` does it: cleaning, words, bytes, byte pairs.
 */
import { cleanText } from "./clean_text.ts";
import { BYTE_TOKENS, bytesOf, FIRST_MERGE, loadVocabulary, SPECIAL_TOKENS, WORD_END } from "./vocabulary.ts";

/** Turns text into CLIP's token ids. */
export interface Tokenizer {
  /** The ids of a text, without start and end token, of any length. */
  encode(text: string): number[];
  /** The first token of every text: 49,406. */
  readonly startToken: number;
  /** The last token of every text: 49,407; the text's feature is read here. */
  readonly endToken: number;
  /** Number of tokens: 49,408. */
  readonly size: number;
  /** The text of a token, with `</w>` where a word ends. A token that holds a part of a character shows its byte symbols. */
  word(id: number): string;
}

/** White space as the published expression sees it: Unicode's, which has U+0085 and not U+FEFF. */
const SPACE = "\\t-\\r\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/**
 * Contractions, letters, single digits, other runs. The published expression ignores case; in text that is lower case
 * already this leaves the long s, and U+0345: a mark that folds to a letter, so that neither part matches it.
 */
const WORDS = new RegExp(
  `<\\|[sſ]tartoftext\\|>|<\\|endoftext\\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\u0345${SPACE}\\p{L}\\p{N}]+`,
  "gu",
);

/** Words that are kept with their ids; class names repeat the same ones. */
const CACHED_WORDS = 10_000;

/**
 * Loads CLIP's tokenizer. Its vocabulary ships with the kit.
 *
 * @returns the tokenizer; it needs no disposal
 * @throws {UserError} when the vocabulary's file cannot be read
 *
 * @example
 * ```ts
 * import { loadTokenizer } from "@prompt-kit/clip-prompts";
 *
 * const tokenizer = await loadTokenizer();
 * const ids = tokenizer.encode("a photo of a");
 * if (ids.join() !== "320,1125,539,320" || tokenizer.word(1125) !== "photo</w>") throw new Error("unexpected");
 * ```
 */
export async function loadTokenizer(): Promise<Tokenizer> {
  const { size, symbols, ranks } = await loadVocabulary();
  const startToken = size - 2;
  const endToken = size - 1;
  const cache = new Map<string, readonly number[]>(SPECIAL_TOKENS.map((word, i) => [word, [startToken + i]]));
  const utf8 = new TextEncoder();

  function encodeWord(word: string): readonly number[] {
    const tokens = Array.from(utf8.encode(word), (byte) => BYTE_TOKENS[byte]);
    const last = tokens[tokens.length - 1];
    tokens[tokens.length - 1] = { id: last.id + WORD_END.id, symbol: last.symbol + WORD_END.symbol };
    return mergePairs(tokens, ranks).map(({ id }) => id);
  }

  return {
    startToken,
    endToken,
    size,
    encode(text) {
      const out: number[] = [];
      for (const [word] of cleanText(text).matchAll(WORDS)) {
        let ids = cache.get(word);
        if (ids === undefined) {
          ids = encodeWord(word);
          if (cache.size < CACHED_WORDS) cache.set(word, ids);
        }
        for (const id of ids) out.push(id);
      }
      return out;
    },
    word(id) {
      const word = symbols(id);
      if (id >= startToken) return word;
      const end = word.endsWith(WORD_END.symbol) ? WORD_END.symbol : "";
      const whole = word.slice(0, word.length - end.length);
      const text = new TextDecoder().decode(bytesOf(whole));
      return (text.includes("\ufffd") ? whole : text) + end;
    },
  };
}

interface Token {
  id: number;
  symbol: string;
}

/** Merges the neighbours that come first in the vocabulary, everywhere at once, until none is left that merges. */
function mergePairs(tokens: readonly Token[], ranks: ReadonlyMap<string, number>): readonly Token[] {
  let now = tokens;
  while (now.length > 1) {
    let best = Infinity;
    let at = -1;
    for (let i = 0; i + 1 < now.length; i++) {
      const rank = ranks.get(`${now[i].symbol} ${now[i + 1].symbol}`);
      if (rank !== undefined && rank < best) [best, at] = [rank, i];
    }
    if (at < 0) break;
    const [left, right] = [now[at].id, now[at + 1].id];
    const pair = { id: FIRST_MERGE + best, symbol: now[at].symbol + now[at + 1].symbol };
    const merged: Token[] = [];
    for (let i = 0; i < now.length; i++) {
      const together = now[i].id === left && now[i + 1]?.id === right;
      merged.push(together ? pair : now[i]);
      if (together) i++;
    }
    now = merged;
  }
  return now;
}
