/** Folders that divide images into training, validation and test, by the names that people give them. */
import { classFolders, classFoldersPrefix } from "./class_folders.ts";
import type { SplitRule } from "./description.ts";

type Part = "train" | "val" | "test";

const PARTS: Readonly<Record<Part, readonly string[]>> = {
  train: ["train", "training", "trainset", "trainval", "traindata"],
  val: ["val", "valid", "validation", "valset", "dev", "eval", "evaluation"],
  test: ["test", "testing", "testset", "testdata"],
};

/** The part that a folder's name says: `Training`, `test_images`, `cars_train`, `seg_test`; undefined where it says none. */
export function partOf(name: string): Part | undefined {
  const words = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase().split(/[^a-z]+/);
  const said = (Object.keys(PARTS) as Part[]).filter((part) => words.some((word) => PARTS[part].includes(word)));
  return said.length === 1 ? said[0] : undefined;
}

/** How folders divide images. */
export type Divisions =
  | Pick<Extract<SplitRule, { kind: "folders" }>, "folders" | "inside">
  /** Only training images lie in class folders: the folder, with `/`. */
  | { only: string }
  /** Why they are none that can be taken, in words that end a sentence which begins with where the images are. */
  | { problem: string };

/**
 * Finds the divisions among the paths of images: folders for training and for validation or test that hold class folders
 * of the same names (`train/cat`, `valid/cat`), or that lie in every class folder (`cat/train`), here or one folder down. Without a folder for test,
 * the one for validation is that.
 */
export function findDivisions(paths: readonly string[]): Divisions | undefined {
  const byTop = Map.groupBy(paths.filter((path) => path.includes("/")), (path) => path.slice(0, path.indexOf("/")));
  const tops = [...byTop].map(([name, paths]) => ({ name, part: partOf(name), classes: classesIn(name, paths) }));
  const all = tops.length > 1 && tops.every(({ part }) => part !== undefined);
  const training = tops.filter(({ part, classes }) => part === "train" && classes.size > 0);
  const seen = new Set(training.flatMap(({ classes }) => [...classes]));
  const others = tops.filter(({ part, classes }) =>
    part !== undefined && part !== "train" && !classes.isDisjointFrom(seen)
  );
  if (training.length > 0 && others.length > 0) {
    return oneOfEach([...training, ...others], false);
  }
  if (all && training.length === 1) return { only: `${training[0].name}/` };
  if (all && training.length === 0 && tops.some(({ classes }) => classes.size > 0)) {
    const names = tops.map(({ name }) => name).join(", ");
    return {
      problem: `has the folders ${names} and none for training images: call one of them train, or give one of them ` +
        "alone with --data",
    };
  }
  return insideClasses(paths) ?? oneFolderDown(byTop);
}

/** `data/train`, `data/test`, beside `samples`: one of several folders divides the images in it. */
function oneFolderDown(byTop: ReadonlyMap<string, string[]>): Divisions | undefined {
  const found = [...byTop].flatMap(([name, paths]) => {
    const divisions = findDivisions(paths.map((path) => path.slice(name.length + 1)));
    const isAround = divisions !== undefined && "folders" in divisions && !divisions.inside;
    return isAround ? [{ name, folders: divisions.folders }] : [];
  });
  if (found.length === 0) return undefined;
  if (found.length > 1) {
    const names = found.map(({ name }) => name);
    return { problem: `has divided images in several folders, ${names.join(" and ")}: give one of them with --data` };
  }
  const [{ name, folders: { train, val, test } }] = found;
  const below = (part: string) => `${name}/${part}`;
  return { folders: { train: below(train), val: val && below(val), test: below(test) }, inside: false };
}

/** The class folders of a part, in small letters; single folders around them are passed through. */
function classesIn(part: string, paths: readonly string[]): Set<string> {
  const below = paths.map((path) => path.slice(part.length + 1));
  const prefix = classFoldersPrefix(below);
  const inside = below.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  return new Set(classFolders(inside).map(({ folder }) => folder.normalize("NFC").toLowerCase()));
}

/** `cat/train`, `dog/train`, `cat/test`, …: the last folder of every path says the part. */
function insideClasses(paths: readonly string[]): Divisions | undefined {
  const folders = classFolders(paths).map(({ folder }) => folder);
  const last = folders.map((folder) => folder.slice(folder.lastIndexOf("/") + 1));
  if (folders.length < 2 || !folders.every((folder, i) => folder.includes("/") && partOf(last[i]) !== undefined)) {
    return undefined;
  }
  const tops = [...new Set(last)].map((name) => ({ name, part: partOf(name) }));
  const says = new Set(tops.map(({ part }) => part));
  return says.has("train") && says.size > 1 ? oneOfEach(tops, true) : undefined;
}

function oneOfEach(folders: readonly { name: string; part?: Part }[], inside: boolean): Divisions {
  const named = (part: Part) => folders.filter((one) => one.part === part).map(({ name }) => name);
  const parts = [named("train"), named("val"), named("test")];
  const twice = parts.find((names) => names.length > 1);
  if (twice !== undefined) {
    return {
      problem: `has two folders for one part of a split, ${twice.join(" and ")}: say which one it is in a data set ` +
        "description (split.folders, see docs/data.md), or take the other one away",
    };
  }
  const [[train], [val], [test = val]] = parts;
  return { folders: { train, val: test === val ? undefined : val, test }, inside };
}
