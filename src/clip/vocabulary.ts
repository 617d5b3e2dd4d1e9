/**
 * CLIP's byte-pair vocabulary: 256 byte symbols, the same with `</w>`, the merges, the start and the end token.
 */
import { gunzipSync } from "node:zlib";
import { messageOf, UserError } from "../errors.ts";

const FILE = new URL("../../data/clip/bpe_simple_vocab_16e6.txt.gz", import.meta.url);

/** Merges that CLIP uses; the file has more. */
const MERGES = 49152 - 256 - 2;

/** The last two tokens. */
export const SPECIAL_TOKENS = ["<|startoftext|>", "<|endoftext|>"] as const;

/** Ids below this are single bytes, within a word and at its end; merges follow in their order. */
export const FIRST_MERGE = 512;

/** The vocabulary, ready for look-ups. */
export interface Vocabulary {
  /** Number of tokens. */
  readonly size: number;
  /** Text of a token in byte symbols; `</w>` where a word ends. */
  symbols(id: number): string;
  /** Of two neighbouring symbols, as `left right`: when they merge, lower first. Their token is `FIRST_MERGE` + rank. */
  readonly ranks: ReadonlyMap<string, number>;
}

/** Symbols of the 256 bytes in the order of their ids: printable ones stand for themselves. */
const BYTES_IN_ORDER: readonly { byte: number; symbol: string }[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [
    ...bytes.filter(printable).map((byte) => ({ byte, symbol: String.fromCharCode(byte) })),
    ...bytes.filter((byte) => !printable(byte)).map((byte, n) => ({ byte, symbol: String.fromCharCode(256 + n) })),
  ];
})();

/** The token and the symbol of each byte, by its value. */
export const BYTE_TOKENS: readonly { id: number; symbol: string }[] = Array.from({ length: 256 }, (_, byte) => {
  const id = BYTES_IN_ORDER.findIndex((other) => other.byte === byte);
  return { id, symbol: BYTES_IN_ORDER[id].symbol };
});

/** What ends the last symbol of a word, and what it adds to that token's id. */
export const WORD_END = { symbol: "</w>", id: 256 };

const SYMBOL_BYTES: ReadonlyMap<string, number> = new Map(BYTES_IN_ORDER.map(({ byte, symbol }) => [symbol, byte]));

/** The bytes that symbols stand for, without a word's end. */
export function bytesOf(symbols: string): Uint8Array {
  return Uint8Array.from(symbols, (symbol) => SYMBOL_BYTES.get(symbol)!);
}

/** Reads the file that ships with the kit; by `fetch` when the kit itself was imported from a URL. */
async function readFile(): Promise<Uint8Array> {
  if (FILE.protocol === "file:") return await Deno.readFile(FILE);
  const response = await fetch(FILE);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return await response.bytes();
}

/** The first lines of a file that has five times more than is used. */
function firstLines(bytes: Uint8Array, count: number): Uint8Array {
  let end = -1;
  for (let line = 0; line < count; line++) {
    end = bytes.indexOf(0x0a, end + 1);
    if (end < 0) return bytes;
  }
  return bytes.subarray(0, end);
}

/** Loads the vocabulary. Throws {@linkcode UserError} when the file cannot be read or is not whole. */
export async function loadVocabulary(): Promise<Vocabulary> {
  let text: string;
  try {
    text = new TextDecoder().decode(firstLines(gunzipSync(await readFile()), MERGES + 1));
  } catch (error) {
    const reason = messageOf(error);
    throw new UserError(`Cannot read CLIP's vocabulary ${FILE.href}: ${reason}. Restore the file.`, { cause: error });
  }
  // The first line is a version.
  const lines = text.split("\n").slice(1);
  if (lines.length !== MERGES) {
    throw new UserError(`CLIP's vocabulary ${FILE.href} has ${lines.length} merges instead of ${MERGES}: restore it.`);
  }
  const ranks = new Map<string, number>();
  for (let rank = 0; rank < lines.length; rank++) ranks.set(lines[rank], rank);
  return {
    size: FIRST_MERGE + MERGES + SPECIAL_TOKENS.length,
    symbols(id) {
      if (id < WORD_END.id) return BYTES_IN_ORDER[id].symbol;
      if (id < FIRST_MERGE) return BYTES_IN_ORDER[id - WORD_END.id].symbol + WORD_END.symbol;
      return lines[id - FIRST_MERGE]?.replace(" ", "") ?? SPECIAL_TOKENS[id - FIRST_MERGE - MERGES];
    },
    ranks,
  };
}
