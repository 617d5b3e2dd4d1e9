/**
 * CLIP's byte-pair vocabulary: 256 byte symbols, the same with `</w>`, the merges, the start and the end token.
 */
import { gunzipSync } from "node:zlib";
import { UserError } from "../errors.ts";

const FILE = new URL("../../data/clip/bpe_simple_vocab_16e6.txt.gz", import.meta.url);

/** Merges that CLIP uses; the file holds more. */
const MERGES = 49152 - 256 - 2;

/** The vocabulary, ready for look-ups. */
export interface Vocabulary {
  /** Text of each token in byte symbols; `</w>` where a word ends. */
  readonly words: readonly string[];
  /** The id of a text in byte symbols. */
  readonly ids: ReadonlyMap<string, number>;
  /** Of two neighbouring symbols, as `left right`: when they merge. Lower merges first. */
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

/** The symbol of each byte, by its value. */
export const BYTE_SYMBOLS: readonly string[] = BYTES_IN_ORDER.toSorted((a, b) => a.byte - b.byte).map((b) => b.symbol);

/** The byte that each symbol stands for. */
export const SYMBOL_BYTES: ReadonlyMap<string, number> = new Map(BYTE_SYMBOLS.map((symbol, byte) => [symbol, byte]));

/** Reads the file that ships with the kit; by `fetch` when the kit itself was imported from a URL. */
async function readFile(): Promise<Uint8Array> {
  if (FILE.protocol === "file:") return await Deno.readFile(FILE);
  const response = await fetch(FILE);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return await response.bytes();
}

/**
 * Loads the vocabulary.
 *
 * @throws {UserError} when the file cannot be read or is not whole
 */
export async function loadVocabulary(): Promise<Vocabulary> {
  let text: string;
  try {
    text = new TextDecoder().decode(gunzipSync(await readFile()));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`Cannot read CLIP's vocabulary ${FILE.href}: ${reason}. Restore the file.`, { cause: error });
  }
  // The first line is a version.
  const lines = text.split("\n", MERGES + 1).slice(1);
  if (lines.length !== MERGES) {
    throw new UserError(`CLIP's vocabulary ${FILE.href} has ${lines.length} merges instead of ${MERGES}: restore it.`);
  }
  const symbols = BYTES_IN_ORDER.map(({ symbol }) => symbol);
  const words = [
    ...symbols,
    ...symbols.map((symbol) => `${symbol}</w>`),
    ...lines.map((line) => line.replace(" ", "")),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  return {
    words,
    ids: new Map(words.map((word, id) => [word, id])),
    ranks: new Map(lines.map((line, rank) => [line, rank])),
  };
}
