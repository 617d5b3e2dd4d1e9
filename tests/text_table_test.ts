import { assertEquals } from "jsr:@std/assert@1.0.19";
import { table, wrap } from "../src/text_table.ts";

Deno.test("columns are as wide as their widest cell, to the left or the right, with nothing behind the last", () => {
  const rows = [["name", "n"], ["a", "100"], ["bc", ""]];
  assertEquals(table(rows), ["name  n", "a     100", "bc"]);
  assertEquals(table(rows, { right: (column) => column === 1 }), ["name    n", "a     100", "bc"]);
});

Deno.test("lines break at spaces, words stay whole", () => {
  assertEquals(wrap("one two three", 7), ["one two", "three"]);
  assertEquals(wrap("unbreakable", 3), ["unbreakable"]);
});
