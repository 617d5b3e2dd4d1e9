/** What to look at twice in a data set: what was left out, and splits and names that make numbers mean less than they say. */
import { dirname } from "node:path";
import { spokenName } from "../clip/spoken_name.ts";
import { visible } from "../errors.ts";
import { isDropped } from "./class_names.ts";
import type { DatasetDescription } from "./description.ts";
import type { ImageSource } from "./image_source.ts";
import { ARCHIVE } from "./paths.ts";
import type { Sample, Split } from "./split.ts";

/** What is known of a data set besides its split. */
interface Opened {
  /** The images, by the paths of the split. */
  images: ImageSource;
  /** All that is there. */
  source: ImageSource;
  description: DatasetDescription;
  /** The class folders, where the split follows from them: each image then belongs to a class, or is left out. */
  folders?: readonly string[];
}

/** Folders that a sentence names. */
const MOST_NAMES = 8;

/** Warnings about a data set, in sentences. */
export function dataWarnings(split: Split, opened: Opened): string[] {
  const { folders, description } = opened;
  const ofFolders = folders === undefined
    ? []
    : [...leftOutWarnings(split, opened), ...folderWarnings(folders, description)];
  // Files that are left out may have any name.
  return [...ofFolders, ...labelWarnings(split), ...overlapWarnings(split)].map(visible);
}

/** `8 images`, `1 image`. */
function counted(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

function leftOutWarnings(split: Split, { images, source, description }: Opened): string[] {
  const prefix = images.location.slice(source.location.length).replaceAll(/\/+/g, "/").slice(1);
  const used = new Set([split.train, split.val, split.test].flatMap((part) => part.map(({ path }) => prefix + path)));
  const isDroppedOf = (path: string) =>
    dirname(path).split("/").some((_, i, parts) => isDropped(parts.slice(i).join("/"), description.classNames));
  // Where a description names the image folder, what lies beside it is none of the data.
  const isWanted = (path: string) =>
    (description.images === "" || path.startsWith(prefix)) && !isDroppedOf(path) && !used.has(path);
  const stray = source.paths.filter(isWanted);
  const told = stray.length === 0 ? [] : [
    `${counted(stray.length, "image")} of ${source.describe} in no class folder ${
      stray.length === 1 ? "is" : "are"
    } left out, ${stray[0]} the first.`,
  ];
  const unread = source.leftOut.filter((path) => path.includes("/") && !ARCHIVE.test(path) && isWanted(path));
  if (unread.length === 0) return told;
  const kinds = Map.groupBy(unread.filter((path) => !path.endsWith("/")), (path) => {
    const ending = /\.[^./]+$/.exec(path)?.[0].toLowerCase();
    return ending ?? "without an ending";
  });
  const files = [...kinds].map(([ending, paths]) => `${paths.length} ${ending}, ${paths[0]} the first`).join("; ");
  if (files !== "") told.push(`Files are left out because only JPEG, PNG, WebP and TIFF are read: ${files}.`);
  const withImages = new Set(
    [...used].flatMap((path) => dirname(path).split("/").map((_, i, all) => all.slice(0, i + 1).join("/"))),
  );
  const lost = [...new Set(unread.map((path) => dirname(`${path}x`)))].filter((folder) => !withImages.has(folder));
  if (lost.length > 0) {
    const [one] = lost;
    told.push(
      lost.length === 1
        ? `The folder ${one} has no image that is read: there is no such class.`
        : `${lost.length} folders have no image that is read, and are no classes: ${
          lost.slice(0, MOST_NAMES).join(", ")
        }${lost.length > MOST_NAMES ? ", …" : ""}.`,
    );
  }
  return told;
}

function folderWarnings(folders: readonly string[], { name, classNames }: DatasetDescription): string[] {
  const told: string[] = [];
  const nested = folders.filter((folder) => folder.includes("/"));
  if (nested.length > 0 && !classNames.dropFirstPart && !classNames.reverseParts) {
    const [first] = nested;
    told.push(
      `Class folders have sub-folders, and each of these is taken as a class of its own, ${folders.length} in all, such as ${first}. ` +
        `Where ${first.slice(0, first.indexOf("/"))} is one class, move its images up.`,
    );
  }
  const ruled = [...Object.keys(classNames.rename), ...classNames.drop];
  if (ruled.length > 0 && !folders.some((folder) => ruled.includes(folder.normalize("NFC")))) {
    told.push(
      `No folder has a name that ${name} has rules for (${
        ruled.slice(0, 3).join(", ")
      }, …): class names follow from the ` +
        "folders as they are.",
    );
  }
  return told;
}

function labelWarnings({ train }: Split): string[] {
  const names = new Map(train.map(({ label, className }) => [label, className]));
  const labels = [...names.keys()].sort((a, b) => a - b);
  const told: string[] = [];
  const alike = Map.groupBy(labels, (label) => spokenName(names.get(label)!).normalize("NFC").trim().toLowerCase());
  for (const [name, same] of alike) {
    if (same.length === 1) continue;
    told.push(
      `Labels ${
        same.join(" and ")
      } have one name, "${name}": their prompts are the same, and no prompt can tell them apart.`,
    );
  }
  if (labels.at(-1) !== labels.length - 1) {
    told.push(
      `The labels of the split have gaps (${labels.length} classes, the last label is ${
        labels.at(-1)
      }): they are counted ` +
        "anew from 0, in their order.",
    );
  }
  return told;
}

function overlapWarnings({ train, val, test }: Split): string[] {
  const parts = [["training", train], ["validation", val === test ? [] : val], ["test", test]] as const;
  const told: string[] = [];
  for (const [i, [part, samples]] of parts.entries()) {
    const seen = new Set<string>();
    const twice = samples.filter(({ path }) => seen.has(path) || !seen.add(path));
    if (twice.length > 0) {
      told.push(
        `${counted(twice.length, "row")} of the ${part} images name an image again, ${twice[0].path} the first.`,
      );
    }
    for (const [later, others] of parts.slice(i + 1)) {
      const both = others.filter(({ path }) => seen.has(path));
      if (both.length > 0) told.push(overlap(both.length, { later, part, first: both[0] }));
    }
  }
  return told;
}

/** The sentence of images that are in two parts of a split. */
export function overlap(count: number, at: { later: string; part: string; first: Pick<Sample, "path"> }): string {
  const images = count === 1 ? "image is a" : "images are";
  return `${count.toLocaleString("en-US")} ${at.later} ${images} ${at.part} image${
    count === 1 ? "" : "s"
  } too, ${at.first.path} the first: what is measured on them says little.`;
}
