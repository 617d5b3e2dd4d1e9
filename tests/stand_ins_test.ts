/** Holds the stand-ins to what the real packages document, so that the tests mean the same with either. */
import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
} from "jsr:@std/assert@1.0.19";
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";

class Odd extends Error {}

const EQUAL: [string, unknown, unknown][] = [
  ["NaN and itself", NaN, NaN],
  ["0 and -0", 0, -0],
  ["nested records", { a: [1, { b: "c" }] }, { a: [1, { b: "c" }] }],
  ["records in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["typed arrays", new Float32Array([1, NaN]), new Float32Array([1, NaN])],
  ["sets of records", new Set([{ a: 1 }]), new Set([{ a: 1 }])],
  ["maps", new Map([["a", [1]]]), new Map([["a", [1]]])],
  ["dates", new Date(5), new Date(5)],
  ["expressions", /a/g, /a/g],
  ["a record without prototype and one with", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
];

const UNEQUAL: [string, unknown, unknown][] = [
  ["a number and its text", 1, "1"],
  ["null and undefined", null, undefined],
  ["a missing key and undefined", {}, { a: undefined }],
  ["a longer list", [1, 2], [1, 2, 3]],
  ["typed arrays of two kinds", new Float32Array([1]), new Float64Array([1])],
  ["typed arrays that differ", new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  ["typed arrays of two lengths", new Uint8Array([1]), new Uint8Array([1, 0])],
  ["a list and a typed array", [1], new Uint8Array([1])],
  ["sets", new Set([1]), new Set([2])],
  ["maps with other values", new Map([["a", 1]]), new Map([["a", 2]])],
  ["instances of two classes", new Odd("a"), new Error("a")],
  ["dates", new Date(5), new Date(6)],
  ["expressions", /a/g, /a/i],
];

for (const [name, a, b] of EQUAL) {
  Deno.test(`equal: ${name}`, () => {
    ok(equal(a, b) && equal(b, a));
    assertEquals(a, b);
    throws(() => assertNotEquals(a, b), AssertionError);
  });
}

for (const [name, a, b] of UNEQUAL) {
  Deno.test(`not equal: ${name}`, () => {
    ok(!equal(a, b) && !equal(b, a));
    assertNotEquals(a, b);
    throws(
      () => assertEquals(a, b, "why"),
      (error: Error) => error instanceof AssertionError && /why/.test(error.message),
    );
  });
}

Deno.test("equal: records that hold themselves", () => {
  const a: Record<string, unknown> = { n: 1 };
  const b: Record<string, unknown> = { n: 1 };
  a.self = a;
  b.self = b;
  ok(equal(a, b));
});

Deno.test("assertAlmostEquals: documented cases", () => {
  throws(() => assertAlmostEquals(0.01, 0.02), AssertionError);
  throws(() => assertAlmostEquals(1e-8, 1e-9), AssertionError);
  assertAlmostEquals(1.000000001e-8, 1.000000002e-8);
  assertAlmostEquals(0.01, 0.02, 0.1);
  assertAlmostEquals(0.1 + 0.2, 0.3, 1e-16);
  throws(() => assertAlmostEquals(0.1 + 0.2, 0.3, 1e-17), AssertionError);
});

Deno.test("assertAlmostEquals: NaN is close to itself alone, infinity to itself alone", () => {
  assertAlmostEquals(NaN, NaN);
  throws(() => assertAlmostEquals(NaN, 1, 10), AssertionError);
  throws(() => assertAlmostEquals(1, NaN, 10), AssertionError);
  assertAlmostEquals(Infinity, Infinity);
  throws(() => assertAlmostEquals(1, Infinity, 10), AssertionError);
});

const PASSING: [string, () => void][] = [
  ["assert", () => assert(1)],
  ["assertFalse", () => assertFalse(0)],
  ["assertExists", () => assertExists(0)],
  ["assertStrictEquals", () => assertStrictEquals(NaN, NaN)],
  ["assertStringIncludes", () => assertStringIncludes("abc", "b")],
  ["assertArrayIncludes", () => assertArrayIncludes([{ a: 1 }, 2], [{ a: 1 }])],
  ["assertMatch", () => assertMatch("abc", /b/)],
  ["assertNotMatch", () => assertNotMatch("abc", /d/)],
  ["assertGreater", () => assertGreater(2, 1)],
  ["assertGreaterOrEqual", () => assertGreaterOrEqual(1, 1)],
  ["assertLess", () => assertLess(1, 2)],
  ["assertLessOrEqual", () => assertLessOrEqual(1, 1)],
  ["assertInstanceOf", () => assertInstanceOf(new Odd(), Error)],
];

const FAILING: [string, () => void][] = [
  ["assert", () => assert(0, "why")],
  ["assertFalse", () => assertFalse(1, "why")],
  ["fail", () => fail("why")],
  ["assertExists of null", () => assertExists(null, "why")],
  ["assertExists of undefined", () => assertExists(undefined, "why")],
  ["assertStrictEquals of 0 and -0", () => assertStrictEquals(0, -0, "why")],
  ["assertStrictEquals of two records", () => assertStrictEquals({}, {}, "why")],
  ["assertStringIncludes", () => assertStringIncludes("abc", "d", "why")],
  ["assertArrayIncludes", () => assertArrayIncludes([{ a: 1 }], [{ a: 2 }], "why")],
  ["assertMatch", () => assertMatch("abc", /d/, "why")],
  ["assertNotMatch", () => assertNotMatch("abc", /b/, "why")],
  ["assertGreater", () => assertGreater(1, 1, "why")],
  ["assertGreater of NaN", () => assertGreater(NaN, 1, "why")],
  ["assertGreaterOrEqual", () => assertGreaterOrEqual(0, 1, "why")],
  ["assertLess", () => assertLess(1, 1, "why")],
  ["assertLess of NaN", () => assertLess(NaN, 1, "why")],
  ["assertLessOrEqual", () => assertLessOrEqual(2, 1, "why")],
  ["assertInstanceOf", () => assertInstanceOf(new Error(), Odd, "why")],
];

for (const [name, fn] of PASSING) Deno.test(`passes: ${name}`, fn);

for (const [name, fn] of FAILING) {
  Deno.test(`fails with the given message: ${name}`, () => {
    throws(fn, (error: Error) => error instanceof AssertionError && /why/.test(error.message));
  });
}

Deno.test("assertThrows returns what was thrown", () => {
  const error = new Odd("a sentence");
  const throwing = () => {
    throw error;
  };
  strictEqual(assertThrows(throwing), error);
  strictEqual(assertThrows(throwing, Odd), error);
  strictEqual(assertThrows(throwing, Error, "sentence"), error);
  strictEqual(assertThrows(throwing, Error, /^a/), error);
});

Deno.test("assertThrows fails for no error, another class, another message, something that is no error", () => {
  const throwing = () => {
    throw new Error("a sentence");
  };
  throws(() => assertThrows(() => {}), /Expected function to throw/);
  throws(() => assertThrows(throwing, Odd), /instance of "Odd", but was "Error"/);
  throws(() => assertThrows(throwing, Error, "other"), /to include "other"/);
  throws(() =>
    assertThrows(() => {
      throw "text";
    }, Error), AssertionError);
});

Deno.test("assertRejects gives what the promise was rejected with", async () => {
  const error = new Odd("a sentence");
  strictEqual(await assertRejects(() => Promise.reject(error)), error);
  strictEqual(await assertRejects(() => Promise.reject(error), Odd, "sentence"), error);
});

Deno.test("assertRejects fails for a promise that resolves, a synchronous throw, another class or message", async () => {
  const rejecting = () => Promise.reject(new Error("a sentence"));
  await rejects(assertRejects(() => Promise.resolve()), /Expected function to reject/);
  await rejects(
    assertRejects(() => {
      throw new Error("at once");
    }),
    /Function throws when expected to reject/,
  );
  await rejects(assertRejects(rejecting, Odd), /instance of "Odd"/);
  await rejects(assertRejects(rejecting, Error, "other"), /to include "other"/);
});

Deno.test("parseArgs: text, switches and words", () => {
  const args = parseArgs(["--name", "x", "--level=3", "--dry", "word", "7", "--", "--rest"], {
    string: ["name", "level"],
    boolean: ["dry", "wet"],
  });
  deepStrictEqual({ ...args }, { name: "x", level: "3", dry: true, wet: false, _: ["word", 7, "--rest"] });
});

Deno.test("parseArgs: numbers are read where no text is asked for", () => {
  deepStrictEqual({ ...parseArgs(["--n", "5", "--hex=0x1f", "--s", "5"], { string: ["s"] }) }, {
    n: 5,
    hex: 31,
    s: "5",
    _: [],
  });
});

Deno.test("parseArgs: defaults, the last of several, lists, other names", () => {
  const args = parseArgs(["-n", "a", "--name", "b", "--tag", "1", "--tag=2"], {
    string: ["name", "tag", "left"],
    collect: ["tag"],
    alias: { name: "n" },
    default: { left: "here", name: "nobody" },
  });
  strictEqual(args.name, "b");
  strictEqual(args.n, "b");
  deepStrictEqual(args.tag, ["1", "2"]);
  strictEqual(args.left, "here");
  deepStrictEqual(parseArgs([], { string: ["tag"], collect: ["tag"] }).tag, []);
});

Deno.test("parseArgs: a switch takes true and false, and --no- where it may be negated", () => {
  strictEqual(parseArgs(["--dry=false"], { boolean: ["dry"] }).dry, false);
  strictEqual(parseArgs(["--dry", "false"], { boolean: ["dry"] }).dry, false);
  strictEqual(parseArgs(["--no-dry"], { boolean: ["dry"], negatable: ["dry"], default: { dry: true } }).dry, false);
  strictEqual(parseArgs(["--no-dry"], { boolean: ["dry"] })["no-dry"], true);
});

Deno.test("parseArgs: a text flag at the end or before another flag is empty", () => {
  strictEqual(parseArgs(["--name"], { string: ["name"] }).name, "");
  strictEqual(parseArgs(["--name", "--dry"], { string: ["name"], boolean: ["dry"] }).name, "");
});

Deno.test("parseArgs: unknown flags are told, and left out when the callback says false", () => {
  const told: string[] = [];
  const args = parseArgs(["--known", "a", "--odd", "b"], {
    string: ["known"],
    unknown: (arg) => {
      told.push(arg);
      return false;
    },
  });
  deepStrictEqual(told, ["--odd"]);
  deepStrictEqual({ ...args }, { known: "a", _: [] });
  match(JSON.stringify(parseArgs(["--odd", "b"], { string: ["known"] })), /"odd":"b"/);
});
