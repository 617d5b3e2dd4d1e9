/**
 * A setting, declared once: its words in `--help`, its default, its check, and whether it changes the numbers. The flag
 * `--batch-size`, the YAML key `batch-size`, the identity of a run, its path and what `compare` hands on follow from it.
 */
import { fitsALine, shown, UserError } from "../errors.ts";
import { didYouMean } from "../did_you_mean.ts";

/** One setting of a method or of a run. */
export interface Setting<T> {
  /** Its heading in `--help`. */
  section: "What runs" | "On what" | "Training" | "Prompt" | "Computing" | "Output";
  /** What stands for the value in `--help`; absent for switches. */
  placeholder?: string;
  /** What it means. */
  help: string;
  /** Its value when nothing is said, which may depend on the number of training images a class. */
  default?: T | ((shots: number) => T);
  /** The default in words, where the value alone would not tell. */
  defaultWords?: string;
  /** False for what cannot change a result: such settings are in no run's identity or path. True when left out. */
  changesNumbers?: boolean;
  /** Settings that go back to being empty when this one is given and they are not. */
  resets?: readonly string[];
  /** True where it is given as NAME=VALUE,VALUE, any number of times; in YAML as a mapping. */
  pairs?: boolean;
  /** True where its values are variants of the method, and nothing else follows from it. */
  variant?: boolean;
  /** True for a number that the method's paper fixes: it is recorded and no flag changes it. */
  fixed?: boolean;
  /** Reads the text of a flag or of a YAML value; `label` names it in messages. Throws UserError. */
  parse(text: string, label: string): T;
}

/** The settings of a method, by the names of its values: `batchSize` is the flag `--batch-size`. */
export type SettingsOf<S> = { [K in keyof S]: Setting<S[K]> };

/** The parts of a setting that its author writes; the check follows from the kind. */
export interface SettingWords<T> extends Omit<Partial<Setting<T>>, "parse"> {
  /** What it means, for `--help`. */
  help: string;
}

function setting<T>(
  words: SettingWords<T>,
  placeholder: string | undefined,
  parse: Setting<T>["parse"],
): Setting<T> {
  const parseLine = (text: string, label: string) => {
    requireLine(text, label);
    return parse(text, label);
  };
  return { section: "Training", ...(placeholder === undefined ? {} : { placeholder }), ...words, parse: parseLine };
}

/** The names of twenty thousand classes have this many; each text goes through the tokenizer. */
const MOST_CHARACTERS = 300_000;

/** Refuses what would steer a terminal or end a line, and what is too long: values stand in reports and scripts, too. */
export function requireLine(text: string, label: string): void {
  if (text.length > MOST_CHARACTERS) {
    throw new UserError(
      `${label} has ${text.length.toLocaleString("en")} characters, and can have ${
        MOST_CHARACTERS.toLocaleString("en")
      } at most.`,
    );
  }
  if (fitsALine(text)) return;
  throw new UserError(`${label} has a line break or another control character, ${shown(text)}: take it out.`);
}

/**
 * What a text says in decimal digits, as `16`, `.002` or `2e-3`; NaN for another text, for `0x10` as for `1_000`. Minus zero
 * is zero.
 */
export function numberOf(text: string): number {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) || 0 : NaN;
}

/**
 * A whole number.
 *
 * @param words what it means, its default, the least value that it may have (0 when left out) and the largest (a million)
 *
 * @example
 * ```ts
 * import { wholeNumber } from "@prompt-kit/clip-prompts";
 *
 * const rank = wholeNumber({ help: "rank of the update", default: 4, least: 1 });
 * if (rank.parse("8", "--rank") !== 8) throw new Error("unexpected");
 * ```
 */
export function wholeNumber(words: SettingWords<number> & { least?: number; most?: number }): Setting<number> {
  const { least = 0, most = 1_000_000, ...rest } = words;
  return setting(rest, "N", (text, label) => {
    const value = numberOf(text);
    if (Number.isSafeInteger(value) && value >= least) {
      if (value <= most) return value;
      throw new UserError(`${label} is "${text}", and can be ${most.toLocaleString("en")} at most.`);
    }
    throw new UserError(`${label} is "${text}", and must be a whole number from ${least}.`);
  });
}

/**
 * A number from 0, which float32 has: neither more than the largest nor so small that it would be taken for 0.
 *
 * @param words what it means, its default and the largest value that it may have (a million)
 *
 * @example
 * ```ts
 * import { decimal } from "@prompt-kit/clip-prompts";
 *
 * const pull = decimal({ help: "weight of the pull", default: 0.1 });
 * if (pull.parse("2e-3", "--pull") !== 0.002) throw new Error("unexpected");
 * ```
 */
export function decimal(words: SettingWords<number> & { most?: number }): Setting<number> {
  const { most = 1_000_000, ...rest } = words;
  return setting(rest, "X", (text, label) => {
    const value = numberOf(text);
    if (value > most) {
      throw new UserError(`${label} is "${text}", and can be ${most.toLocaleString("en")} at most.`);
    }
    // Of what JavaScript itself takes for 0, a digit before the exponent is left.
    if (value >= 0 && value < LEAST && /^[^e]*[1-9]/i.test(text)) {
      throw new UserError(`${label} is "${text}", which is too small to count beside anything: give 0, or ${LEAST}.`);
    }
    if (value >= 0) return value;
    throw new UserError(`${label} is "${text}", and must be a number from 0, such as 0.002 or 2e-3.`);
  });
}

/** Float32 takes smaller numbers for zero, or for rough multiples of the smallest that it has. */
const LEAST = 1.2e-38;

/**
 * One of several words.
 *
 * @param values the words
 * @param words what it means and its default
 *
 * @example
 * ```ts
 * import { choice } from "@prompt-kit/clip-prompts";
 *
 * const norm = choice(["l1", "l2"], { help: "length that the pull is measured by", default: "l2" });
 * if (norm.parse("l1", "--norm") !== "l1") throw new Error("unexpected");
 * ```
 */
export function choice<T extends string>(values: readonly T[], words: SettingWords<T>): Setting<T> {
  return setting(words, values.join("|"), (text, label) => oneOf(values, text, label));
}

/**
 * A switch: given or not.
 *
 * @param words what it means
 *
 * @example
 * ```ts
 * import { toggle } from "@prompt-kit/clip-prompts";
 *
 * const tied = toggle({ help: "one weight for both towers", default: false });
 * if (tied.parse("true", "--tied") !== true) throw new Error("unexpected");
 * ```
 */
export function toggle(words: SettingWords<boolean>): Setting<boolean> {
  return setting(words, undefined, (text, label) => {
    if (text === "true" || text === "false") return text === "true";
    throw new UserError(`${label} is "${text}", and must be true or false.`);
  });
}

/**
 * Words of the user's own, not empty.
 *
 * @param words what it means, its default and what stands for it in `--help`
 *
 * @example
 * ```ts
 * import { text } from "@prompt-kit/clip-prompts";
 *
 * const anchor = text({ help: "words that the prompt is held to", placeholder: "TEXT", default: "a photo of a" });
 * if (anchor.parse("a map of a", "--anchor") !== "a map of a") throw new Error("unexpected");
 * ```
 */
export function text(words: SettingWords<string>): Setting<string> {
  return setting(words, "TEXT", (value, label) => {
    if (value === "") throw new UserError(`${label} is empty: give a value, or leave it out.`);
    return value;
  });
}

/** A list with commas between, each item once. */
export function listOf<T>(item: Setting<T>["parse"], words: SettingWords<T[]>): Setting<T[]> {
  return setting(words, "A,B,…", (text, label) => {
    const items = text.split(",").map((one) => one.trim()).filter((one) => one !== "");
    if (items.length === 0) throw new UserError(`${label} is empty: give one value or several with commas between.`);
    return [...new Set(items.map((one) => item(one, label)))];
  });
}

/** Whole numbers; `1-3` is `1,2,3`. */
export function wholeNumbers(words: SettingWords<number[]> & { least?: number; most?: number }): Setting<number[]> {
  const { least, most, ...rest } = words;
  const { parse, ...list } = listOf(wholeNumber({ help: "", least, most }).parse, rest);
  const spread = (text: string, label: string) =>
    text.replaceAll(/(?<=^|,)\s*(\d+)\s*-\s*(\d+)\s*(?=,|$)/g, (range, from, to) => {
      const count = Number(to) - Number(from) + 1;
      if (count > 0 && count <= MOST_OF_A_RANGE) {
        return Array.from({ length: count }, (_, i) => Number(from) + i).join();
      }
      throw new UserError(
        `${label} has the range ${range.trim()}, and a range counts up, by at most ${MOST_OF_A_RANGE} numbers: 1-3.`,
      );
    });
  return { ...list, parse: (text, label) => parse(spread(text, label), label) };
}

/** A longer range is a slip. */
const MOST_OF_A_RANGE = 1000;

/** One of several words; the nearest is suggested for another. */
export function oneOf<T extends string>(values: readonly T[], text: string, label: string): T {
  if ((values as readonly string[]).includes(text)) return text as T;
  throw new UserError(`${label} is "${text}", and can be ${orList(values)}.${didYouMean(text, values)}`);
}

/** `a`, `a or b`, `a, b or c`. */
export function orList(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} or ${items[items.length - 1]}`;
}

/** `batchSize` → `batch-size`. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The value of a setting when nothing is said. */
export function defaultOf<T>({ default: value }: Setting<T>, shots: number): T | undefined {
  return typeof value === "function" ? (value as (shots: number) => T)(shots) : value;
}

/**
 * The same settings with other defaults: what a variation of a method changes.
 *
 * @param settings of the method that is varied
 * @param defaults by name
 *
 * @example
 * ```ts
 * import { coop, withDefaults } from "@prompt-kit/clip-prompts";
 *
 * const { contextTokens } = withDefaults(coop.settings, { contextTokens: 4 });
 * if (contextTokens.default !== 4) throw new Error("unexpected");
 * ```
 */
export function withDefaults<S extends object>(
  settings: SettingsOf<S>,
  defaults: { readonly [K in keyof S]?: Setting<S[K]>["default"] },
): SettingsOf<S> {
  const changed = { ...settings };
  for (const name of Object.keys(defaults) as (keyof S)[]) {
    changed[name] = { ...settings[name], default: defaults[name] };
  }
  return changed;
}
