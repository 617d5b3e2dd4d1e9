/**
 * An error that the user can mend: one sentence that says what is wrong, where, and what to do.
 * Recipes print its message alone and exit with code 2.
 *
 * @example
 * ```ts
 * import { UserError } from "@prompt-kit/clip-prompts";
 *
 * const error = new UserError("No folder data/eurosat: give one with --data DIR.");
 * if (error.name !== "UserError") throw new Error("unexpected");
 * ```
 */
export class UserError extends Error {
  /**
   * Makes an error of one sentence.
   *
   * @param message the sentence; what it quotes from damaged or hostile files is made fit for one line of a terminal
   * @param options the error that led to this one, for `--debug`
   */
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }

  /** Always `UserError`, also where the class comes from another copy of the kit. */
  override name = "UserError";
}

/** A value for a message, never longer than a line. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** What a caught value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * What steers a terminal or the direction of a line, and what is not seen at all: one name that looks like another. Joiners
 * and their opposites belong to the spelling of words and of pictures, and stand behind a letter that is none of ASCII's.
 */
const CONTROLS =
  // deno-lint-ignore no-control-regex -- these are what is looked for
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]|(?:(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])|(?<=[\0-\x7f]))[\u200c\u200d]|\p{Surrogate}/gu;

/** Text in which what would steer a terminal, break a page or not be seen is written out; line breaks and tabs stay. */
export function visible(text: string): string {
  // As in JSON, where a character may be two of these.
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replaceAll(CONTROLS, (character) => character.split("").map(escaped).join(""));
}

/** Whether text has neither line breaks nor anything else that would steer a terminal. */
export function fitsALine(text: string): boolean {
  return visible(text) === text && !/[\n\t]/.test(text);
}

/** Longer sentences quote something that is too long to read. */
const LONGEST = 1500;

/** Text without line breaks and without what would steer a terminal, of a length that can be read. */
function printable(text: string): string {
  const line = visible(text.replaceAll(/\s*[\r\n\t]\s*/g, " "));
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST / 2)}…${line.slice(-LONGEST / 3)}`;
}
