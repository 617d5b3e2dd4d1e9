/** Holds the stand-in for `jsr:@std/yaml` to what the real package does. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { parse, stringify, YamlSyntaxError } from "jsr:@std/yaml@1.3.0";

const READ: [string, unknown][] = [
  ["a: 1\nb: [x, 'it''s', \"\\u00e9\"]\n", { a: 1, b: ["x", "it's", "é"] }],
  ["a: &b {c: &d e}\nf: *b\ng: *d\n", { a: { c: "e" }, f: { c: "e" }, g: "e" }],
  ["a: &m {b: 1, c: 2}\nd: {<<: *m, c: 3}\n", { a: { b: 1, c: 2 }, d: { b: 1, c: 3 } }],
  ["- 0x1F\n- 0b11\n- 012\n- 1_000\n- 1e3\n- 2e-3\n- .5\n- -.inf\n- 1:20\n- 0o7\n- 08\n", [
    31,
    3,
    10,
    1000,
    1000,
    0.002,
    0.5,
    -Infinity,
    "1:20",
    "0o7",
    "08",
  ]],
  ["[yes, no, on, Off, True, FALSE, ~, Null, null, nULL, '']", [
    "yes",
    "no",
    "on",
    "Off",
    true,
    false,
    null,
    null,
    null,
    "nULL",
    "",
  ]],
  ["- 2001-02-03\n- 2001-02-03 4:05:06.7 -1\n", [
    new Date("2001-02-03T00:00:00Z"),
    new Date("2001-02-03T05:05:06.700Z"),
  ]],
  ["!!binary SGVsbG8=", new Uint8Array([72, 101, 108, 108, 111])],
  ["!!set {a, b}", { a: null, b: null }],
  ["!!omap [a: 1, b: 2]", [{ a: 1 }, { b: 2 }]],
  ["!!pairs [a: 1, a: 2]", [["a", 1], ["a", 2]]],
  ["[!!str 1, !!float 1, !!seq [], !<tag:yaml.org,2002:map> {}]", ["1", 1, [], {}]],
  ["a: |\n  b\n  c\nd: >-\n  e\n  f\n\n  g\n", { a: "b\nc\n", d: "e f\ng" }],
  ["? - a\n  - b\n: c\n", { "a,b": "c" }],
  ["\ufeffa: b\r\nc: d\r\n", { a: "b", c: "d" }],
  ["# only\n", null],
  ["", null],
];

for (const [text, value] of READ) {
  Deno.test(`yaml: reads ${JSON.stringify(text)}`, () => deepStrictEqual(parse(text), value));
}

Deno.test("yaml: keys of objects' prototypes are keys like others", () => {
  const read = parse("__proto__: 1\nconstructor: 2\n") as object;
  deepStrictEqual(Object.entries(read), [["__proto__", 1], ["constructor", 2]]);
  strictEqual(Object.getPrototypeOf(read), Object.prototype);
});

const SCHEMAS: [string, Parameters<typeof parse>[1] & object, unknown][] = [
  ["[1, true, ~, a]", { schema: "failsafe" }, ["1", "true", "~", "a"]],
  ["[1, true, ~, 2001-02-03]", { schema: "json" }, [1, true, null, "2001-02-03"]],
  ["[1, .5, ~, 2001-02-03, 0x1F]", { schema: "core" }, [1, 0.5, null, "2001-02-03", 31]],
  ["{<<: {a: 1}}", { schema: "core" }, { "<<": { a: 1 } }],
  ["[!!js/regexp /a/gi, !!js/regexp b, !!js/undefined ~]", { schema: "extended" }, [/a/gi, /b/, undefined]],
  ["a: 1\na: 2\n", { allowDuplicateKeys: true }, { a: 2 }],
];

for (const [text, options, value] of SCHEMAS) {
  Deno.test(`yaml: reads ${JSON.stringify(text)} with ${JSON.stringify(options)}`, () =>
    deepStrictEqual(parse(text, options), value));
}

const REFUSED: [string, string, (Parameters<typeof parse>[1] & object)?][] = [
  ["a: 1\nb: 2\na: 3\n", "Cannot store mapping pair: duplicated key at line 3, column 1:\n    a: 3\n    ^"],
  [
    "a: [1, 2\nb: 3\n",
    "Cannot read flow collection: missing comma between flow collection entries at line 2, column 1:\n    b: 3\n    ^",
  ],
  [
    "a: [",
    "Cannot read flow collection: unexpected end of the stream within a flow collection at line 2, column 1:\n    \n    ^",
  ],
  ["a: *b\n", 'Cannot read alias: unidentified alias "b" at line 1, column 6:\n    a: *b\n         ^'],
  ["a: !x y\n", "Cannot resolve unknown tag !<!x> at line 1, column 8:\n    a: !x y\n           ^"],
  ["!!js/function x", "Cannot resolve unknown tag !<tag:yaml.org,2002:js/function>", { schema: "extended" }],
  ["!!js/regexp x", "Cannot resolve unknown tag !<tag:yaml.org,2002:js/regexp>"],
  ["!!binary x", "Cannot resolve unknown tag !<tag:yaml.org,2002:binary>", { schema: "core" }],
  ["!!bool x", "Cannot resolve a node with !<tag:yaml.org,2002:bool> explicit tag at line 2, column 1"],
  ["'a", "Unexpected end of the stream within a single quoted scalar at line 2, column 1"],
  ['"\\q"', 'Cannot read double quoted scalar: unknown escape sequence at line 1, column 3:\n    "\\q"\n      ^'],
  ["a: b\n c: d\n", "Cannot read block: bad indentation of a mapping entry at line 2, column 3:\n     c: d\n      ^"],
  ["a: `b`\n", "Cannot read document: end of the stream or a document separator is expected at line 1, column 4"],
  ["a: b\n---\nc: d", "Found more than 1 document in the stream: expected a single document"],
];

for (const [text, start, options] of REFUSED) {
  Deno.test(`yaml: refuses ${JSON.stringify(text)}`, () =>
    throws(() => parse(text, options), (error) => {
      ok(error instanceof YamlSyntaxError && error instanceof SyntaxError);
      strictEqual(error.message.slice(0, start.length), start);
      const [, line, column] = /at line (\d+), column (\d+)/.exec(error.message)!;
      deepStrictEqual([error.line, error.column], [Number(line), Number(column)]);
      strictEqual(`${text}\n`.slice(0, error.offset).split("\n").length, error.line);
      return true;
    }));
}

const WRITTEN: [unknown, Parameters<typeof stringify>[1] & object, string][] = [
  [
    { lr: 0.002, eval: ["base", "new"], deep: { a: [[1, { b: 2 }]] } },
    {},
    "lr: 0.002\neval:\n  - base\n  - new\ndeep:\n  a:\n    - - 1\n      - b: 2\n",
  ],
  [
    ["a", "", "a: b", "a#b", "- a", "=x", "yes", "true", "~", "12", "1e3", "2001-02-03", " a", "it's", "\x07"],
    { flowLevel: 0 },
    `[a, '', 'a: b', 'a#b', '- a', =x, 'yes', 'true', '~', '12', '1e3', '2001-02-03', ' a', it's, "\\a"]\n`,
  ],
  [["a: b", "it's: \\"], { quoteStyle: '"' }, '- "a: b"\n- "it\'s: \\\\"\n'],
  [["yes"], { compatMode: false }, "- yes\n"],
  [{ a: "b\nc\n", d: "e\nf" }, {}, "a: |\n  b\n  c\nd: |-\n  e\n  f\n"],
  [{ a: "four letter words fill the line up to its end" }, {}, "a: four letter words fill the line up to its end\n"],
  [
    { a: "four letter words fill the line up to its end" },
    { lineWidth: 20 },
    "a: >-\n  four letter words\n  fill the line up to\n  its end\n",
  ],
  [{ b: 1, a: { d: 1, c: 2 } }, { sortKeys: true }, "a:\n  c: 2\n  d: 1\nb: 1\n"],
  [{ a: { b: [1] } }, { indent: 4 }, "a:\n    b:\n        - 1\n"],
  [{ a: { b: [1, { c: 2 }] } }, { flowLevel: 1 }, "a: {b: [1, {c: 2}]}\n"],
  [{ a: [1] }, { arrayIndent: false }, "a:\n- 1\n"],
  [
    [NaN, -0, Infinity, null, true, 1e21, new Date(0), new Uint8Array([1])],
    {},
    [
      "- .nan",
      "- -0.0",
      "- .inf",
      "- null",
      "- true",
      "- 1e+21",
      "- 1970-01-01T00:00:00.000Z",
      "- !<tag:yaml.org,2002:binary> AQ==",
      "",
    ].join("\n"),
  ],
  [{ a: undefined, b: [() => 1, 2], c: Symbol("x") }, { skipInvalid: true }, "b:\n  - 2\n"],
  [[], {}, "[]\n"],
  [{}, {}, "{}\n"],
];

for (const [value, options, text] of WRITTEN) {
  Deno.test(`yaml: writes ${Deno.inspect(value, { depth: 9 })} with ${JSON.stringify(options)}`, () =>
    strictEqual(stringify(value, options), text));
}

Deno.test("yaml: what occurs twice is written once", () => {
  const one = { a: 1 };
  strictEqual(stringify([one, one]), "- &ref_0\n  a: 1\n- *ref_0\n");
  strictEqual(stringify([one, one], { useAnchors: false }), "- a: 1\n- a: 1\n");
});

for (const value of [() => 1, Symbol("x"), undefined, 5n]) {
  Deno.test(`yaml: refuses to write ${typeof value}`, () =>
    throws(() => stringify({ value }), (error: Error) => {
      ok(error instanceof TypeError);
      return error.message === `Cannot stringify ${typeof value}`;
    }));
}
