import { assertEquals } from "jsr:@std/assert@1.0.19";
import { nearestWords } from "../../src/eval/nearest_words.ts";

const table = [[0, 0], [1, 0], [0, 1], [3, 4], [1, 0.5]].map((row) => Float32Array.from(row));
const words = ["never", "a</w>", "photo</w>", "of</w>", "sat"];
const options = {
  embedding: (id: number) => table[id],
  tokenizer: { size: table.length, word: (id: number) => words[id] },
  count: 3,
};

Deno.test("the nearest words come in order, with Euclidean distances; words that were never seen are left out", () => {
  const [first, second] = nearestWords({ shape: [2, 2], data: Float32Array.of(1, 0.125, 3, 3.5) }, options);
  assertEquals(first, {
    token: 1,
    className: null,
    words: [{ word: "a", distance: 0.125 }, { word: "sat", distance: 0.375 }, {
      word: "photo",
      distance: Number(Math.hypot(1, 0.875).toPrecision(6)),
    }],
  });
  assertEquals(second.words.map(({ word }) => word), ["of", "sat", "photo"]);
});

Deno.test("class-specific tokens say whose they are", () => {
  const found = nearestWords({ shape: [2, 1, 2], data: Float32Array.of(1, 0, 0, 1) }, {
    ...options,
    classNames: ["River", "Forest"],
    count: 1,
  });
  assertEquals(found, [
    { token: 1, className: "River", words: [{ word: "a", distance: 0 }] },
    { token: 1, className: "Forest", words: [{ word: "photo", distance: 0 }] },
  ]);
});

Deno.test("words of wide embeddings are found as a plain search finds them", () => {
  const D = 100;
  const wide = Array.from(
    { length: 300 },
    (_, id) => Float32Array.from({ length: D }, (_, i) => Math.sin(id * 7.1 + i * i)),
  );
  const ctx = Float32Array.from({ length: D }, (_, i) => Math.cos(i));
  const plain = wide.map((row, id) => ({ id, distance: Math.hypot(...row.map((value, i) => value - ctx[i])) }))
    .sort((a, b) => a.distance - b.distance).slice(0, 5).map(({ id }) => `w${id}`);
  const [found] = nearestWords({ shape: [1, D], data: ctx }, {
    embedding: (id) => wide[id],
    tokenizer: { size: wide.length, word: (id) => `w${id}` },
  });
  assertEquals(found.words.map(({ word }) => word), plain);
});
