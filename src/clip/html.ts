/**
 * HTML character references to text, as Python's `html.unescape` reads them.
 */
import { characterEntities, characterEntitiesLegacy } from "../deps.ts";

/** Names with their semicolon, and the old ones that HTML also reads without it. */
export const HTML_REFERENCES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(characterEntities).map(([name, text]): [string, string] => [`${name};`, text]),
  ...characterEntitiesLegacy.map((name): [string, string] => [name, characterEntities[name]]),
]);

const REFERENCE = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;

/** What HTML reads the numbers 128–159 as: Windows-1252, where that has a character. */
const WINDOWS_1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

function numbered(digits: string, radix: number): string {
  const code = parseInt(digits, radix);
  if (code === 0) return "\ufffd";
  if (code === 0x0d) return "\r";
  if (code >= 0x80 && code <= 0x9f) return WINDOWS_1252[code - 0x80];
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  const control = code < 0x09 || code === 0x0b || (code >= 0x0e && code <= 0x1f) || code === 0x7f;
  const noncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return control || noncharacter ? "" : String.fromCodePoint(code);
}

function named(name: string): string {
  const whole = HTML_REFERENCES.get(name);
  if (whole !== undefined) return whole;
  for (let length = name.length - 1; length > 1; length--) {
    const found = HTML_REFERENCES.get(name.slice(0, length));
    if (found !== undefined) return found + name.slice(length);
  }
  return `&${name}`;
}

/** Replaces character references: named ones, also without semicolon where HTML allows it, and numbered ones. */
export function unescapeHtml(text: string): string {
  return text.replace(REFERENCE, (_, reference: string) => {
    if (!reference.startsWith("#")) return named(reference);
    const hexadecimal = /^#[xX]/.test(reference);
    return numbered(reference.slice(hexadecimal ? 2 : 1).replace(";", ""), hexadecimal ? 16 : 10);
  });
}
