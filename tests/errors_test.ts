import { assertEquals } from "jsr:@std/assert@1.0.19";
import { fitsALine, UserError, visible } from "../src/errors.ts";

Deno.test("what steers, turns or is not seen is written out as JSON does", () => {
  const written: [string, string][] = [
    ["a\x1b[31m", "a\\u001b[31m"],
    ["a\u202eb", "a\\u202eb"],
    ["a\u200bb", "a\\u200bb"],
    ["a\ufeff", "a\\ufeff"],
    ["so\xadft", "so\\u00adft"],
    ["a\u200db", "a\\u200db"],
    ["\u200c", "\\u200c"],
    ["\ud800", "\\ud800"],
    ["a\u{e0041}", "a\\udb40\\udc41"],
  ];
  for (const [text, shown] of written) {
    assertEquals([visible(text), fitsALine(text)], [shown, false]);
    assertEquals(JSON.parse(`"${visible(text)}"`), text);
    assertEquals(new UserError(text).message, shown);
  }
});

Deno.test("joiners stay in words and pictures that are spelled with them", () => {
  for (
    const text of [
      "\u0645\u06cc\u200c\u062e",
      "\u0915\u094d\u200d\u0937",
      "\u{1f469}\u{1f3fd}\u200d\u{1f52c}",
      "\u732b",
      "e\u0301",
    ]
  ) {
    assertEquals([visible(text), fitsALine(text)], [text, true]);
  }
});
