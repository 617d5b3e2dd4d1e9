/** Splits that are not one JSON file: text lists as FGVC Aircraft has them, and folders of class folders as ImageNet. */
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import { readText } from "../files.ts";
import { classFoldersPrefix } from "./class_folders.ts";
import { className, type ClassNameRules, isDropped } from "./class_names.ts";
import { compareCodePoints } from "./code_points.ts";
import type { SplitRule } from "./description.ts";
import { pathProblem } from "./paths.ts";
import { MOST_SPLIT_BYTES, type Sample, type Split } from "./split.ts";

/**
 * Reads a split from text files with lines `image class name`; `find` gives the path of a file beside the images.
 *
 * @throws {UserError} When a file is missing or a line names a class that is not in the list of classes.
 */
export async function splitFromLists(
  rule: Extract<SplitRule, { kind: "lists" }>,
  find: (name: string) => Promise<string>,
): Promise<Split> {
  const names = (await readLines(await find(rule.classes))).map(({ text }) => text);
  const labels = new Map(names.map((name, label) => [name, label]));
  const readPart = async (file: string): Promise<Sample[]> => {
    const path = await find(file);
    return (await readLines(path)).map(({ text, number }) => {
      const [image, name] = splitAtSpace(text);
      const label = labels.get(name);
      const wrong = pathProblem(image) ??
        (label === undefined ? `is of class "${name}", which ${rule.classes} lacks` : "");
      if (wrong || label === undefined) throw new UserError(`${path}, line ${number}: the image "${image}" ${wrong}.`);
      return { path: image + rule.ending, label, className: name };
    });
  };
  const { train, val, test } = rule.lists;
  return { train: await readPart(train), val: await readPart(val), test: await readPart(test) };
}

/**
 * Makes a split of the folders for training, validation and test, from the sorted paths of all images. Labels follow the
 * sorted names of the class folders.
 *
 * @throws {UserError} When a folder has no images, or a class is unknown.
 */
export async function splitFromFolders(
  rule: Extract<SplitRule, { kind: "folders" }>,
  paths: readonly string[],
  options: { find: (name: string) => Promise<string>; rules: ClassNameRules; where: string },
): Promise<Split> {
  const listed = rule.classes === undefined ? undefined : await readNames(await options.find(rule.classes));
  const images = (part: string) => {
    const found = imagesOfPart(paths, { part, inside: rule.inside }).flatMap(({ path, folder }) =>
      isDropped(folder, options.rules) ? [] : [{ path, folder }]
    );
    if (found.length > 0) return found;
    throw new UserError(`There are no class folders with images in ${part}/ of ${options.where}: check the path.`);
  };
  const train = images(rule.folders.train);
  const folders = [...new Set(train.map(({ folder }) => folder))].sort(compareCodePoints);
  const labels = new Map(folders.map((folder, label) => [folder, label]));
  // One archive may spell letters with accents in another form of Unicode than the other.
  const composed = new Map(folders.map((folder) => [folder.normalize("NFC"), folder]));
  const samples = (part: { path: string; folder: string }[]) =>
    part.map(({ path, folder: found }): Sample => {
      const folder = labels.has(found) ? found : composed.get(found.normalize("NFC")) ?? found;
      const label = labels.get(folder);
      const name = listed === undefined ? className(folder, options.rules) : listed.get(folder);
      if (label === undefined) {
        throw new UserError(
          `The class folder of ${path} is not among the training folders.${
            didYouMean(folder, folders)
          } Call it as there, or take it out.`,
        );
      }
      if (name === undefined) throw new UserError(`The class folder ${folder} has no name in ${rule.classes}.`);
      return { path, label, className: name };
    });
  const test = samples(images(rule.folders.test));
  const val = rule.folders.val === undefined ? test : samples(images(rule.folders.val));
  return { train: samples(train), val, test };
}

/** The images of a part with their class folders; single folders around these (`train/train/cat`) are passed through. */
function imagesOfPart(
  paths: readonly string[],
  { part, inside = false }: { part: string; inside?: boolean },
): { path: string; folder: string }[] {
  const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
  if (inside) {
    return paths.filter((path) => folderOf(path).endsWith(`/${part}`))
      .map((path) => ({ path, folder: folderOf(path).slice(0, -part.length - 1) }));
  }
  const below = paths.filter((path) => path.startsWith(`${part}/`)).map((path) => path.slice(part.length + 1));
  const prefix = classFoldersPrefix(below);
  return below.filter((path) => path.startsWith(prefix) && path.includes("/", prefix.length))
    .map((path) => ({ path: `${part}/${path}`, folder: folderOf(path.slice(prefix.length)) }));
}

/** The class folders of a part. */
export function foldersOfPart(paths: readonly string[], at: { part: string; inside?: boolean }): string[] {
  return [...new Set(imagesOfPart(paths, at).map(({ folder }) => folder))];
}

async function readNames(path: string): Promise<Map<string, string>> {
  return new Map((await readLines(path)).map(({ text }) => splitAtSpace(text)));
}

async function readLines(path: string): Promise<{ text: string; number: number }[]> {
  const text = await readText(path, "the list", MOST_SPLIT_BYTES);
  return text.split("\n").map((line, index) => ({ text: line.trim(), number: index + 1 })).filter(({ text }) => text);
}

function splitAtSpace(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
}
