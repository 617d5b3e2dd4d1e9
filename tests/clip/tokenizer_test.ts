import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { cleanText } from "../../src/clip/clean_text.ts";
import { unescapeHtml } from "../../src/clip/html.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { sharedPath, sharedTest } from "../shared.ts";

interface Case {
  kind: string;
  text: string;
  ids: number[];
}

const cases: Case[] = JSON.parse(Deno.readTextFileSync(new URL("../fixtures/tokenizer.json", import.meta.url)));
const tokenizer = await loadTokenizer();

Deno.test("the check vectors of the published tokenizer", () => {
  assertEquals(tokenizer.encode("a photo of a"), [320, 1125, 539, 320]);
  assertEquals(tokenizer.encode("Annual Crop Land."), [2906, 9955, 973, 269]);
  assertEquals(tokenizer.encode("Herbaceous Vegetation Land."), [26116, 33610, 33947, 973, 269]);
  assertEquals(tokenizer.encode("River."), [2473, 269]);
  assertEquals(tokenizer.encode("X"), tokenizer.encode("x"));
  assertEquals(tokenizer.encode(""), []);
  assertEquals([tokenizer.startToken, tokenizer.endToken, tokenizer.size], [49406, 49407, 49408]);
});

for (const kind of new Set(cases.map((c) => c.kind))) {
  Deno.test(`strings of the kind "${kind}" have the ids that Python gives them`, () => {
    const some = cases.filter((c) => c.kind === kind);
    assert(some.length >= 8);
    for (const { text, ids } of some) assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
  });
}

Deno.test("ids come out the same the second time, when words are remembered", () => {
  for (const { text, ids } of cases) assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
});

Deno.test("a word of one letter repeated ten thousand times is encoded in a moment", () => {
  const start = performance.now();
  assertEquals(tokenizer.encode("q".repeat(10_000)).length > 1000, true);
  assert(performance.now() - start < 20_000);
});

Deno.test("tokens have their texts", () => {
  assertEquals(tokenizer.word(320), "a</w>");
  assertEquals(tokenizer.word(1125), "photo</w>");
  assertEquals(tokenizer.word(0), "!");
  assertEquals(tokenizer.word(256), "!</w>");
  assertEquals(tokenizer.word(15304), "café</w>");
  assertEquals(tokenizer.word(49406), "<|startoftext|>");
  assertEquals(tokenizer.word(49407), "<|endoftext|>");
  // Half of a character has no text of its own: its byte symbols stand for it.
  assertEquals(tokenizer.word(252), "ŀ");
  for (let id = 0; id < tokenizer.size; id++) assert(tokenizer.word(id).length > 0, String(id));
});

Deno.test("text that was read in the wrong encoding is repaired, and real text is left alone", () => {
  assertEquals(cleanText("âœ” No problems"), "✔ no problems");
  assertEquals(cleanText("voilÃ\xa0 le travail"), "voilà le travail");
  assertEquals(cleanText("Broken text&hellip; it&#x2019;s ﬂubberiﬁc!"), "broken text… it's flubberific!");
  assertEquals(cleanText("ＬＯＵＤ　ＮＯＩＳＥＳ"), "loud noises");
  assertEquals(cleanText("café 日本語 Größe"), "café 日本語 größe");
});

Deno.test("HTML references are read as Python reads them", () => {
  assertEquals(
    unescapeHtml("&lt;b&gt; &notit; &notin; &amp &#128; &#x80 &#0; &#13; &#xd800; &#1; &#xfdd0;"),
    "<b> ¬it; ∉ & € € \ufffd \r \ufffd  ",
  );
  assertEquals(unescapeHtml("&nosuch; &; & &#; &#x;"), "&nosuch; &; & &#; &#x;");
  assertEquals(unescapeHtml("&#99999999999999999999;"), "\ufffd");
});

sharedTest("the reference strings have their ids", () => {
  const given: Case[] = JSON.parse(Deno.readTextFileSync(sharedPath("reference/tokenizer.json")));
  for (const { text, ids } of given) assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
});
