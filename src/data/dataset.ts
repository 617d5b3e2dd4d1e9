/**
 * A data set ready for use: its images, its split and its templates, from a folder or an archive as published, with or
 * without a split file.
 */
import { basename, dirname, join } from "node:path";
import { fitsALine, shown, UserError } from "../errors.ts";
import { infoOf } from "../files.ts";
import { describeDataset, ensembleTemplates, knownDatasets } from "./catalogue.ts";
import { classFolders, classFoldersPrefix } from "./class_folders.ts";
import { className } from "./class_names.ts";
import { type DatasetDescription, plainDescription } from "./description.ts";
import type { ImageSource } from "./image_source.ts";
import { imagesBelow, openImages } from "./source.ts";
import { hashSplit, makeSplit, readSplit, type Split } from "./split.ts";
import { splitFromFolders, splitFromLists } from "./split_lists.ts";

/** The seed of splits that are made here; always the same, so that a split belongs to the images and not to a run. */
const SPLIT_SEED = 1;

const ARCHIVE = /\.(zip|tar|tgz|tar\.gz)$/i;

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
        `${opened.images.describe} has no images: give the folder or archive of a data set with --data.`,
      );
    }
    const places = [...new Set([opened.folder, dirname(opened.folder), dirname(options.data)])];
    const description = chosen ?? await recognise(opened.images, { ...options, places });
    const { split, origin, sha256, images } = await divide(opened.images, { ...options, description, places });
    checkNames(description.name, split);
    checkPresent(split, images);
    return {
      name: description.name,
      template: description.template,
      ensemble: ensembleTemplates(description),
      split,
      splitOrigin: origin,
      splitSha256: sha256 ?? await hashSplit(split),
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
  if (!await isFolder(data)) return { images: await openImages(data), folder: dirname(data) };
  const inner = description?.images ? join(data, description.images) : data;
  if (inner !== data && await isFolder(inner)) return { images: await openImages(inner), folder: data };
  const images = await openImages(data);
  const archive = images.count > 0 ? undefined : await findArchive(data, description);
  return { images: archive ? await openImages(archive) : images, folder: data };
}

async function isFolder(path: string): Promise<boolean> {
  return (await infoOf(path, "the data"))?.isDirectory ?? false;
}

/** An archive in the folder: one that the description names, or the only one. */
async function findArchive(folder: string, description: DatasetDescription | undefined): Promise<string | undefined> {
  const found = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).filter((name) => ARCHIVE.test(name));
  const named = description?.archives.find((name) => found.includes(name));
  const name = named ?? (found.length === 1 ? found[0] : undefined);
  return name && join(folder, name);
}

async function recognise(
  images: ImageSource,
  options: DatasetOptions & { places: string[] },
): Promise<DatasetDescription> {
  const known = knownDatasets();
  // Of a data set without a split file, the list that no other data set has.
  const splitFile = ({ split }: DatasetDescription) =>
    split.kind === "file" ? split.file : split.kind === "lists" ? split.lists.train : split.classes;
  if (options.split !== undefined) {
    const name = basename(options.split);
    const named = known.find((description) => splitFile(description) === name);
    if (named) return named;
  }
  const inside = imagesBelow(images, classFoldersPrefix(images.paths));
  const folders = classFolders(inside.paths).map(({ folder }) => folder);
  const alike = known.find(({ classNames }) => sameNames(Object.keys(classNames.rename), folders));
  if (alike) return alike;
  for (const description of known) {
    const file = splitFile(description);
    // A split in the folder above belongs to this data only when the data is the image folder itself.
    const places = options.places.slice(0, basename(options.data) === description.images ? undefined : 1);
    if (file && await findBeside(file, places)) return description;
  }
  const plain = plainDescription(basename(options.data).replace(ARCHIVE, "") || "data");
  const parts = new Set(folders.map((folder) => folder.split("/")[0]));
  const divided = parts.has("train") && parts.has("test") && parts.size === (parts.has("val") ? 3 : 2);
  if (!divided || folders.some((folder) => !folder.includes("/"))) return plain;
  const val = parts.has("val") ? "val" : undefined;
  return { ...plain, split: { kind: "folders", folders: { train: "train", val, test: "test" } } };
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length > 0 && a.length === b.length && new Set([...a, ...b]).size === a.length;
}

interface Divided {
  split: Split;
  origin: string;
  /** Of the split file, if there is one. */
  sha256?: string;
  /** Below the image folder. */
  images: ImageSource;
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
    const prefix = splitPrefix(split, { images, file });
    return { split, sha256, origin: `read from ${file}`, images: imagesBelow(images, prefix) };
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
    const prefix = splitPrefix(split, { images, file: rule.lists.train });
    return { split, origin: `read from ${Object.values(rule.lists).join(", ")}`, images: imagesBelow(images, prefix) };
  }
  if (rule.kind === "folders") {
    const inside = imagesBelow(images, imageFolderPrefix(images.paths, description.images));
    const where = images.describe;
    const split = await splitFromFolders(rule, inside.paths, { find, rules: description.classNames, where });
    return {
      split,
      origin: `the folders ${Object.values(rule.folders).filter(Boolean).join(", ")} of ${where}`,
      images: inside,
    };
  }
  if (rule.withoutFile === "stop") {
    throw new UserError(
      `The data set ${description.name} needs its split file ${rule.file}, for its folders do not tell the classes: put it in ${
        places[0]
      } or give it with --split.`,
    );
  }
  return splitByRule(images, description);
}

function splitByRule(images: ImageSource, description: DatasetDescription): Divided {
  const inside = imagesBelow(images, imageFolderPrefix(images.paths, description.images));
  const { drop } = description.classNames;
  const folders = classFolders(inside.paths).filter(({ folder }) => !drop.includes(folder));
  if (folders.length < 2) {
    throw new UserError(
      `There are no class folders in ${images.describe}: images must lie in one folder for each class, at least two.`,
    );
  }
  const classes = folders.map(({ folder, paths }) => ({ className: className(folder, description.classNames), paths }));
  const split = makeSplit(classes, { seed: SPLIT_SEED, where: images.describe });
  const missing = description.split.kind === "file" && description.split.file;
  const origin = `made from the class folders by the published rule (half of each class for training, a fifth for ` +
    `validation, the rest for test, shuffled by Python's random numbers of seed ${SPLIT_SEED})` +
    (missing ? `, because there is no ${missing} beside the data` : "");
  return { split, origin, images: inside };
}

/** Everything up to and with the image folder; without one, up to the class folders. */
function imageFolderPrefix(paths: readonly string[], folder: string): string {
  const path = folder === "" ? undefined : paths.find((path) => `/${path}`.includes(`/${folder}/`));
  if (path === undefined) return classFoldersPrefix(paths);
  return path.slice(0, `/${path}`.indexOf(`/${folder}/`) + folder.length + 1);
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

/** The folders between the root of the images and the paths of the split, such as `2750/`. */
function splitPrefix(split: Split, options: { images: ImageSource; file: string }): string {
  const { images, file } = options;
  const { path: first } = split.train[0];
  if (images.has(first)) return "";
  const ends = images.paths.filter((path) => path.endsWith(`/${first}`)).sort((a, b) => a.length - b.length);
  if (ends.length > 0) return ends[0].slice(0, -first.length);
  throw new UserError(
    `${images.describe} has no image ${first}, the first one of the split ${file}: give the data and the split that belong together.`,
  );
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

function checkPresent(split: Split, images: ImageSource): void {
  const all = new Set([split.train, split.val, split.test].flatMap((part) => part.map(({ path }) => path)));
  const missing = [...all].filter((path) => !images.has(path));
  if (missing.length === 0) return;
  throw new UserError(
    `${missing.length} of the ${all.size} images of the split are not in ${images.describe}, the first one is ${
      missing[0]
    }: get the data set whole, or the split that belongs to it.`,
  );
}
