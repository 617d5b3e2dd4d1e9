/**
 * Parity of the tokenizer: `tokenizer.json`.
 */
import { cleanText } from "../clip/clean_text.ts";
import type { Tokenizer } from "../clip/tokenizer.ts";
import { UserError } from "../errors.ts";
import type { Fixtures } from "./fixtures.ts";
import { countDifferent, type ParityRow, parityRow } from "./row.ts";

/** Of so many strings one may hold characters that this runtime's Unicode does not know. */
const STRINGS_PER_EXCUSE = 20;

/** The row of the tokenizer. */
export async function tokenizerRow(tokenizer: Tokenizer, fixtures: Fixtures): Promise<ParityRow> {
  const given = await fixtures.json("tokenizer.json");
  if (!Array.isArray(given) || !given.every((c) => typeof c?.text === "string" && Array.isArray(c.ids))) {
    throw new UserError(`The fixture ${fixtures.path("tokenizer.json")} is not a list of {text, ids}.`);
  }
  const cases = (given as { text: string; ids: number[] }[]).map(({ text, ids }) => ({
    name: JSON.stringify(text),
    difference: countDifferent(tokenizer.encode(text), ids),
    isUnknown: /\p{Cn}/u.test(cleanText(text)),
  }));
  const excused = cases.filter(({ difference, isUnknown }) => difference > 0 && isUnknown);
  const excuse = excused.length > 0 && excused.length * STRINGS_PER_EXCUSE <= cases.length;
  const note = excuse ? `, ${excused.length} left out: characters that Unicode here does not know` : "";
  return parityRow(
    { stage: `tokenizer ids${note}`, engine: "-", tolerance: 0, unit: "different ids" },
    excuse ? cases.filter((c) => !excused.includes(c)) : cases,
  );
}
