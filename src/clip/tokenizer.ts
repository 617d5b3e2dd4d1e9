/**
 * Text to token ids, as openai/CLIP's `simple_tokenizer.py` does it: cleaning, words, bytes, byte pairs.
 */
import { cleanText } from "./clean_text.ts";
import { BYTE_SYMBOLS, loadVocabulary, SYMBOL_BYTES } from "./vocabulary.ts";

/** Turns text into CLIP's token ids. */
export interface Tokenizer {
  /** The ids of a text, without start and end token, of any length. */
  encode(text: string): number[];
  /** Stands before every text: 49,406. */
  readonly startToken: number;
  /** Stands behind every text: 49,407; the text's feature is read here. */
  readonly endToken: number;
  /** How many tokens there are: 49,408. */
  readonly size: number;
  /** The text of a token, with `</w>` where a word ends. A token that holds a part of a character shows its byte symbols. */
  word(id: number): string;
}

/** Contractions, letters, single digits, other runs. Space is Python's, which has U+0085 and not U+FEFF. */
const SPACE = "\\t-\\r\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORDS = new RegExp(
  `<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^${SPACE}\\p{L}\\p{N}]+`,
  "giu",
);

/** Words that are kept with their ids; class names repeat the same ones. */
const CACHED_WORDS = 10_000;

/**
 * Loads CLIP's tokenizer. Its vocabulary ships with the kit.
 *
 * @returns the tokenizer; it holds no resources
 * @throws {UserError} when the vocabulary's file cannot be read
 *
 * @example
 * ```ts
 * import { loadTokenizer } from "@prompt-kit/clip-prompts";
 *
 * const tokenizer = await loadTokenizer();
 * tokenizer.encode("a photo of a"); // [320, 1125, 539, 320]
 * ```
 */
export async function loadTokenizer(): Promise<Tokenizer> {
  const { words, ids, ranks } = await loadVocabulary();
  const startToken = words.length - 2;
  const endToken = words.length - 1;
  const cache = new Map<string, readonly number[]>();
  const utf8 = new TextEncoder();

  function encodeWord(word: string): readonly number[] {
    const symbols = Array.from(utf8.encode(word), (byte) => BYTE_SYMBOLS[byte]);
    symbols[symbols.length - 1] += "</w>";
    return mergePairs(symbols, ranks).map((symbol) => ids.get(symbol)!);
  }

  return {
    startToken,
    endToken,
    size: words.length,
    encode(text) {
      const out: number[] = [];
      for (const [word] of cleanText(text).matchAll(WORDS)) {
        let found = cache.get(word);
        if (found === undefined) {
          found = word === words[startToken] || word === words[endToken] ? [ids.get(word)!] : encodeWord(word);
          if (cache.size >= CACHED_WORDS) cache.clear();
          cache.set(word, found);
        }
        for (const id of found) out.push(id);
      }
      return out;
    },
    word(id) {
      if (id >= startToken) return words[id];
      const end = words[id].endsWith("</w>") ? "</w>" : "";
      const symbols = words[id].slice(0, words[id].length - end.length);
      const text = new TextDecoder().decode(Uint8Array.from(symbols, (symbol) => SYMBOL_BYTES.get(symbol)!));
      return (text.includes("\ufffd") ? symbols : text) + end;
    },
  };
}

/** Merges the neighbours that come first in the vocabulary, everywhere at once, until none is left that merges. */
function mergePairs(symbols: readonly string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  let now = symbols;
  while (now.length > 1) {
    let best = Infinity;
    let at = -1;
    for (let i = 0; i + 1 < now.length; i++) {
      const rank = ranks.get(`${now[i]} ${now[i + 1]}`);
      if (rank !== undefined && rank < best) [best, at] = [rank, i];
    }
    if (at < 0) break;
    const [left, right] = [now[at], now[at + 1]];
    const merged: string[] = [];
    for (let i = 0; i < now.length; i++) {
      if (now[i] === left && now[i + 1] === right) {
        merged.push(left + right);
        i++;
      } else {
        merged.push(now[i]);
      }
    }
    now = merged;
  }
  return now;
}
