/**
 * Sequences that are UTF-8, or were before something was lost.
 *
 * Ported from ftfy 6.3.1 (`chardata.py`, `fixes.py`), copyright 2023 Robyn Speer, Apache License 2.0: see
 * `LICENSE` beside this file. Changed: rewritten in TypeScript, for `fix_text` with its default options alone.
 */

// Characters that some single-byte encoding reads from the first or a later byte of UTF-8. The strict ones leave out
// spaces, dashes, bullets, quotation marks and ellipses.
const FIRST_OF_2 =
  "ĂÂÄĀÅÃÆĆČÇĎĐÉĚÊËĖÈĒĘÐĞĢÍÎÏİÌĪĶĹĻŁŃŇŅÑÓÔÖŐÒŌØÕŘŚŠŞŢÞÚÛÜŰÙŪŲŮÝŹŽŻß×ΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫάέήίВГДЕЖЗ" +
  "ИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ";
const FIRST_OF_3 = "áăâäàāąåãæćčçďéěêëėèēęęģíîïìīįķĺļŕźΰαβγδεζηθικλμνξοабвгдежзийклмноп";
const FIRST_OF_4 = "đðğóšπσру";
const CONTINUATION =
  "\x80-¿ ĄÆĽŁØŖŚŠŞŤŸŹŽŻŒąæƒľłøŗśšşťźžżœˆˇ˘˛˜˝΄΅ΆΈΉΊΌΎΏЁЂЃЄЅІЇЈЉЊЋЌЎЏёђѓєѕіїјљњћќўџҐґ–—―‘’‚“”„†‡•…‰‹›€№" +
  "™";
const CONTINUATION_STRICT = "\x80-¿ĄÆĽŁØŖŚŠŞŤŸŹŽŻŒąæƒľłøŗśšşťźžżœˆˇ˘˛˜˝΄΅ΆΈΉΊΌΎΏЁЂЃЄЅІЇЈЉЊЋЌЎЏёђѓєѕіїјљњћќўџҐґ†‡‰‹›€№™";

/** Text that was UTF-8 before it was read as a single-byte encoding. */
export const UTF8_READ_WRONG = new RegExp(
  `(?<![${CONTINUATION_STRICT}])(?:[${FIRST_OF_2}][${CONTINUATION}]` +
    `|[${FIRST_OF_3}][${CONTINUATION}]{2}|[${FIRST_OF_4}][${CONTINUATION}]{3})+`,
  "g",
);

/** Bytes that would be UTF-8 had something not turned byte A0 into a space. */
export const ALTERED_UTF8 = new RegExp(
  "[\xc2\xc3\xc5\xce\xd0\xd9][ ]" +
    "|[\xe2\xe3][ ][\x80-\x84\x86-\x9f\xa1-\xbf]" +
    "|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf][ ]" +
    "|[\xf0][ ][\x80-\xbf][\x80-\xbf]" +
    "|[\xf0][\x80-\xbf][ ][\x80-\xbf]" +
    "|[\xf0][\x80-\xbf][\x80-\xbf][ ]",
  "g",
);

/** `à` as a word: the space after it stays, but in the Portuguese words that begin with it. */
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;

/** Bytes of UTF-8 and CESU-8 of which some were lost: 1A replaces those, or a question mark. */
const LOSSY_UTF8 = new RegExp(
  "[\xc2-\xdf][\x1a]" +
    "|[\xc2-\xc3][?]" +
    "|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]" +
    "|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]" +
    "|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]" +
    "|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]" +
    "|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]" +
    "|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]" +
    "|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]" +
    "|\x1a",
  "g",
);

/** Restores byte A0 where UTF-8 has a space instead. */
export function restoreByteA0(bytes: string): string {
  return bytes.replace(A_GRAVE_WORD, "\xc3\xa0 ").replace(ALTERED_UTF8, (match) => match.replaceAll(" ", "\xa0"));
}

/** Turns sequences of which bytes were lost into the UTF-8 of U+FFFD. */
export function replaceLossySequences(bytes: string): string {
  return bytes.replace(LOSSY_UTF8, "\xef\xbf\xbd");
}
