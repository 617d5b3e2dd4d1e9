import { levenshtein } from "./deps.ts";

/**
 * A suggestion for a word that is not known: ` Did you mean "batch-size"?`, or an empty string when no known word is near.
 * Starts with a space, so that it can follow a sentence.
 */
export function didYouMean(word: string, known: Iterable<string>): string {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: levenshtein(plain(word), plain(candidate)) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = ranked[0];
  if (nearest === undefined || nearest.distance > Math.max(1, Math.floor(plain(word).length / 3))) return "";
  return ` Did you mean "${nearest.candidate}"?`;
}
