import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { chooseClasses, fewShot } from "../../src/data/few_shot.ts";
import { readSplit, type Sample, type Split } from "../../src/data/split.ts";
import { sharedPath, sharedTest } from "../shared.ts";

const list = (label: number, count: number, prefix = "") =>
  Array.from(
    { length: count },
    (_, i): Sample => ({ path: `${prefix}${label}/${i}.jpg`, label, className: `class ${label}` }),
  );

function toySplit(sizes: number[]): Split {
  return {
    train: sizes.flatMap((size, label) => list(label, size, "train/")),
    val: sizes.flatMap((size, label) => list(label, size, "val/")),
    test: sizes.flatMap((size, label) => list(label, size, "test/")),
  };
}

sharedTest("all published few-shot lists of EuroSAT are reproduced", async () => {
  const { split } = await readSplit(sharedPath("datasets/eurosat/split_zhou_EuroSAT.json"));
  const published = JSON.parse(await Deno.readTextFile(sharedPath("datasets/eurosat/few_shot.json")));
  const keys = Object.keys(published);
  assertEquals(keys.length, 10);
  for (const key of keys) {
    const [, shots, seed] = key.match(/^shot_(\d+)-seed_(\d+)$/)!;
    const sample = fewShot(split, { shots: Number(shots), seed: Number(seed), classes: "all" });
    const rows = (samples: Sample[]) => samples.map(({ path, label }) => [path, label]);
    assertEquals(rows(sample.train), published[key].train, key);
    assertEquals(rows(sample.val), published[key].val, key);
  }
});

sharedTest("EuroSAT at 16 shots has the published counts and class names", async () => {
  const { split } = await readSplit(sharedPath("datasets/eurosat/split_zhou_EuroSAT.json"));
  const counts = (classes: "base" | "new" | "all") => {
    const { train, val, test, classNames } = fewShot(split, { shots: 16, seed: 1, classes });
    return [classNames.length, train.length, val.length, test.length];
  };
  assertEquals(counts("base"), [5, 80, 20, 4200]);
  assertEquals(counts("new"), [5, 80, 20, 3900]);
  assertEquals(counts("all"), [10, 160, 40, 8100]);
  assertEquals(fewShot(split, { shots: 16, seed: 1, classes: "new" }).classNames, [
    "Pasture Land",
    "Permanent Crop Land",
    "Residential Buildings",
    "River",
    "Sea or Lake",
  ]);
});

Deno.test("base and new come from the same draw, base has one class more, labels count from 0", () => {
  const split = toySplit([30, 30, 30, 30, 30]);
  const draw = (classes: "base" | "new" | "all") => fewShot(split, { shots: 4, seed: 3, classes });
  const [base, fresh, all] = [draw("base"), draw("new"), draw("all")];
  assertEquals(base.classNames, ["class 0", "class 1", "class 2"]);
  assertEquals(fresh.classNames, ["class 3", "class 4"]);
  for (const part of ["train", "val", "test"] as const) {
    assertEquals([...base[part], ...fresh[part]].map((s) => s.path), all[part].map((s) => s.path));
    assertEquals(new Set(fresh[part].map((s) => s.label)), new Set([0, 1]));
  }
  assertEquals(split.train[0].label, 0);
});

Deno.test("a class with fewer images than shots gives all, in order, and draws no random number", () => {
  const sample = fewShot(toySplit([3, 30]), { shots: 8, seed: 1, classes: "all" });
  assertEquals(sample.train.slice(0, 3).map((s) => s.path), ["train/0/0.jpg", "train/0/1.jpg", "train/0/2.jpg"]);
  assertEquals(sample.train.length, 11);
  assertEquals(sample.val.length, 7);
  const alone = fewShot(toySplit([30]), { shots: 8, seed: 1, classes: "all" });
  assertEquals(sample.train.slice(3).map((s) => s.path.slice(8)), alone.train.map((s) => s.path.slice(8)));
});

Deno.test("labels are grouped in the order of first appearance", () => {
  const split = toySplit([20, 20]);
  split.train.reverse();
  const labels = fewShot(split, { shots: 2, seed: 1, classes: "all" }).train.map((s) => s.label);
  assertEquals(labels, [1, 1, 0, 0]);
});

Deno.test("where validation is the test set it is not sampled", () => {
  const split = toySplit([20, 20]);
  const sample = fewShot({ ...split, val: split.test }, { shots: 2, seed: 1, classes: "base" });
  assertEquals(sample.val.length, 20);
  assertEquals(sample.val, sample.test);
});

Deno.test("shots that are no positive whole number, and an empty half, are user errors", () => {
  const split = toySplit([20]);
  for (const shots of [0, -1, 1.5, NaN]) {
    assertThrows(() => fewShot(split, { shots, seed: 1, classes: "all" }), UserError, "number of shots");
  }
  assertThrows(() => chooseClasses(split, "new"), UserError, "no new classes");
});
