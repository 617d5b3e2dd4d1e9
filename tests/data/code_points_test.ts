import { assertEquals } from "jsr:@std/assert@1.0.19";
import { classFolders } from "../../src/data/class_folders.ts";
import { PLAIN_NAMES } from "../../src/data/class_names.ts";
import { compareCodePoints } from "../../src/data/code_points.ts";
import { openImages } from "../../src/data/source.ts";
import { makeSplit } from "../../src/data/split.ts";
import { splitFromFolders } from "../../src/data/split_lists.ts";

/** In the order of CPython's `sorted`; JavaScript's `sort` has the emoji before U+E000. */
const SORTED = [
  "a",
  "e\u0301",
  "z",
  "\u00e9",
  "\ud7ff",
  "\ue000",
  "\uff21",
  "\u{10000}",
  "\u{1f600}",
  "\u{1f600}b",
];

Deno.test("names sort by code points, as Python sorts them", () => {
  assertEquals(SORTED.toReversed().sort(compareCodePoints), SORTED);
  assertEquals(compareCodePoints("a", "a"), 0);
});

Deno.test("labels follow from class folders as Python sorts them, however the folders are found", async () => {
  const paths = SORTED.map((name) => `${name}/1.jpg`);
  assertEquals(classFolders(paths.toReversed()).map(({ folder }) => folder), SORTED);

  const rule = { kind: "folders", folders: { train: "train", test: "train" } } as const;
  const { train } = await splitFromFolders(rule, paths.map((path) => `train/${path}`).reverse(), {
    find: () => Promise.reject(new Error("no list")),
    rules: PLAIN_NAMES,
    where: "x",
  });
  assertEquals(train.toSorted((a, b) => a.label - b.label).map(({ className }) => className), SORTED);
});

Deno.test("images of a folder come as Python sorts their names, and are shuffled to the same split", async () => {
  const root = await Deno.makeTempDir();
  try {
    for (const name of SORTED) await Deno.writeFile(`${root}/${name}.jpg`, new Uint8Array(1));
    const images = await openImages(root);
    assertEquals(images.paths, SORTED.map((name) => `${name}.jpg`).sort(compareCodePoints));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  const paths = ["\u{1f600}", "\ue000", "a", "\uff21", "\u{10000}"];
  const { train, val, test } = makeSplit([{ className: "A", paths }], { seed: 1, where: "x" });
  // CPython: random.seed(1); random.shuffle(sorted(paths)).
  const right = ["\uff21", "\u{10000}", "\u{1f600}", "a", "\ue000"];
  assertEquals([...train, ...val, ...test].map(({ path }) => path), right);
});
