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

Deno.test("parseArgs: an empty value counts, an empty word after a flag does not", () => {
  deepStrictEqual({ ...parseArgs(["--name=", "x"], { string: ["name"] }) }, { name: "", _: ["x"] });
  deepStrictEqual({ ...parseArgs(["--name", ""], { string: ["name"] }) }, { name: "", _: [""] });
});

Deno.test("parseArgs: a value never begins with a dash, a negative number is a flag", () => {
  const args = parseArgs(["--lr", "-1", "--n=-1"], { string: ["lr", "n"] });
  deepStrictEqual({ ...args }, { lr: "", 1: true, n: "-1", _: [] });
});

Deno.test("parseArgs: flags after words, words that look like numbers, all after --", () => {
  const args = ["a", "--dry", "1e3", "--name", "b", "0b11", "Infinity", "--", "--name", "7"];
  const options = { string: ["name"] as const, boolean: ["dry"] as const };
  deepStrictEqual({ ...parseArgs(args, options) }, {
    _: ["a", 1000, 3, "Infinity", "--name", "7"],
    dry: true,
    name: "b",
  });
  const apart = parseArgs(args, { ...options, string: ["name", "_"], "--": true });
  deepStrictEqual(apart._, ["a", "1e3", "0b11", "Infinity"]);
  deepStrictEqual(apart["--"], ["--name", "7"]);
  deepStrictEqual(parseArgs(["--dry", "a", "--name", "7"], { ...options, stopEarly: true })._, ["a", "--name", "7"]);
});

Deno.test("parseArgs: --no- with a value is the flag without it, and unknown where it may not be negated", () => {
  strictEqual(parseArgs(["--no-name=x"], { string: ["name"], negatable: ["name"] }).name, "x");
  strictEqual(parseArgs(["--no-name"], { string: ["name"], negatable: ["name"] }).name, false);
  const told: unknown[] = [];
  parseArgs(["--no-name", "--no-odd", "-nx", "word"], {
    string: ["name"],
    unknown: (...all) => {
      told.push(all);
      return false;
    },
  });
  deepStrictEqual(told, [
    ["--no-name", "no-name", true],
    ["--no-odd", "no-odd", true],
    ["-nx", "n", true],
    ["-nx", "x", "word"],
  ]);
});

Deno.test("parseArgs: letters after one dash", () => {
  const read = (...args: string[]) => ({ ...parseArgs(args, { string: ["n"], boolean: ["d"] }), _: undefined });
  deepStrictEqual(read("-abd", "x"), { a: true, b: true, d: true, _: undefined });
  deepStrictEqual(read("-n5"), { n: "5", d: false, _: undefined });
  deepStrictEqual(read("-n=5"), { n: "5", d: false, _: undefined });
  deepStrictEqual(read("-n="), { n: "", d: false, _: undefined });
  deepStrictEqual(read("-n", "5"), { n: "5", d: false, _: undefined });
  deepStrictEqual(parseArgs(["-"])._, ["-"]);
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

/** Every value that the packages export at these versions. */
const EXPORTS: Readonly<Record<string, readonly string[]>> = {
  "jsr:@std/assert@1.0.19": [
    "assert",
    "assertAlmostEquals",
    "assertArrayIncludes",
    "assertEquals",
    "assertExists",
    "assertFalse",
    "assertGreater",
    "assertGreaterOrEqual",
    "assertInstanceOf",
    "assertIsError",
    "assertLess",
    "assertLessOrEqual",
    "assertMatch",
    "assertNotEquals",
    "assertNotInstanceOf",
    "assertNotMatch",
    "assertNotStrictEquals",
    "assertObjectMatch",
    "assertRejects",
    "assertStrictEquals",
    "assertStringIncludes",
    "assertThrows",
    "AssertionError",
    "equal",
    "fail",
    "unimplemented",
    "unreachable",
  ],
  "jsr:@std/cli@1.0.30/parse-args": ["parseArgs"],
  "jsr:@std/yaml@1.3.0": ["parse", "parseAll", "stringify", "YamlSyntaxError"],
};

const TYPES: Readonly<Record<string, readonly string[]>> = {
  "jsr:@std/assert@1.0.19": [],
  "jsr:@std/cli@1.0.30/parse-args": ["Args", "ParseOptions"],
  "jsr:@std/yaml@1.3.0": ["ParseOptions", "SchemaType", "StringifyOptions", "StyleVariant", "YamlPosition"],
};

function* sources(folder: URL): Iterable<URL> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}

Deno.test("what is imported from JSR is exported there, by the stand-in and by the real package", async () => {
  let count = 0;
  for (const part of ["src/", "recipes/", "bench/", "tests/"]) {
    for (const file of sources(new URL(`../${part}`, import.meta.url))) {
      const text = Deno.readTextFileSync(file);
      for (const [, list, specifier] of text.matchAll(/^(?:im|ex)port \{([^}]*)\} from "(jsr:[^"]+)";$/gm)) {
        const here = await import(specifier);
        for (const name of list.split(",").map((one) => one.trim().split(" as ")[0]).filter((one) => one !== "")) {
          const type = /^type (\w+)$/.exec(name)?.[1];
          const known = (type ? TYPES : EXPORTS)[specifier];
          ok(known?.includes(type ?? name), `${file.pathname}: ${specifier} does not export ${name}`);
          ok(type || name in here, `the stand-in for ${specifier} lacks ${name}`);
          count++;
        }
      }
    }
  }
  ok(count > 100, `only ${count} names were found`);
});
