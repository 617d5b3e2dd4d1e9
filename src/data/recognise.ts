/** Which data set a folder or an archive holds, where nobody says it. */
import { basename } from "node:path";
import { knownDatasets } from "./catalogue.ts";
import { classFolders, classFoldersPrefix } from "./class_folders.ts";
import { PLAIN_NAMES } from "./class_names.ts";
import { type DatasetDescription, plainDescription } from "./description.ts";
import { findDivisions } from "./divisions.ts";
import type { ImageSource } from "./image_source.ts";
import { ARCHIVE } from "./paths.ts";
import { imagesBelow } from "./source.ts";
import { foldersOfPart } from "./split_lists.ts";

/** What tells a data set, besides its images. */
interface Told {
  /** The folder or archive. */
  data: string;
  /** The split file, where one is given. */
  split?: string;
  /** Finds a file beside the images; `near` alone in the data's own folder. */
  find(name: string, options: { near: boolean }): Promise<string | undefined>;
}

/** The data set of some images: one of the kit's by its split file, lists or class folders, else one of its own. */
export async function recognise(images: ImageSource, { data, split, find }: Told): Promise<DatasetDescription> {
  const known = knownDatasets();
  // Of a data set without a split file, the list that no other data set has.
  const splitFile = ({ split }: DatasetDescription) =>
    split.kind === "file" ? split.file : split.kind === "lists" ? split.lists.train : split.classes;
  const named = split === undefined ? undefined : known.find((one) => splitFile(one) === basename(split));
  if (named) return named;
  const folders = foldersBelow(images, classFoldersPrefix(images.paths));
  const alike = known.find((one) => hasFolders(one, () => folders)) ??
    known.find((one) => hasFolders(one, () => foldersBelow(images, imageFolderPrefix(images.paths, one))));
  if (alike) return alike;
  for (const description of known) {
    const file = splitFile(description);
    // A split in the folder above belongs to this data only when the data is the image folder itself.
    if (file && await find(file, { near: basename(data) !== description.images })) return description;
  }
  const plain = plainDescription(basename(data).replace(ARCHIVE, "") || "data");
  const divided = divisionsOf(images) !== undefined || lieUnderLetters(folders);
  const told = divided ? TELLING.find((one) => isTold(one, folders)) : undefined;
  if (told !== undefined) return known.find(({ name }) => name === told.name)!;
  const rules = { ...PLAIN_NAMES, dropFirstPart: true, reverseParts: true };
  return lieUnderLetters(folders) ? { ...plain, classNames: rules } : plain;
}

/** Folders that tell data sets which have no list of all: how many there are, and some that no other has. */
const TELLING = [
  { name: "Caltech101", least: 100, most: 102, folders: ["accordion", "yin_yang"] },
  { name: "DescribableTextures", least: 47, most: 47, folders: ["banded", "zigzagged"] },
  { name: "Food101", least: 101, most: 101, folders: ["apple_pie", "waffles"] },
  { name: "StanfordCars", least: 196, most: 196, folders: ["Acura RL Sedan 2012", "smart fortwo Convertible 2012"] },
  { name: "SUN397", least: 397, most: 397, folders: ["a/abbey", "y/youth_hostel"] },
  { name: "UCF101", least: 101, most: 101, folders: ["ApplyEyeMakeup", "YoYo"] },
] as const;

function isTold({ least, most, folders: some }: typeof TELLING[number], folders: readonly string[]): boolean {
  return folders.length >= least && folders.length <= most && some.every((folder) => folders.includes(folder));
}

function divisionsOf(images: ImageSource) {
  return findDivisions(imagesBelow(images, classFoldersPrefix(images.paths)).paths);
}

/** The class folders below a prefix; where folders divide the images, those of training. */
function foldersBelow(images: ImageSource, prefix: string): string[] {
  const inside = imagesBelow(images, prefix);
  const divisions = findDivisions(inside.paths);
  if (divisions === undefined || "problem" in divisions) return classFolders(inside.paths).map(({ folder }) => folder);
  if ("only" in divisions) return foldersBelow(inside, divisions.only);
  return foldersOfPart(inside.paths, { part: divisions.folders.train, inside: divisions.inside });
}

/** Whether the folders are those that a data set has names for, and no others. */
function hasFolders({ classNames }: DatasetDescription, folders: () => readonly string[]): boolean {
  const named = Object.keys(classNames.rename);
  if (named.length === 0) return false;
  const found = folders();
  return named.length === found.length && new Set([...named, ...found]).size === named.length;
}

/** `a/abbey`, `b/bakery/shop`: the first folder is the letter that the class begins with, as in SUN397. */
function lieUnderLetters(folders: readonly string[]): boolean {
  return folders.length > 1 && folders.every((folder) => /^(\p{L})\/\1/iu.test(folder));
}

/**
 * Everything up to and with the image folder of a data set; without one, up to the class folders. Beside other folders the
 * image folder may also have the name of one of the archives (`EuroSAT_RGB`).
 */
export function imageFolderPrefix(paths: readonly string[], { images, archives }: DatasetDescription): string {
  const names = [images, ...archives.map((name) => name.replace(ARCHIVE, ""))].filter((name) => name !== "");
  for (const folder of names) {
    const path = paths.find((path) => `/${path}`.includes(`/${folder}/`));
    if (path === undefined) continue;
    return path.slice(0, `/${path}`.indexOf(`/${folder}/`) + folder.length + 1);
  }
  return classFoldersPrefix(paths);
}
