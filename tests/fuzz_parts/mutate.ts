/** Damage to files, the same for the same seed. */
import { pythonRandom, type RandomStream } from "../../src/data/random.ts";

/** What is damaged and how. */
export interface Corpus {
  /** Whole files. */
  files: readonly Uint8Array[];
  /** Files that must be refused as they are: those that say something twice, or stand for more than they hold. */
  refused?: readonly Uint8Array[];
  /** Texts that this kind of file is sensitive to. */
  words?: readonly string[];
  /** Where in a file most of the damage is done, counted from its beginning and its end. */
  hot?: { head: number; tail: number };
}

/** What would steer a terminal, turn the direction of text or end a line, and what stands for bytes that are no letters. */
const STEERING = [
  "\x1b[31m",
  "\x1b]0;x\x07",
  "\x7f",
  "\u009b31m",
  "\u202e",
  "\u2066",
  "\u2028",
  "\u200b",
  "\ufeff",
  "\r",
  "\ufffd",
];

/** Numbers that sizes and offsets go wrong at. */
const EDGES = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0xffffffffn,
  1n << 40n,
  (1n << 53n) - 1n,
];

/** A damaged file: the `number`th of this seed. */
export function mutate(corpus: Corpus, { seed, number }: { seed: number; number: number }): Uint8Array<ArrayBuffer> {
  const random = pythonRandom(seed * 1_000_003 + number);
  const pick = <T>(items: readonly T[]) => items[random.below(items.length)];
  let bytes: Uint8Array = pick(corpus.files);
  for (let left = 1 + random.below(3); left > 0; left--) {
    bytes = pick(DAMAGES)(bytes, { corpus, random, at: placeIn(bytes, { corpus, random }) });
  }
  return bytes.slice();
}

type Damage = (bytes: Uint8Array, where: { corpus: Corpus; random: RandomStream; at: number }) => Uint8Array;

function placeIn({ length }: Uint8Array, { corpus, random }: { corpus: Corpus; random: RandomStream }): number {
  if (length === 0) return 0;
  const { head, tail } = corpus.hot ?? { head: length, tail: 0 };
  if (random.below(5) === 0) return random.below(length);
  const place = random.below(head + tail);
  return Math.max(0, Math.min(length - 1, place < head ? place : length - 1 - (place - head)));
}

function splice(
  bytes: Uint8Array,
  at: number,
  { remove = 0, put = new Uint8Array() }: { remove?: number; put?: Uint8Array },
): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const out = new Uint8Array(at + put.length + rest.length);
  out.set(bytes.subarray(0, at));
  out.set(put, at);
  out.set(rest, at + put.length);
  return out;
}

const encode = (text: string) => new TextEncoder().encode(text);

const flipBit: Damage = (bytes, { random, at }) => {
  const out = bytes.slice();
  if (out.length > 0) out[at] ^= 1 << random.below(8);
  return out;
};

const someBytes: Damage = (bytes, { random, at }) =>
  splice(bytes, at, { remove: 4, put: Uint8Array.from({ length: 4 }, () => random.below(256)) });

const edgeNumber: Damage = (bytes, { random, at }) => {
  const width = [1, 2, 4, 8][random.below(4)];
  const put = new Uint8Array(8);
  const little = random.below(2) === 0;
  new DataView(put.buffer).setBigUint64(0, EDGES[random.below(EDGES.length)], little);
  return splice(bytes, at, { remove: width, put: little ? put.subarray(0, width) : put.subarray(8 - width) });
};

/** A number that stands there as text becomes another. */
const textNumber: Damage = (bytes, { random, at }) => {
  const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
  let from = at;
  while (from < bytes.length && !isDigit(bytes[from])) from++;
  let to = from;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  const numbers = ["0", "-1", "0.5", "1e999", "1e15", "9007199254740993", "00", "NaN", "", String(random.below(100))];
  return splice(bytes, from, { remove: to - from, put: encode(numbers[random.below(numbers.length)]) });
};

const word: Damage = (bytes, { corpus, random, at }) => {
  const words = [...corpus.words ?? ["\0", "../"], ...STEERING];
  return splice(bytes, at, { remove: random.below(12), put: encode(words[random.below(words.length)]) });
};

/** One of the corpus's words becomes another, of the same length where the format counts. */
const exchangeWord: Damage = (bytes, where) => {
  const { corpus, random } = where;
  const words = (corpus.words ?? []).filter((text) => text.length > 2);
  const text = new TextDecoder("latin1").decode(bytes);
  const there = words.filter((candidate) => text.includes(candidate));
  if (there.length === 0) return flipBit(bytes, where);
  const old = there[random.below(there.length)];
  const other = words[random.below(words.length)];
  const put = random.below(2) === 0 ? other : other.padEnd(old.length, " ").slice(0, old.length);
  return splice(bytes, text.indexOf(old), { remove: old.length, put: encode(put) });
};

const cutEnd: Damage = (bytes, { at }) => bytes.subarray(0, at);
const cutOut: Damage = (bytes, { random, at }) => splice(bytes, at, { remove: 1 + random.below(64) });
const repeat: Damage = (bytes, { random, at }) =>
  splice(bytes, at, { put: bytes.subarray(at, at + 1 + random.below(64)) });

const insert: Damage = (bytes, { random, at }) =>
  splice(bytes, at, { put: Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256)) });

/** The beginning of one file and the end of another. */
const cross: Damage = (bytes, { corpus, random, at }) => {
  const other = corpus.files[random.below(corpus.files.length)];
  return splice(bytes.subarray(0, at), at, { put: other.subarray(Math.min(at, other.length)) });
};

/** The same again and again: what takes time or memory by the square of its length shows. */
const blow: Damage = (bytes, { random, at }) => {
  if (random.below(8) > 0) return bytes;
  const piece = bytes.subarray(at, at + 1 + random.below(64));
  const times = Math.floor((1 << (12 + random.below(7))) / Math.max(1, piece.length));
  const put = new Uint8Array(piece.length * times);
  for (let i = 0; i < times; i++) put.set(piece, i * piece.length);
  return splice(bytes, at, { put });
};

const nest: Damage = (bytes, { random, at }) => {
  const opening = ["[", '{"a":', "(", "- "][random.below(4)];
  return splice(bytes, at, { put: encode(opening.repeat(1 + random.below(2000))) });
};

/** JSON that stays JSON: one of its values becomes another, or is gone. */
const jsonValue: Damage = (bytes, where) => {
  // The header of a safetensors file is JSON behind its length.
  const length = bytes.length > 8 && bytes[8] === 0x7b ? new DataView(bytes.slice(0, 8).buffer).getUint32(0, true) : 0;
  const [from, to] = length > 0 && 8 + length <= bytes.length ? [8, 8 + length] : [0, bytes.length];
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes.subarray(from, to)));
  } catch {
    return flipBit(bytes, where);
  }
  oddValue(document, where.random);
  const put = encode(JSON.stringify(document));
  const out = splice(bytes, from, { remove: to - from, put });
  if (from === 8) new DataView(out.buffer).setUint32(0, put.length, true);
  return out;
};

function oddValue(document: unknown, random: RandomStream): void {
  let at = document as Record<string, unknown>;
  while (typeof at === "object" && at !== null) {
    const keys = Object.keys(at);
    if (keys.length === 0) break;
    const key = keys[random.below(keys.length)];
    const inner = at[key];
    if (typeof inner === "object" && inner !== null && random.below(6) > 0) {
      at = inner as Record<string, unknown>;
      continue;
    }
    if (random.below(4) === 0) delete at[key];
    else at[key] = ODD_VALUES[random.below(ODD_VALUES.length)];
    break;
  }
}

const ODD_VALUES = [null, true, 0, -1, 0.5, 1e300, 2 ** 40, "", "x", "../x", "\x1b[2J", [], [null], {}, { a: 1 }, [
  "x",
]];

const DAMAGES: readonly Damage[] = [
  jsonValue,
  jsonValue,
  flipBit,
  flipBit,
  someBytes,
  edgeNumber,
  edgeNumber,
  textNumber,
  textNumber,
  word,
  word,
  exchangeWord,
  exchangeWord,
  cutEnd,
  cutOut,
  repeat,
  insert,
  cross,
  nest,
  blow,
];
