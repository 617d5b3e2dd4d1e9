import { assert, assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { pythonRandom } from "../../src/data/random.ts";
import { pairedBootstrap, percentileInterval } from "../../src/eval/bootstrap.ts";

const bits = (text: string) => Uint8Array.from(text, Number);

Deno.test("resamples follow the law of drawing seeds and images with replacement, checked against all draws", () => {
  const set = { first: [bits("01"), bits("11")], second: [bits("10"), bits("00")] };
  const exact = new Map<string, number>();
  for (const seeds of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
    for (const images of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      const accuracy = (outcomes: Uint8Array[]) =>
        100 * seeds.flatMap((s) => images.map((i) => outcomes[s][i])).reduce((a, b) => a + b) / 4;
      const key = `${accuracy(set.first)} ${accuracy(set.second)}`;
      exact.set(key, (exact.get(key) ?? 0) + 1 / 16);
    }
  }
  const count = 20000;
  const seen = new Map<string, number>();
  for (const [{ first, second }] of pairedBootstrap([set], { count, random: pythonRandom(1) })) {
    const key = `${first} ${second}`;
    seen.set(key, (seen.get(key) ?? 0) + 1 / count);
  }
  assertEquals([...seen.keys()].sort(), [...exact.keys()].sort());
  for (const [key, share] of exact) assertAlmostEquals(seen.get(key)!, share, 0.012);
});

Deno.test("of one seed the interval is that of a paired difference: observed ± 1.96 standard errors", () => {
  const images = 2000;
  const random = pythonRandom(5);
  const first = Uint8Array.from({ length: images }, () => random.random() < 0.7 ? 1 : 0);
  // The second method is right wherever the first is, and on a tenth of the rest.
  const second = first.map((right) => right || (random.random() < 0.1 ? 1 : 0));
  const share = second.reduce((sum, right, i) => sum + right - first[i], 0) / images;
  const error = 100 * Math.sqrt(share * (1 - share) / images);
  const draws = pairedBootstrap([{ first: [first], second: [second] }], { count: 4000, random: pythonRandom(6) });
  const { low, high } = percentileInterval(draws.map(([pair]) => pair.second - pair.first), 0.95);
  assertAlmostEquals(low, 100 * share - 1.96 * error, 0.15);
  assertAlmostEquals(high, 100 * share + 1.96 * error, 0.15);
  assert(low > 0, "unpaired, this difference would drown in the 20 points of noise that both share");
});

Deno.test("all sets of a resample have the same seeds", () => {
  const good = bits("1111");
  const bad = bits("0000");
  const set = { first: [good, bad], second: [good, bad] };
  for (const [a, b] of pairedBootstrap([set, set], { count: 200, random: pythonRandom(2) })) {
    assertEquals(a, b);
    assertEquals(a.first, a.second);
  }
});

Deno.test("percentiles interpolate as NumPy's do", () => {
  const values = [3, 1, 2, 5, 4];
  const { low, high } = percentileInterval(values, 0.9);
  assertAlmostEquals(low, 1.2, 1e-12);
  assertAlmostEquals(high, 4.8, 1e-12);
});

Deno.test("sets that do not belong together are refused", () => {
  const random = pythonRandom(1);
  const two = { first: [bits("10"), bits("10")], second: [bits("10"), bits("10")] };
  assertThrows(() => pairedBootstrap([two, { first: [bits("1")], second: [bits("1")] }], { count: 1, random }));
  assertThrows(() => pairedBootstrap([{ first: [bits("10")], second: [bits("1")] }], { count: 1, random }));
});
