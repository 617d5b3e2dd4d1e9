import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { pathProblem } from "../../src/data/paths.ts";
import { pythonRandom } from "../../src/data/random.ts";
import { roundHalfEven } from "../../src/data/round.ts";
import { hashSplit, makeSplit, parseSplit, readSplit } from "../../src/data/split.ts";
import { sharedPath, sharedTest } from "../shared.ts";

const good = () => ({ train: [["a/1.jpg", 0, "A"], ["b/1.jpg", 1, "B"]], val: [], test: [["a/2.jpg", 0, "A"]] });

sharedTest("the published EuroSAT split is read", async () => {
  const { split, sha256 } = await readSplit(sharedPath("datasets/eurosat/split_zhou_EuroSAT.json"));
  assertEquals([split.train.length, split.val.length, split.test.length], [13500, 5400, 8100]);
  assertEquals(split.train[0], { path: "AnnualCrop/AnnualCrop_1381.jpg", label: 0, className: "Annual Crop Land" });
  assertEquals(sha256.length, 64);
});

Deno.test("parseSplit reads entries", () => {
  const split = parseSplit(good(), "x.json");
  assertEquals(split.train[1], { path: "b/1.jpg", label: 1, className: "B" });
});

const faults: [string, (value: Record<string, unknown>) => unknown, string][] = [
  ["a list", () => [], "not an object"],
  ["no test", (v) => ({ ...v, test: undefined }), 'no "test"'],
  ["empty train", (v) => ({ ...v, train: [] }), '"train" is empty'],
  ["train no list", (v) => ({ ...v, train: { a: 1 } }), '"train" is an object'],
  ["short entry", (v) => ({ ...v, val: [["a/3.jpg", 0]] }), "val[0] is a list of 2"],
  ["label text", (v) => ({ ...v, val: [["a/3.jpg", "0", "A"]] }), 'the label of val[0] is "0"'],
  ["label fraction", (v) => ({ ...v, val: [["a/3.jpg", 0.5, "A"]] }), "the label of val[0] is 0.5"],
  ["empty name", (v) => ({ ...v, val: [["a/3.jpg", 0, " "]] }), "the class name of val[0]"],
  ["path up", (v) => ({ ...v, val: [["../a/3.jpg", 0, "A"]] }), "leads out of the folder"],
  ["path absolute", (v) => ({ ...v, val: [["/etc/passwd", 0, "A"]] }), "is absolute"],
  ["two names", (v) => ({ ...v, test: [["a/2.jpg", 0, "Z"]] }), 'class 0 has two names, "A" before and "Z" at test[0]'],
  ["unknown class", (v) => ({ ...v, test: [["c/2.jpg", 2, "C"]] }), "has no train image"],
];

for (const [name, spoil, message] of faults) {
  Deno.test(`parseSplit refuses: ${name}`, () => {
    const error = assertThrows(() => parseSplit(spoil(good()), "x.json"), UserError);
    assertStringIncludes(error.message, "x.json");
    assertStringIncludes(error.message, message);
  });
}

Deno.test("readSplit names a file that is missing or cut off", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, '{"train": [["a');
    await assertRejects(() => readSplit(path), UserError, "is not valid JSON");
    await assertRejects(() => readSplit(`${path}.none`), UserError, "does not exist");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("makeSplit shuffles each class with Python's numbers and rounds halves to even", () => {
  const paths = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${name}/${String(i).padStart(2, "0")}.jpg`);
  const classes = [{ className: "A", paths: paths("a", 5).reverse() }, { className: "B", paths: paths("b", 11) }];
  const split = makeSplit(classes, { seed: 1, where: "x" });
  const stream = pythonRandom(1);
  const a = paths("a", 5);
  stream.shuffle(a);
  const b = paths("b", 11);
  stream.shuffle(b);
  assertEquals(split.train.map((s) => s.path), [...a.slice(0, 2), ...b.slice(0, 6)]);
  assertEquals(split.val.map((s) => s.path), [...a.slice(2, 3), ...b.slice(6, 8)]);
  assertEquals(split.test.map((s) => s.path), [...a.slice(3), ...b.slice(8)]);
  assertEquals(split.test.at(-1)!.className, "B");
});

Deno.test("makeSplit needs four images of each class", () => {
  const error = assertThrows(
    () => makeSplit([{ className: "A", paths: ["1", "2", "3"] }], { seed: 1, where: "the folder x" }),
    UserError,
  );
  assertStringIncludes(error.message, "The class A in the folder x has 3 images");
});

Deno.test("hashSplit tells splits apart", async () => {
  const one = await hashSplit(parseSplit(good(), "x"));
  assertEquals(one, await hashSplit(parseSplit(good(), "y")));
  const other = good();
  other.test[0][0] = "a/3.jpg";
  assertEquals(one === await hashSplit(parseSplit(other, "x")), false);
});

Deno.test("roundHalfEven rounds as Python", () => {
  assertEquals([0.5, 1.5, 2.5, 2.4999, 2.6, -0.5, -1.5, 3].map(roundHalfEven), [0, 2, 2, 2, 3, 0, -2, 3]);
});

Deno.test("pathProblem finds what leads out", () => {
  for (const path of ["", "/a", "../a", "a/../../b", "a/..", "C:/x", "a\\b", "a\0"]) {
    assertEquals(typeof pathProblem(path), "string", path);
  }
  for (const path of ["a", "a/b.jpg", "a..b/c", "./a", "2750/Forest/Forest_1.jpg"]) {
    assertEquals(pathProblem(path), undefined, path);
  }
});
