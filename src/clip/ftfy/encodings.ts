/**
 * The single-byte encodings that text is mistaken for, and UTF-8 with its usual variants.
 *
 * Bytes are strings of characters below U+0100, so that regular expressions work on them too.
 *
 * Ported from ftfy 6.3.1 (`chardata.py`, `bad_codecs`), copyright 2023 Robyn Speer, Apache License 2.0: see
 * `LICENSE` beside this file. Changed: rewritten in TypeScript, for `fix_text` with its default options alone.
 */

/** A single-byte encoding. */
export interface Encoding {
  readonly name: string;
  /** Whether byte 1A means U+FFFD, a character that was lost: ftfy's `sloppy-` encodings. */
  readonly lossy: boolean;
  /** Whether the text may have been read from this encoding. */
  possible(text: string): boolean;
  /** The bytes that were read as this text; only for a text that is possible. */
  encode(text: string): string;
}

const BYTES = Uint8Array.from({ length: 128 }, (_, i) => 0x80 + i);
const LATIN_1 = String.fromCharCode(...BYTES);

/** Characters of bytes 80 to FF; unassigned bytes are what they are in Latin-1. */
const highBytes = (label: string): string =>
  new TextDecoder(label).decode(BYTES).replaceAll("\ufffd", (_, i) => LATIN_1[i]);

const WINDOWS_1252 = highBytes("windows-1252");

/** By ftfy's names, in the order in which they are tried. */
const HIGH_BYTES: readonly (readonly [name: string, high: string])[] = [
  ["latin-1", LATIN_1],
  ["sloppy-windows-1252", WINDOWS_1252],
  ["sloppy-windows-1251", highBytes("windows-1251")],
  ["sloppy-windows-1250", highBytes("windows-1250")],
  ["sloppy-windows-1253", highBytes("windows-1253")],
  ["sloppy-windows-1254", highBytes("windows-1254")],
  ["sloppy-windows-1257", highBytes("windows-1257")],
  ["iso-8859-2", highBytes("iso-8859-2")],
  ["macroman", highBytes("macintosh")],
  [
    "cp437",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπ" +
    "ΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
  ],
];

function encoding(name: string, high: string): Encoding {
  const lossy = name.startsWith("sloppy-");
  const substitute = lossy ? "\ufffd" : "\x1a";
  const bytes = new Map<string, string>([[substitute, "\x1a"]]);
  for (let i = 0; i < high.length; i++) bytes.set(high[i], String.fromCharCode(0x80 + i));
  const possible = new RegExp(`^[\\x00-\\x19\\x1b-\\x7f${substitute}${high}]*$`);
  return {
    name,
    lossy,
    possible: (text) => possible.test(text),
    encode: (text) => Array.from(text, (character) => bytes.get(character) ?? character).join(""),
  };
}

/** In the order in which they are tried. */
export const ENCODINGS: readonly Encoding[] = HIGH_BYTES.map(([name, high]) => encoding(name, high));

/** Reads bytes as Windows-1252; its five unassigned bytes as Latin-1. */
export function decodeWindows1252(bytes: string): string {
  return bytes.replace(/[\x80-\x9f]/g, (byte) => WINDOWS_1252[byte.charCodeAt(0) - 0x80]);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads bytes as UTF-8; `undefined` when they are not. */
export function decodeUtf8(bytes: string): string | undefined {
  try {
    return strictUtf8.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

/** Two surrogates, each written as three bytes of UTF-8: CESU-8. */
const CESU_8 = /\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])/g;

/** As {@linkcode decodeUtf8}, and reads CESU-8 and Java's two-byte null. */
export function decodeUtf8Variants(bytes: string): string | undefined {
  return decodeUtf8(
    bytes.replaceAll("\xc0\x80", "\0").replace(CESU_8, (...match: string[]) => {
      const [a, b, c, d] = match.slice(1, 5).map((byte) => byte.charCodeAt(0));
      const code = 0x10000 + ((a & 0x0f) << 16) + ((b & 0x3f) << 10) + ((c & 0x0f) << 6) + (d & 0x3f);
      return String.fromCharCode(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 0x3f),
        0x80 | ((code >> 6) & 0x3f),
        0x80 | (code & 0x3f),
      );
    }),
  );
}
