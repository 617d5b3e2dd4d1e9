import { assert, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { namedStream } from "../../src/data/random.ts";
import { drawMeta } from "../../src/train/meta_draw.ts";

Deno.test("the query is all images of one label, the support all others, and every query image has a partner and a share", () => {
  const random = namedStream(1, "meta");
  const labels = Int32Array.of(7, 2, 7, 4, 2, 7);
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const { query, support, mix, lambda } = drawMeta(labels, random)!;
    const label = labels[query[0]];
    assertEquals(query, [0, 1, 2, 3, 4, 5].filter((row) => labels[row] === label));
    assertEquals(support, [0, 1, 2, 3, 4, 5].filter((row) => labels[row] !== label));
    assertEquals([mix.length, lambda.length], [query.length, query.length]);
    assert(mix.every((at) => Number.isInteger(at) && at >= 0 && at < support.length));
    assert(lambda.every((share) => share >= 0 && share <= 1));
    seen.add(`${label}`);
  }
  assertEquals([...seen].sort(), ["2", "4", "7"]);
});

Deno.test("labels, not images, are equally likely; partners too", () => {
  const random = namedStream(2, "meta");
  const counts = new Map<number, number>();
  const partners = [0, 0, 0, 0, 0];
  const N = 6000;
  // One image of label 0 and five of label 1.
  const labels = [1, 1, 0, 1, 1, 1];
  for (let i = 0; i < N; i++) {
    const { query, mix } = drawMeta(labels, random)!;
    const label = labels[query[0]];
    counts.set(label, (counts.get(label) ?? 0) + 1);
    if (label === 0) partners[mix[0]]++;
    else assertEquals(mix, [0, 0, 0, 0, 0]);
  }
  // Five standard deviations.
  assertLess(Math.abs(counts.get(0)! - N / 2), 5 * Math.sqrt(N / 4));
  const each = counts.get(0)! / 5;
  for (const count of partners) assertLess(Math.abs(count - each), 5 * Math.sqrt(each));
});

Deno.test("shares follow Beta(½, ½): its distribution function, mean and variance", () => {
  const random = namedStream(3, "meta");
  const shares: number[] = [];
  for (let i = 0; i < 4000; i++) shares.push(...drawMeta([0, 0, 1, 1, 1], random)!.lambda);
  const N = shares.length;
  const below = (x: number) => shares.filter((share) => share <= x).length / N;
  // F(x) = 2/π·asin√x, at round values.
  const law = [[0.0954915, 0.2], [0.25, 1 / 3], [0.5, 0.5], [0.75, 2 / 3], [0.9045085, 0.8]];
  for (const [x, wanted] of law) assertLess(Math.abs(below(x) - wanted), 5 * Math.sqrt(wanted * (1 - wanted) / N));
  const mean = shares.reduce((a, b) => a + b) / N;
  const variance = shares.reduce((sum, x) => sum + (x - mean) ** 2, 0) / N;
  assertLess(Math.abs(mean - 0.5), 5 * Math.sqrt(1 / 8 / N));
  assertLess(Math.abs(variance - 1 / 8), 0.005);
});

Deno.test("a batch of one label draws nothing; a stream that is continued draws the same", () => {
  const random = namedStream(4, "meta");
  const before = random.state();
  assertEquals(drawMeta([3, 3, 3], random), undefined);
  assertEquals(drawMeta([], random), undefined);
  assertEquals(random.state(), before);
  drawMeta([0, 1, 1], random);
  const state = random.state();
  const next = [drawMeta([0, 1, 1, 0], random), drawMeta([2, 1], random)];
  const again = namedStream(4, "meta");
  again.restore(state);
  assertEquals([drawMeta([0, 1, 1, 0], again), drawMeta([2, 1], again)], next);
});
