import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { namedStream, pythonRandom } from "../../src/data/random.ts";
import cases from "../fixtures/python_random.json" with { type: "json" };

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

for (const expected of cases) {
  Deno.test(`pythonRandom(${expected.seed}) gives CPython's numbers`, () => {
    const stream = pythonRandom(expected.seed);
    assertEquals(expected.random.map(() => stream.random()), expected.random);
    for (const [n, drawn] of expected.below) assertEquals(stream.below(n), drawn);
    for (const [n, k, drawn] of expected.samples as [number, number, number[]][]) {
      assertEquals(stream.sample(range(n), k), drawn);
    }
    const items = range(20);
    stream.shuffle(items);
    assertEquals(items, expected.shuffled);
    assertEquals(range(700).map(() => stream.uniform(-2, 3)).slice(-2), expected.uniform);
  });
}

Deno.test("a restored state continues with the same numbers, the kept normal among them", () => {
  const stream = namedStream(1, "context-init");
  range(1000).forEach(() => stream.random());
  stream.normal();
  const saved = JSON.parse(JSON.stringify(stream.state()));
  const next = () => [stream.normal(), stream.random(), stream.normal(), stream.below(1e12)];
  const expected = next();
  assertNotEquals(next(), expected);
  stream.restore(saved);
  assertEquals(next(), expected);
});

Deno.test("a damaged state is refused", () => {
  const stream = pythonRandom(1);
  const good = stream.state();
  assertThrows(() => stream.restore(good.slice(1)), UserError, "damaged");
  assertThrows(() => stream.restore(good.with(3, -1)), UserError, "damaged");
  assertThrows(() => stream.restore(good.with(624, 625)), UserError, "damaged");
  assertThrows(() => stream.restore(good.with(626, NaN)), UserError, "damaged");
});

Deno.test("named streams differ by seed and by every part of the name", () => {
  const first = (...args: Parameters<typeof namedStream>) => namedStream(...args).random();
  const drawn = [
    first(1, "context-init"),
    first(2, "context-init"),
    first(1, "meta-net-init"),
    first(1, "augmentation", 1, "a.jpg"),
    first(1, "augmentation", 2, "a.jpg"),
    first(1, "augmentation", 1, "b.jpg"),
    first(1, "augmentation", "1", "a.jpg"),
  ];
  assertEquals(new Set(drawn).size, drawn.length);
  assertEquals(first(1, "context-init"), drawn[0]);
});

Deno.test("normal numbers have mean 0, deviation 1 and the tails of a normal law", () => {
  const stream = namedStream(7, "test");
  const numbers = range(200_000).map(() => stream.normal());
  const mean = numbers.reduce((sum, x) => sum + x) / numbers.length;
  const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
  assertAlmostEquals(mean, 0, 0.01);
  assertAlmostEquals(variance, 1, 0.01);
  assertAlmostEquals(numbers.filter((x) => Math.abs(x) > 1.96).length / numbers.length, 0.05, 0.003);
  assert(numbers.every(Number.isFinite));
});

Deno.test("a seed that is no whole number is a user error", () => {
  assertThrows(() => pythonRandom(1.5), UserError, "whole number");
  assertThrows(() => namedStream(NaN, "x"), UserError, "whole number");
});
