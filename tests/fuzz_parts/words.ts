/** What damage puts into files of text. */
import { text } from "./target.ts";

/** Paths that lead elsewhere, or that no image has. */
export const PATH_WORDS = [
  "../../secret.jpg",
  "/etc/passwd",
  "..\\secret.jpg",
  "C:/a.jpg",
  "a/../../b.jpg",
  "\0.jpg",
  "a.jpg",
];

/** And what JSON takes amiss. */
export const JSON_WORDS = [
  ...PATH_WORDS,
  "null",
  "true",
  "[]",
  "{}",
  '"',
  ",",
  ":",
  "-1",
  "1e999",
  '"__proto__"',
  "\u2028",
  "\x1b[31m",
];

/** JSON of so many levels. */
export const deep = (levels: number) => text(`${"[".repeat(levels)}${"]".repeat(levels)}`);
