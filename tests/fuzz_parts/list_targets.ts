/** Readers of lists: of class names, and of images with their classes. */
import { readClassNames } from "../../recipes/cli/class_list.ts";
import { pathProblem } from "../../src/data/paths.ts";
import { readSplit } from "../../src/data/split.ts";
import { splitFromLists } from "../../src/data/split_lists.ts";
import { fitsALine, UserError } from "../../src/errors.ts";
import { NUMBERS, type Target, text } from "./target.ts";
import { deep, JSON_WORDS, PATH_WORDS } from "./words.ts";

/** Each with whole files to damage. */
export const LIST_TARGETS: readonly Target[] = [
  {
    name: "split files",
    ending: ".json",
    corpus: () => {
      const part = (n: number) =>
        Array.from({ length: n }, (_, i) => [`River/River_${i}.jpg`, i % 2, ["Forest", "River"][i % 2]]);
      const split = { train: part(6), val: part(2), test: part(4) };
      return Promise.resolve({
        files: [text(JSON.stringify(split)), text(JSON.stringify(split, null, 1))],
        refused: [text(JSON.stringify(split).replace("{", '{"test":[["a.jpg",0,"Forest"]],')), deep(1 << 20)],
        words: JSON_WORDS,
      });
    },
    growing(items) {
      const samples = Array.from({ length: items }, (_, i) => [`class ${i}/a.jpg`, i, `class ${i}`]);
      const other = samples.map(([, label, name]) => [`${name}/b.jpg`, label, name]);
      const third = samples.map(([, label, name]) => [`${name}/c.jpg`, label, name]);
      // One a line, so that a pass over the lines is one over the images.
      const lines = (split: unknown) => text(JSON.stringify(split).replaceAll("],[", "],\n["));
      return {
        "all different": lines({ train: samples, val: other, test: third }),
        "one class under two names": lines({
          train: samples,
          val: other,
          test: [...third.slice(1), ["class 0/c.jpg", 0, "class 1"]],
        }),
      };
    },
    async read(path) {
      const { split } = await readSplit(path);
      for (const sample of [split.train, split.val, split.test].flat()) {
        if (pathProblem(sample.path)) throw new Error(`lets the path ${JSON.stringify(sample.path)} through`);
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "lists of class names",
    ending: ".txt",
    corpus: () =>
      Promise.resolve({
        files: [text("river\nforest\nsea\n"), text(Array.from({ length: 3000 }, (_, i) => `class ${i}`).join("\r\n"))],
        refused: [text("river\nRiver\n"), text("river\nsea\u202e\n")],
        words: ["\n", "_", "river", "é"],
      }),
    growing(items) {
      const names = Array.from({ length: items }, (_, i) => `class ${i}`);
      return {
        "all different": text(names.join("\n")),
        "the last one twice": text([...names, names[items - 1].toUpperCase()].join("\n")),
      };
    },
    async read(path) {
      try {
        for (const name of await readClassNames(path)) {
          if (!fitsALine(name)) throw new Error(`lets ${JSON.stringify(name)} through`);
        }
      } catch (error) {
        throw error instanceof UserError ? new UserError(`${path}: ${error.message}`) : error;
      }
    },
    mostBytes: NUMBERS,
  },
  {
    name: "splits as lists",
    ending: ".txt",
    corpus: () => Promise.resolve({ files: [text("1 a b\n2 c\n3/x c\n")], words: [...PATH_WORDS, "\n", " ", "c"] }),
    growing: (items) => ({
      "of one class": text(Array.from({ length: items }, (_, i) => `${i} c`).join("\n")),
    }),
    async read(path) {
      const rule = { kind: "lists" as const, lists: { train: "t", val: "v", test: "e" }, classes: "c", ending: ".jpg" };
      await Deno.writeTextFile(`${path}.c`, "a b\nc\n");
      const { train } = await splitFromLists(rule, (name) => Promise.resolve(name === "c" ? `${path}.c` : path));
      for (const sample of train) if (pathProblem(sample.path)) throw new Error(`lets ${sample.path} through`);
    },
    writes: true,
    mostBytes: NUMBERS,
  },
];
