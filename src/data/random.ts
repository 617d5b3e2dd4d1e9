/**
 * Random numbers that are the same everywhere: CPython's Mersenne Twister bit for bit, and independent named streams.
 *
 * The published few-shot samples are what `random.seed(seed)` and `random.sample` of CPython give, so these are ported
 * exactly (MT19937 of Matsumoto and Nishimura, 1998; `Modules/_randommodule.c` and `Lib/random.py` of CPython 3.11).
 */
import { createHash } from "node:crypto";
import { UserError } from "../errors.ts";

const WORDS = 624;
const MIDDLE = 397;

/** A stream of random numbers; its whole state can be saved and put back. */
export interface RandomStream {
  /** Uniform in [0, 1) with 53 random bits, as CPython's `random.random()`. */
  random(): number;
  /** A uniform whole number in [0, n), as CPython's `_randbelow(n)`; `n` from 1 to 2^53. */
  below(n: number): number;
  /** `k` different items in the order drawn, as CPython's `random.sample`. */
  sample<T>(items: readonly T[], k: number): T[];
  /** Shuffles in place, as CPython's `random.shuffle`. */
  shuffle<T>(items: T[]): void;
  /** Normal with mean 0 and standard deviation 1 (Box and Muller, 1958; the second of each pair is kept for the next call). */
  normal(): number;
  /** `lo + (hi − lo) · random()`, as CPython's `random.uniform`. */
  uniform(lo: number, hi: number): number;
  /** Everything that decides what comes next: 624 words, the position, and the kept normal number (a flag and a value). */
  state(): number[];
  /** Puts a saved state back. Throws {@linkcode UserError} when it is none. */
  restore(state: readonly number[]): void;
}

/**
 * The stream that CPython has after `random.seed(seed)`; the sign of the seed is ignored, as there.
 *
 * @throws {UserError} When the seed is not a whole number below 2^53.
 */
export function pythonRandom(seed: number): RandomStream {
  return mersenneTwister(seedWords(seed));
}

/**
 * An independent stream for one purpose, so that drawing more numbers for one purpose never changes those for another.
 *
 * @param seed The seed of the run.
 * @param path What the stream is for: `"context-init"`, or `"augmentation", 3, "Forest/Forest_1.jpg"`.
 * @throws {UserError} When the seed is not a whole number below 2^53.
 *
 * @example
 * ```ts
 * import { namedStream } from "@prompt-kit/clip-prompts";
 *
 * const stream = namedStream(1, "context-init");
 * const state = stream.state();
 * const first = stream.normal();
 * stream.restore(state);
 * if (stream.normal() !== first || namedStream(1, "batch-order").normal() === first) throw new Error("unexpected");
 * ```
 */
export function namedStream(seed: number, ...path: (string | number)[]): RandomStream {
  const digest = createHash("sha256").update(JSON.stringify(path)).digest();
  const words = Array.from({ length: 8 }, (_, i) => digest.readUInt32LE(4 * i));
  return mersenneTwister([...seedWords(seed), ...words]);
}

function seedWords(seed: number): number[] {
  if (!Number.isSafeInteger(seed)) {
    throw new UserError(`The seed ${seed} is not a whole number below 2^53: give one such as 1.`);
  }
  const magnitude = Math.abs(seed);
  const high = Math.floor(magnitude / 2 ** 32);
  return high === 0 ? [magnitude >>> 0] : [magnitude >>> 0, high];
}

function mersenneTwister(key: readonly number[]): RandomStream {
  const words = initByArray(key);
  let position = WORDS;
  let kept: number | undefined;

  function next32(): number {
    if (position === WORDS) {
      twist(words);
      position = 0;
    }
    let y = words[position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  function bits(count: number): number {
    if (count <= 32) return next32() >>> (32 - count);
    const low = next32();
    return (next32() >>> (64 - count)) * 2 ** 32 + low;
  }

  function random(): number {
    const high = next32() >>> 5;
    return (high * 67108864 + (next32() >>> 6)) / 9007199254740992;
  }

  function below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 53) throw new RangeError(`below(${n}): n is not from 1 to 2^53.`);
    const count = bitLength(n);
    let drawn = bits(count);
    while (drawn >= n) drawn = bits(count);
    return drawn;
  }

  function sample<T>(items: readonly T[], k: number): T[] {
    const n = items.length;
    if (!Number.isInteger(k) || k < 0 || k > n) throw new RangeError(`sample: cannot draw ${k} of ${n} items.`);
    const setSize = k > 5 ? 21 + 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 21;
    return n <= setSize ? sampleFromPool(items, k, below) : sampleByRejection(items, k, below);
  }

  function shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  function normal(): number {
    if (kept !== undefined) {
      const value = kept;
      kept = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  function restore(state: readonly number[]): void {
    if (!isState(state)) {
      throw new UserError(`A saved random state is damaged (${state.length} numbers): start the run again.`);
    }
    words.set(state.slice(0, WORDS));
    position = state[WORDS];
    kept = state[WORDS + 1] === 1 ? state[WORDS + 2] : undefined;
  }

  return {
    random,
    below,
    sample,
    shuffle,
    normal,
    uniform: (lo, hi) => lo + (hi - lo) * random(),
    state: () => [...words, position, kept === undefined ? 0 : 1, kept ?? 0],
    restore,
  };
}

function isState(state: readonly number[]): boolean {
  if (state.length !== WORDS + 3) return false;
  const position = state[WORDS];
  return state.slice(0, WORDS).every((word) => word === word >>> 0) &&
    Number.isInteger(position) && position >= 0 && position <= WORDS &&
    (state[WORDS + 1] === 0 || state[WORDS + 1] === 1) && Number.isFinite(state[WORDS + 2]);
}

function sampleFromPool<T>(items: readonly T[], k: number, below: (n: number) => number): T[] {
  const pool = [...items];
  const drawn: T[] = [];
  for (let i = 0; i < k; i++) {
    const j = below(pool.length - i);
    drawn.push(pool[j]);
    pool[j] = pool[pool.length - i - 1];
  }
  return drawn;
}

function sampleByRejection<T>(items: readonly T[], k: number, below: (n: number) => number): T[] {
  const selected = new Set<number>();
  while (selected.size < k) selected.add(below(items.length));
  return [...selected].map((index) => items[index]);
}

function bitLength(n: number): number {
  const high = Math.floor(n / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(n);
}

function initByArray(key: readonly number[]): Uint32Array {
  const words = new Uint32Array(WORDS);
  words[0] = 19650218;
  for (let i = 1; i < WORDS; i++) words[i] = Math.imul(1812433253, words[i - 1] ^ (words[i - 1] >>> 30)) + i;
  let i = 1;
  let j = 0;
  const advance = () => {
    if (++i === WORDS) {
      words[0] = words[WORDS - 1];
      i = 1;
    }
  };
  const mixed = () => words[i - 1] ^ (words[i - 1] >>> 30);
  for (let count = Math.max(WORDS, key.length); count > 0; count--) {
    words[i] = (words[i] ^ Math.imul(mixed(), 1664525)) + key[j] + j;
    j = (j + 1) % key.length;
    advance();
  }
  for (let count = WORDS - 1; count > 0; count--) {
    words[i] = (words[i] ^ Math.imul(mixed(), 1566083941)) - i;
    advance();
  }
  words[0] = 0x80000000;
  return words;
}

function twist(words: Uint32Array): void {
  for (let i = 0; i < WORDS; i++) {
    const y = (words[i] & 0x80000000) | (words[(i + 1) % WORDS] & 0x7fffffff);
    words[i] = words[(i + MIDDLE) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
