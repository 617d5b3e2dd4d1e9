/**
 * The cleaning before CLIP's tokenizer: repaired characters, HTML references, white space, lower case.
 */
import { fixText } from "./ftfy/fix_text.ts";
import { unescapeHtml } from "./html.ts";

/** What Python's `str.split` and `str.strip` treat as white space. */
// deno-lint-ignore no-control-regex
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

/** Cleans text as published: `ftfy.fix_text`, `html.unescape` twice, white space to single spaces, lower case. */
export function cleanText(text: string): string {
  const plain = unescapeHtml(unescapeHtml(fixText(text)));
  return plain.split(SPACES).filter((word) => word !== "").join(" ").toLowerCase();
}
