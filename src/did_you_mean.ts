import { levenshtein } from "./deps.ts";

/** A longer word is no slip, and looking for its neighbours takes time by the third power of its length. */
const LONGEST = 100;

/**
 * A suggestion for a word that is not known: ` Did you mean "batch-size"?`, or an empty string when no known word is near.
 * Starts with a space, so that it can follow a sentence.
 */
export function didYouMean(word: string, known: Iterable<string>): string {
  if (word.length > LONGEST || plain(word) === "") return "";
  const ranked = [...known]
    .map((candidate) => ({ candidate, mistakes: mistakes(plain(word), plain(candidate)) }))
    .sort((a, b) => a.mistakes - b.mistakes);
  const nearest = ranked[0];
  if (nearest === undefined) return "";
  const isNear = nearest.mistakes <= Math.max(1, Math.floor(plain(word).length / 3));
  const found = isNear ? nearest.candidate : ranked.find(({ candidate }) => isSameThing(candidate, word))?.candidate;
  return found === undefined ? "" : ` Did you mean "${found}"?`;
}

/** The same in other words: `--learning-rate` for `--lr`, `--lr-warmup` for `--warmup-lr`, `--output` for `--out`. */
function isSameThing(candidate: string, word: string): boolean {
  const inOrder = (text: string) => wordsOf(text).sort().join(" ");
  if (areInitials(candidate, word) || inOrder(candidate) === inOrder(word)) return true;
  const [short, long] = [plain(candidate), plain(word)].sort((a, b) => a.length - b.length);
  return short.length >= 3 && long.startsWith(short);
}

function plain(text: string): string {
  return text.normalize("NFC").toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]/gu, "");
}

/** Letters that are wrong, missing or too many; two that changed places are one mistake. */
function mistakes(word: string, other: string): number {
  const swapped = Array.from(
    { length: Math.max(0, word.length - 1) },
    (_, i) => `${word.slice(0, i)}${word[i + 1]}${word[i]}${word.slice(i + 2)}`,
  );
  return Math.min(levenshtein(word, other), ...swapped.map((one) => 1 + levenshtein(one, other)));
}

function wordsOf(text: string): string[] {
  return text.normalize("NFC").toLowerCase().split(/[^\p{L}\p{M}\p{N}]+/u).filter((word) => word !== "");
}

/** Whether one of the two stands for the first letters of the other's words. */
function areInitials(one: string, other: string): boolean {
  const initials = (text: string) => {
    const words = wordsOf(text);
    return words.length > 1 ? words.map(([letter]) => letter).join("") : undefined;
  };
  return initials(one) === plain(other) || initials(other) === plain(one);
}
