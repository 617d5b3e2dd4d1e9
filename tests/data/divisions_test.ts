import { assertEquals } from "jsr:@std/assert@1.0.19";
import { findDivisions, partOf } from "../../src/data/divisions.ts";

/** Two images in each folder. */
function images(...folders: string[]): string[] {
  return folders.flatMap((folder) => [`${folder}/1.jpg`, `${folder}/2.jpg`]);
}

Deno.test("the part that a folder's name says", () => {
  const said: Record<string, string | undefined> = {
    train: "train",
    Training: "train",
    TRAIN: "train",
    cars_train: "train",
    TrainingSet: "train",
    training_set: "train",
    "train-images": "train",
    train2017: "train",
    val: "val",
    valid: "val",
    Validation: "val",
    dev: "val",
    seg_test: "test",
    Testing: "test",
    test1: "test",
    trainer: undefined,
    tested: undefined,
    cat: undefined,
    constructor: undefined,
    "train-test": undefined,
  };
  for (const [name, part] of Object.entries(said)) assertEquals(partOf(name), part, name);
});

Deno.test("folders of training, validation and test divide images, however they are called", () => {
  const both = (part: string) => [`${part}/cat`, `${part}/dog`];
  for (
    const [train, val, test] of [
      ["train", "valid", "test"],
      ["Train", "Dev", "Test"],
      ["training", "validation", "testing"],
      ["seg_train", "seg_val", "seg_test"],
    ]
  ) {
    const all = images(...both(train), ...both(val), ...both(test));
    assertEquals(findDivisions(all), { folders: { train, val, test }, inside: false });
    const two = images(...both(train), ...both(val));
    assertEquals(findDivisions(two), { folders: { train, val: undefined, test: val }, inside: false });
    assertEquals(findDivisions(images(...both(train), ...both(test))), {
      folders: { train, val: undefined, test },
      inside: false,
    });
  }
});

Deno.test("folders doubled by an archive divide, and so do folders within the class folders", () => {
  const doubled = images("cars_train/cars_train/audi", "cars_train/cars_train/bmw", "cars_test/cars_test/audi");
  assertEquals(findDivisions(doubled), {
    folders: { train: "cars_train", val: undefined, test: "cars_test" },
    inside: false,
  });
  const inside = images("cat/train", "cat/test", "dog/train", "dog/test");
  assertEquals(findDivisions(inside), { folders: { train: "train", val: undefined, test: "test" }, inside: true });
});

Deno.test("other folders beside divisions do not make them classes", () => {
  const more = images("train/cat", "train/dog", "test/cat", "test/dog", "examples");
  assertEquals(findDivisions(more), { folders: { train: "train", val: undefined, test: "test" }, inside: false });
  // Images for a competition, of no known class.
  assertEquals(findDivisions(images("train/cat", "train/dog", "test")), { only: "train/" });
  assertEquals(findDivisions(images("train/cat", "train/dog", "test/unknown")), { only: "train/" });
});

Deno.test("divisions in one of several folders are found, in two they are refused", () => {
  const data = ["data/train/cat", "data/train/dog", "data/test/cat", "data/test/dog"];
  assertEquals(findDivisions(images(...data, "samples")), {
    folders: { train: "data/train", val: undefined, test: "data/test" },
    inside: false,
  });
  const found = findDivisions(images(...data, ...data.map((folder) => folder.replace("data", "fold2"))));
  assertEquals(found, {
    problem: "has divided images in several folders, data and fold2: give one of them with --data",
  });
});

Deno.test("classes that are called like divisions are none", () => {
  for (
    const folders of [
      ["train", "bus", "car"],
      ["train", "test"],
      ["trains", "tests"],
      ["train/old", "train/new", "bus/old"],
      ["cat", "dog"],
      ["cat/day1", "cat/day2", "dog/day1"],
    ]
  ) assertEquals(findDivisions(images(...folders)), undefined, folders.join());
});

Deno.test("divisions that cannot be taken are told in words", () => {
  const problem = (...folders: string[]) => {
    const found = findDivisions(images(...folders));
    return found !== undefined && "problem" in found ? found.problem : "";
  };
  assertEquals(problem("val/cat", "test/cat").startsWith("has the folders val, test and none for training"), true);
  assertEquals(
    problem("train/cat", "training/cat", "test/cat").startsWith(
      "has two folders for one part of a split, train and training",
    ),
    true,
  );
});
