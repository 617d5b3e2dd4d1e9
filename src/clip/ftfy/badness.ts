/**
 * Signs of mojibake: characters that are hardly ever neighbours in real text.
 *
 * Ported from ftfy 6.3.1 (`badness.py`), copyright 2023 Robyn Speer, Apache License 2.0: see
 * `LICENSE` beside this file. Changed: rewritten in TypeScript, for `fix_text` with its default options alone.
 */

/** White space, as in Python. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const common = "\xa0\xad·´–—―…’";
const c1 = "\x80-\x9f";
const bad = "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\ufffdªº";
const law = "¶§";
const currency = "¢£¥₧€";
const startPunctuation = "¡«¿©΄΅‘‚“„•‹\uf8ff";
const endPunctuation = "®»˝”›™";
const numeric = "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№";
const kaomoji = "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°";
const upperAccented = "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ";
const lowerAccented = "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ";
const upperCommon = "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я";
const lowerCommon = "α-ωάέήίΰа-џ";
const box = "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓";

const BAD_SEQUENCES = [
  `[${c1}]`,
  `[${bad}${lowerAccented}${upperAccented}${box}${startPunctuation}${endPunctuation}${currency}${numeric}${law}][${bad}]`,
  `[a-zA-Z][${lowerCommon}${upperCommon}][${bad}]`,
  `[${bad}][${lowerAccented}${upperAccented}${box}${startPunctuation}${endPunctuation}${currency}${numeric}${law}]`,
  `[${lowerAccented}${lowerCommon}${box}${endPunctuation}${currency}${numeric}][${upperAccented}]`,
  `[${box}${endPunctuation}${currency}${numeric}][${lowerAccented}]`,
  `[${lowerAccented}${box}${endPunctuation}][${currency}]`,
  `[${SPACE}][${upperAccented}][${currency}]`,
  `[${upperAccented}${box}][${numeric}${law}]`,
  `[${lowerAccented}${upperAccented}${box}${currency}${endPunctuation}][${startPunctuation}][${numeric}]`,
  `[${lowerAccented}${upperAccented}${currency}${numeric}${box}${law}][${endPunctuation}][${startPunctuation}]`,
  `[${currency}${numeric}${box}][${startPunctuation}]`,
  `[a-z][${upperAccented}][${startPunctuation}${currency}]`,
  `[${box}][${kaomoji}]`,
  `[${lowerAccented}${upperAccented}${currency}${numeric}${startPunctuation}${endPunctuation}${law}][${box}]`,
  `[${box}][${endPunctuation}]`,
  `[${lowerAccented}${upperAccented}][${startPunctuation}${endPunctuation}][\\p{L}\\p{N}_]`,
  // The ligature œ when not followed by an unaccented Latin letter
  `[Œœ][^A-Za-z]`,
  // Degree signs after capital letters
  `[${upperAccented}]°`,
  // Common Windows-1252 2-character mojibake that isn't covered by the cases above
  `[ÂÃÎÐ][€œŠš¢£Ÿž\\xa0\\xad®©°·»${startPunctuation}${endPunctuation}–—´]`,
  `×[²³]`,
  // Windows-1252 mojibake of Arabic words needs to include the 'common' characters.
  // To compensate, we require four characters to be matched.
  `[ØÙ][${common}${currency}${bad}${numeric}${startPunctuation}ŸŠ®°µ»][ØÙ][${common}${currency}${bad}${numeric}${startPunctuation}ŸŠ®°µ»]`,
  // Windows-1252 mojibake that starts 3-character sequences for some South Asian
  // alphabets
  `à[²µ¹¼½¾]`,
  // MacRoman mojibake that isn't covered by the cases above
  `√[±∂†≠®™´≤≥¥µø]`,
  `≈[°¢]`,
  `‚Ä[ìîïòôúùû†°¢π]`,
  `‚[âó][àä°ê]`,
  // Windows-1251 mojibake of characters in the U+2000 range
  `вЂ`,
  // Windows-1251 mojibake of Latin-1 characters and/or the Cyrillic alphabet.
  // Because the 2-character sequences involved here may be common, we require
  // seeing a 3-character sequence.
  `[ВГРС][${c1}${bad}${startPunctuation}${endPunctuation}${currency}°µ][ВГРС]`,
  // A distinctive five-character sequence of Cyrillic letters, which can be
  // Windows-1251 mojibake on top of Latin-1 mojibake of Windows-1252 characters.
  // Require a Latin letter nearby.
  `ГўВЂВ.[A-Za-z ]`,
  // Windows-1252 encodings of 'à' and 'á', as well as \xa0 itself
  `Ã[\\xa0¡]`,
  `[a-z][${SPACE}]?[ÃÂ][ ]`,
  `^[ÃÂ][ ]`,
  // Cases where Â precedes a character as an encoding of exactly the same
  // character, and the character is common enough
  `[a-z.,?!${endPunctuation}]Â[ ${startPunctuation}${endPunctuation}]`,
  // Windows-1253 mojibake of characters in the U+2000 range
  `β€[™\\xa0Ά\\xad®°]`,
  // Windows-1253 mojibake of Latin-1 characters and/or the Greek alphabet
  `[ΒΓΞΟ][${c1}${bad}${startPunctuation}${endPunctuation}${currency}°][ΒΓΞΟ]`,
  // Windows-1257 mojibake of characters in the U+2000 range
  `ā€`,
];

const BADNESS = new RegExp(BAD_SEQUENCES.join("|"), "u");

/** Whether a text looks like mojibake. */
export function isBad(text: string): boolean {
  return BADNESS.test(text);
}
