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

/** Characters of bytes 80 to FF; unassigned bytes are what they are in Latin-1. */
const HIGH_BYTES: readonly { name: string; lossy: boolean; high: string }[] = [
  {
    name: "latin-1",
    lossy: false,
    high: Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join(""),
  },
  {
    name: "sloppy-windows-1252",
    lossy: true,
    high: "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎ" +
      "ÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
  },
  {
    name: "sloppy-windows-1251",
    lossy: true,
    high: "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\x98™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪ" +
      "ЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
  },
  {
    name: "sloppy-windows-1250",
    lossy: true,
    high: "€\x81‚\x83„…†‡\x88‰Š‹ŚŤŽŹ\x90‘’“”•–—\x98™š›śťžź\xa0ˇ˘Ł¤Ą¦§¨©Ş«¬\xad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľżŔÁÂĂÄĹĆÇČÉĘËĚÍÎ" +
      "ĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  },
  {
    name: "sloppy-windows-1253",
    lossy: true,
    high: "€\x81‚ƒ„…†‡\x88‰\x8a‹\x8c\x8d\x8e\x8f\x90‘’“”•–—\x98™\x9a›\x9c\x9d\x9e\x9f\xa0΅Ά£¤¥¦§¨©ª«¬\xad®―°±²³" +
      "΄µ¶·ΈΉΊ»Ό½ΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ",
  },
  {
    name: "sloppy-windows-1254",
    lossy: true,
    high: "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8d\x8e\x8f\x90‘’“”•–—˜™š›œ\x9d\x9eŸ\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈ" +
      "ÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
  },
  {
    name: "sloppy-windows-1257",
    lossy: true,
    high: "€\x81‚\x83„…†‡\x88‰\x8a‹\x8c¨ˇ¸\x90‘’“”•–—\x98™\x9a›\x9c¯˛\x9f\xa0¡¢£¤¥¦§Ø©Ŗ«¬\xad®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ" +
      "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
  },
  {
    name: "iso-8859-2",
    lossy: false,
    high: "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98" +
      "\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\xadŽŻ°ą˛ł´ľśˇ¸šşťź˝žżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕá" +
      "âăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  },
  {
    name: "macroman",
    lossy: false,
    high: "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡" +
      "·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
  },
  {
    name: "cp437",
    lossy: false,
    high: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπ" +
      "ΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
  },
];

function encoding({ name, lossy, high }: { name: string; lossy: boolean; high: string }): Encoding {
  const substitute = lossy ? "\ufffd" : "\x1a";
  const bytes = new Map<string, string>([[substitute, "\x1a"]]);
  for (let i = 0; i < high.length; i++) bytes.set(high[i], String.fromCharCode(0x80 + i));
  const possible = new RegExp(`^[\\x00-\\x19\\x1b-\\x7f${substitute}${high}]*$`);
  return {
    name,
    lossy,
    possible: (text) => possible.test(text),
    encode: (text) => {
      let out = "";
      for (const character of text) out += bytes.get(character) ?? character;
      return out;
    },
  };
}

/** In the order in which they are tried. */
export const ENCODINGS: readonly Encoding[] = HIGH_BYTES.map(encoding);

const WINDOWS_1252 = HIGH_BYTES.find(({ name }) => name === "sloppy-windows-1252")!.high;

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
