/**
 * A data set ready for use: its images, its split and its templates, from a folder or an archive as published, with or
 * without a split file.
 */
import { dirname, join } from "node:path";
import { fitsALine, shown, UserError } from "../errors.ts";
import { infoOf } from "../files.ts";
import { describeDataset, ensembleTemplates, knownDatasets } from "./catalogue.ts";
import { classFolders, classFoldersPrefix } from "./class_folders.ts";
import { className, isDropped, requireFolders } from "./class_names.ts";
import { dataWarnings } from "./data_warnings.ts";
import type { DatasetDescription } from "./description.ts";
import { findDivisions } from "./divisions.ts";
import type { ImageSource } from "./image_source.ts";
import { ARCHIVE } from "./paths.ts";
import { imageFolderPrefix, recognise } from "./recognise.ts";
import { imagesBelow, openImages } from "./source.ts";
import { hashSplit, makeSplit, readSplit, type Split } from "./split.ts";
import { foldersOfPart, splitFromFolders, splitFromLists } from "./split_lists.ts";
import { placeSplit } from "./split_paths.ts";

/** The seed of splits that are made here; always the same, so that a split belongs to the images and not to a run. */
const SPLIT_SEED = 1;

/** A data set, opened by {@linkcode openDataset}. */
interface Dataset {
  /** Its name: `EuroSAT`. */
  name: string;
  /** The zero-shot template, with `{}` for the class name. */
  template: string;
  /** The templates of the zero-shot ensemble. */
  ensemble: string[];
  /** Which images are for training, validation and test, of all classes. */
  split: Split;
  /** Where the split comes from, in words. */
  splitOrigin: string;
  /** Of the split file, or of the split as such a file would hold it. */
  splitSha256: string;
  /** What to look at twice, in sentences: images that are left out, that are in two parts, and the like. */
  warnings: string[];
  /** The images, by the paths of the split. Whoever opened the data set closes them. */
  images: ImageSource;
}

interface DatasetOptions {
  /** A folder or a zip, tar or tar.gz archive: as published, unpacked, or any folder of class folders. */
  data: string;
  /** The split file, when it does not lie beside the data. */
  split?: string;
  /** Name of a data set that the kit knows, or a description; recognised by its split or folders when not given. */
  dataset?: string | DatasetDescription;
}

/**
 * Opens a data set. Without a split file it makes a split by the published rule (`read_and_split_data` of CoOp's
 * `datasets/dtd.py`), always the same for the same images.
 * Whoever opened the data set closes its `images`.
 *
 * @throws {UserError} When the data is missing, empty or damaged, the split is not usable, or images of the split are
 * not in the data.
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const chosen = options.dataset === undefined ? undefined : describeDataset(options.dataset);
  const opened = await openData(options.data, chosen);
  try {
    if (opened.images.count === 0) {
      throw new UserError(
        `${opened.images.describe} has no images${
          unread(opened.images)
        }: give the folder or archive of a data set with --data.`,
      );
    }
    const places = [...new Set([opened.folder, dirname(opened.folder), dirname(options.data)])];
    const find = (name: string, { near }: { near: boolean }) => findBeside(name, near ? places.slice(0, 1) : places);
    const description = chosen ?? await recognise(opened.images, { ...options, find });
    const { split, origin, sha256, images, folders } = await divide(opened.images, { ...options, description, places });
    checkNames(description.name, split);
    return {
      name: description.name,
      template: description.template,
      ensemble: ensembleTemplates(description),
      split,
      splitOrigin: origin,
      splitSha256: sha256 ?? await hashSplit(split),
      warnings: dataWarnings(split, { images, source: opened.images, description, folders }),
      images,
    };
  } catch (error) {
    await opened.images.close();
    throw error;
  }
}

/** The images, and the folder that they or their archive lie in. */
interface OpenedData {
  images: ImageSource;
  folder: string;
}

async function openData(data: string, description: DatasetDescription | undefined): Promise<OpenedData> {
  const known = (description === undefined ? knownDatasets() : [description]).flatMap(({ archives }) => archives);
  if (!await isFolder(data)) return { images: await openImages(data, { known }), folder: dirname(data) };
  const inner = description?.images ? join(data, description.images) : data;
  if (inner !== data && await isFolder(inner)) return { images: await openImages(inner), folder: data };
  const images = await openImages(data);
  const archive = images.count > 0 ? undefined : await findArchive(data, known);
  return { images: archive ? await openImages(archive, { known }) : images, folder: data };
}

async function isFolder(path: string): Promise<boolean> {
  return (await infoOf(path, "the data"))?.isDirectory ?? false;
}

/** An archive in the folder: one that is known, or the only one. */
async function findArchive(folder: string, known: readonly string[]): Promise<string | undefined> {
  const found = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).filter((name) => ARCHIVE.test(name));
  const named = known.find((name) => found.includes(name));
  const name = named ?? found.sort().at(0);
  if (named !== undefined || found.length < 2) return name && join(folder, name);
  throw new UserError(
    `${folder} holds no images but archives (${found.join(", ")}): give one of them, such as --data ${
      join(folder, found[0])
    }.`,
  );
}

interface Divided {
  split: Split;
  origin: string;
  /** Of the split file, if there is one. */
  sha256?: string;
  /** Below the image folder. */
  images: ImageSource;
  /** The class folders, where it follows from them. */
  folders?: string[];
}

async function divide(
  images: ImageSource,
  options: DatasetOptions & { description: DatasetDescription; places: string[] },
): Promise<Divided> {
  const { description, places } = options;
  const rule = description.split;
  const beside = rule.kind === "file" && rule.file ? await findBeside(rule.file, places) : undefined;
  const file = options.split ?? beside;
  if (file !== undefined) {
    const { split, sha256 } = await readSplit(file);
    return { sha256, origin: `read from ${file}`, ...placeSplit(split, { images, file }) };
  }
  const find = async (name: string) => {
    const found = await findBeside(name, places);
    if (found) return found;
    throw new UserError(
      `The data set ${description.name} needs ${name} beside its images, in ${places[0]}: put it there.`,
    );
  };
  if (rule.kind === "lists") {
    const split = await splitFromLists(rule, find);
    const origin = `read from ${Object.values(rule.lists).join(", ")}`;
    return { origin, ...placeSplit(split, { images, file: rule.lists.train }) };
  }
  // A description of the user's own is for these very folders; the kit's are also taken for a part of a data set.
  const isOwn = typeof options.dataset === "object";
  const described = imagesBelow(images, imageFolderPrefix(images.paths, description));
  if (rule.kind === "folders") return await divideByFolders(described, { rule, description, find, isOwn });
  let inside = belowSingles(images);
  let divisions = findDivisions(inside.paths);
  if (divisions === undefined) {
    inside = belowSingles(described);
    divisions = findDivisions(inside.paths);
  }
  if (divisions !== undefined && "problem" in divisions) {
    throw new UserError(`${images.describe} ${divisions.problem}.`);
  }
  if (divisions !== undefined && "folders" in divisions) {
    return await divideByFolders(inside, { rule: { kind: "folders", ...divisions }, description, find, isOwn });
  }
  if (rule.withoutFile === "stop") {
    throw new UserError(
      `The data set ${description.name} needs its split file ${rule.file}, for its folders do not tell the classes: put it in ${
        places[0]
      } or give it with --split.`,
    );
  }
  if (divisions !== undefined) inside = belowSingles(imagesBelow(inside, divisions.only));
  return splitByRule(inside, { description, isOwn });
}

/** Why there may be fewer images than the user sees. */
function unread({ leftOut }: ImageSource): string {
  const files = leftOut.filter((path) => !path.endsWith("/") && !ARCHIVE.test(path));
  return files.length === 0
    ? ""
    : ` (only JPEG, PNG, WebP and TIFF are read, and not ${files[0]}${
      files.length === 1 ? "" : `, nor ${files.length - 1} more`
    })`;
}

/** The images below the single folders around their class folders. */
function belowSingles(images: ImageSource): ImageSource {
  return imagesBelow(images, classFoldersPrefix(images.paths));
}

async function divideByFolders(
  images: ImageSource,
  options: {
    rule: Extract<DatasetDescription["split"], { kind: "folders" }>;
    description: DatasetDescription;
    find: (name: string) => Promise<string>;
    isOwn: boolean;
  },
): Promise<Divided> {
  const { rule, description: { classNames: rules, name }, find, isOwn } = options;
  const where = images.describe;
  const folders = foldersOfPart(images.paths, { part: rule.folders.train, inside: rule.inside });
  if (isOwn) requireFolders(rules, { folders, name });
  const split = await splitFromFolders(rule, images.paths, { find, rules, where });
  const { train, val, test } = rule.folders;
  const stands = val !== undefined
    ? ""
    : `; ${test} serves for both validation and test, since there is no other folder`;
  const origin = `the folders ${[train, val, test].filter(Boolean).join(", ")} of ${where}${stands}`;
  return { split, origin, images, folders };
}

function splitByRule(
  images: ImageSource,
  { description, isOwn }: { description: DatasetDescription; isOwn: boolean },
): Divided {
  const { classNames: rules, name, split: rule } = description;
  const all = classFolders(images.paths);
  if (isOwn) requireFolders(rules, { folders: all.map(({ folder }) => folder), name });
  const folders = all.filter(({ folder }) => !isDropped(folder, rules));
  if (folders.length < 2) {
    throw new UserError(
      `There are no class folders in ${images.describe}${
        unread(images)
      }: images must lie in one folder for each class, at least two.`,
    );
  }
  const classes = folders.map(({ folder, paths }) => ({ className: className(folder, rules), paths }));
  const split = makeSplit(classes, { seed: SPLIT_SEED, where: images.describe });
  const missing = rule.kind === "file" && rule.file;
  const origin = `made from the class folders by the published rule (half of each class for training, a fifth for ` +
    `validation, the rest for test, shuffled by Python's random numbers of seed ${SPLIT_SEED})` +
    (missing ? `, because there is no ${missing} beside the data` : "");
  return { split, origin, images, folders: folders.map(({ folder }) => folder) };
}

async function findBeside(name: string, places: readonly string[]): Promise<string | undefined> {
  for (const place of places) {
    const path = join(place, name);
    try {
      if ((await infoOf(path))?.isFile) return path;
    } catch (error) {
      // Only the data's own folder must be readable; reading the one above is optional.
      const isRefused = error instanceof Error && error.cause instanceof Deno.errors.NotCapable;
      if (!isRefused || place === places[0]) throw error;
    }
  }
  return undefined;
}

/** Names end up in prompts, on terminals, in pages and in Markdown. */
function checkNames(dataset: string, split: Split): void {
  const parts = [split.train, split.val, split.test].flat();
  const names = [dataset, ...parts.flatMap(({ className, path }) => [className, path])];
  const name = names.find((name) => !fitsALine(name));
  if (name === undefined) return;
  throw new UserError(
    `The name ${shown(name)} has control characters: rename it${name === dataset ? " or give --dataset NAME" : ""}.`,
  );
}
