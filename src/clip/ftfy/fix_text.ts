/**
 * Repairs text: mojibake, HTML references, ligatures, widths, quotation marks, line breaks, control characters; NFC.
 *
 * Ported from ftfy 6.3.1 (`__init__.py`, `fixes.py`), copyright 2023 Robyn Speer, Apache License 2.0: see
 * `LICENSE` beside this file. Changed: rewritten in TypeScript, for `fix_text` with its default options alone.
 */
// deno-lint-ignore-file no-control-regex
import { HTML_REFERENCES, unescapeHtml } from "../html.ts";
import { isBad } from "./badness.ts";
import { decodeUtf8, decodeUtf8Variants, decodeWindows1252, ENCODINGS } from "./encodings.ts";
import { ALTERED_UTF8, replaceLossySequences, restoreByteA0, UTF8_READ_WRONG } from "./sequences.ts";

/** Does what Python's `ftfy.fix_text(text)` does: repairs line by line, each until nothing changes any more. */
export function fixText(text: string): string {
  // From the first "<" on, the text is taken for real HTML, whose references mean themselves.
  let unescape = true;
  return text.split(/(?<=\n)/).map((line) => {
    unescape &&= !line.includes("<");
    return fixLine(line, unescape);
  }).join("");
}

function fixLine(line: string, unescape: boolean): string {
  let now = line;
  while (true) {
    const before = now;
    if (unescape) now = unescapeWholeReferences(now);
    now = fixEncoding(now);
    now = fixCharacters(now).normalize("NFC");
    if (now === before) return now;
  }
}

/** Upper-case spellings of names, such as `&NTILDE;`, that HTML does not know. */
const UPPER_REFERENCES: ReadonlyMap<string, string> = new Map(
  HTML_REFERENCES.entries()
    .filter(([name]) => name.endsWith(";") && name === name.toLowerCase())
    .map(([name, text]): [string, string] => [name.toUpperCase(), text.toUpperCase()])
    .filter(([name]) => unescapeHtml(`&${name}`) === `&${name}`),
);

/** Only references with a semicolon: `this&not that` stays as it is. */
function unescapeWholeReferences(text: string): string {
  return text.replace(/&(#?[0-9A-Za-z]{1,24};)/g, (match, name: string) => {
    if (!name.startsWith("#")) return HTML_REFERENCES.get(name) ?? UPPER_REFERENCES.get(name) ?? match;
    const plain = unescapeHtml(match);
    return plain.includes(";") ? match : plain;
  });
}

function fixCharacters(text: string): string {
  // Control characters that have no use are read as Windows-1252, as browsers do.
  return decodeWindows1252(text)
    // The one ligature that keeps its long s.
    .replaceAll("ﬅ", "ſt")
    .replace(/[ĲĳŉǱ-ǳǄ-ǌﬀ-ﬆ\u3000\uff01-\uffef]/g, (ligatureOrWide) => ligatureOrWide.normalize("NFKC"))
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/\r\n|[\r\u2028\u2029\x85]/g, "\n")
    .toWellFormed()
    .replace(/\x1b\[[\p{Nd};]*[a-zA-Z]/gu, "")
    .replace(/[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g, "");
}

function fixEncoding(text: string): string {
  let now = text;
  while (true) {
    const before = now;
    now = fixEncodingOnce(now);
    if (now === before) return now;
  }
}

function fixEncodingOnce(text: string): string {
  if (/^[\0-\x7f]*$/.test(text) || !isBad(text)) return text;

  // UTF-8 that was read as a single-byte encoding.
  for (const encoding of ENCODINGS) {
    if (!encoding.possible(text)) continue;
    let bytes = encoding.encode(text);
    // In MacRoman this would find an en dash and a space.
    if (encoding.name !== "macroman" && bytes.search(ALTERED_UTF8) >= 0) bytes = restoreByteA0(bytes);
    if (encoding.lossy) bytes = replaceLossySequences(bytes);
    const fixed = /[\xed\xc0]/.test(bytes) ? decodeUtf8Variants(bytes) : decodeUtf8(bytes);
    if (fixed !== undefined) return fixed;
  }

  // Parts of the text that were.
  const inParts = text.replace(
    UTF8_READ_WRONG,
    (part) => part.length < text.length && isBad(part) ? fixEncoding(part) : part,
  );
  if (inParts !== text) return inParts;

  // Windows-1252 that was read as Latin-1; its unassigned bytes only one by one.
  return decodeWindows1252(text);
}
