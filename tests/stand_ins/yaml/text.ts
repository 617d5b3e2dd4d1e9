/** How a text stands in YAML: plain, in quotes, or as a block of lines. */

/** The circumstances that decide it. */
export interface TextPlace {
  indentPerLevel: number;
  /** Spaces before each line of a block. */
  indent: number;
  lineWidth: number;
  /** No block here. */
  oneLine: boolean;
  compatMode: boolean;
  quoteStyle: "'" | '"';
  /** Whether the bare word would be read as something else than text. */
  isOther(word: string): boolean;
}

const OLD_BOOLEANS = /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/;
// A half of a surrogate pair counts as one character here, and is not printed.
const UNPRINTABLE = /[^\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;
const NOT_PLAIN_AT_ALL = /[,[\]{}:#]/;
const NOT_PLAIN_AT_FIRST = /^[\s\-?:,[\]{}#&*!|>'"%@`]/;
const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\x85": "\\N",
  "\xa0": "\\_",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

/** Writes a text so that it is read as the same text. */
export function writeText(text: string, place: TextPlace): string {
  const { oneLine, indentPerLevel, quoteStyle } = place;
  if (text === "") return "''";
  if (place.compatMode && OLD_BOOLEANS.test(text)) return `'${text}'`;
  if (UNPRINTABLE.test(oneLine ? text : text.replaceAll("\n", ""))) return `"${escape(text)}"`;
  // The deeper, the narrower, down to 40.
  const width = place.lineWidth === -1
    ? Infinity
    : Math.max(Math.min(place.lineWidth, 40), place.lineWidth - place.indent);
  const isLong = !oneLine && text.split("\n").some((line) => line.length > width && !line.startsWith(" "));
  if (!isLong && (oneLine || !text.includes("\n"))) {
    const plain = !NOT_PLAIN_AT_ALL.test(text) && !NOT_PLAIN_AT_FIRST.test(text) && !text.endsWith(" ");
    if (plain && !place.isOther(text)) return text;
    return quoteStyle === '"' ? `"${escape(text)}"` : `'${text.replaceAll("'", "''")}'`;
  }
  const needsIndicator = /^\n* /.test(text);
  if (indentPerLevel > 9 && needsIndicator) return `"${escape(text)}"`;
  const lines = isLong ? fold(text, width) : text;
  const keep = /(?:^|\n)\n$/.test(text);
  const header = (needsIndicator ? indentPerLevel : "") + (keep ? "+" : text.endsWith("\n") ? "" : "-");
  const body = lines.replaceAll(/^(?=.)/gm, " ".repeat(place.indent)).replace(/\n$/, "");
  return `${isLong ? ">" : "|"}${header}\n${body}`;
}

function escape(text: string): string {
  return Array.from(text, (character) => {
    if (character in ESCAPES) return ESCAPES[character];
    if (character.length === 1 && !UNPRINTABLE.test(character)) return character;
    const hex = character.codePointAt(0)!.toString(16).toUpperCase();
    if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
    return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  }).join("");
}

/** Breaks long lines; a line break of the text becomes an empty line, except beside lines that begin with a space. */
function fold(text: string, width: number): string {
  const [first, ...parts] = text.split(/(?<=[^\n])(?=\n)|^(?=\n)/);
  let folded = foldLine(first.startsWith("\n") ? "" : first, width);
  let afterIndented = text.startsWith("\n") || text.startsWith(" ");
  for (const part of first.startsWith("\n") ? [first, ...parts] : parts) {
    const line = part.replace(/^\n+/, "");
    const isIndented = line.startsWith(" ");
    folded += part.slice(0, part.length - line.length) + (afterIndented || isIndented || line === "" ? "" : "\n") +
      foldLine(line, width);
    afterIndented = isIndented;
  }
  return folded;
}

/** As many words a line as go in; a word that is too long has a line of its own. */
function foldLine(line: string, width: number): string {
  if (line.startsWith(" ")) return line;
  const lines: string[] = [];
  let start = 0;
  let last = 0;
  for (const { index } of line.matchAll(/ (?=[^ ])/g)) {
    if (index - start > width) {
      const end = last > start ? last : index;
      lines.push(line.slice(start, end));
      start = end + 1;
    }
    last = index;
  }
  if (line.length - start > width && last > start) {
    lines.push(line.slice(start, last));
    start = last + 1;
  }
  lines.push(line.slice(start));
  return lines.join("\n");
}
