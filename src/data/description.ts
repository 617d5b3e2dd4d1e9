/**
 * A data set described as data: where its images and its split are, how its classes are called, which template goes
 * with it. The eleven of the CoOp benchmark are in `data/datasets/`; a user's own is a table of a few keys, which recipes
 * read from a YAML file:
 *
 * ```yaml
 * name: My birds
 * images: photos              # image folder in the data folder; the data folder itself when not given
 * template: a photo of a {}, a type of bird.
 * class_names:
 *   strip_number_prefix: true # 083.airplane is airplane
 *   rename: { CrestedTit: Crested Tit }
 * ```
 */
import { didYouMean } from "../did_you_mean.ts";
import { fitsALine, shown, UserError, visible } from "../errors.ts";
import { type ClassNameRules, PLAIN_NAMES } from "./class_names.ts";
import { pathProblem } from "./paths.ts";

/** How a data set is divided into training, validation and test. */
export type SplitRule =
  | {
    /** A split file as CoOp publishes them, `split_zhou_*.json`. */
    kind: "file";
    /** Name of the split file, beside the images; none for a data set without a published split. */
    file?: string;
    /** What happens without the file: a split is made from the class folders, or opening the data is refused. */
    withoutFile: "make" | "stop";
  }
  | {
    /** Lists of images, as FGVC Aircraft has them. */
    kind: "lists";
    /** Text files beside the image folder with lines `image class name`. */
    lists: { train: string; val: string; test: string };
    /** Text file with the class names in the order of their labels. */
    classes: string;
    /** What the names of the images lack: `.jpg`. */
    ending: string;
  }
  | {
    /** Folders for each part, as ImageNet has them. */
    kind: "folders";
    /** Folders of class folders in the image folder. Without `val` the test images stand in. */
    folders: { train: string; val?: string; test: string };
    /** Whether they lie in the class folders, as `cat/train`, and not around them. */
    inside?: boolean;
    /** Text file with lines `folder class name`; without it the rules for class names apply. */
    classes?: string;
  };

/** What is known of a data set; `describeDataset` has those of the kit, and `openDataset` takes one. */
export interface DatasetDescription {
  /** Its name, for people and run folders. */
  name: string;
  /** Image folder in the data folder; empty when that is the data folder itself. */
  images: string;
  /** File names of published archives that hold the images. */
  archives: string[];
  /** How it is divided. */
  split: SplitRule;
  /** The zero-shot template, with `{}` for the class name. */
  template: string;
  /** Whether {@linkcode DatasetDescription.template} joins the seven templates of the ensemble. */
  ensembleWithTemplate: boolean;
  /** How class names follow from folders. */
  classNames: ClassNameRules;
  /** Where it is published. */
  source?: string;
  /** Under which terms. */
  licence?: string;
  /** The paper to cite. */
  citation?: string;
}

type Table = Record<string, unknown>;

const KEYS = [
  "name",
  "images",
  "archives",
  "split",
  "template",
  "ensemble_with_template",
  "class_names",
  "source",
  "licence",
  "citation",
];
const CLASS_NAME_FLAGS = {
  strip_number_prefix: "stripNumberPrefix",
  drop_first_part: "dropFirstPart",
  reverse_parts: "reverseParts",
  split_camel_case: "splitCamelCase",
  last_word_first: "lastWordFirst",
} as const;

/** For a folder of class folders of which nothing else is known. */
export function plainDescription(name: string): DatasetDescription {
  return {
    name,
    images: "",
    archives: [],
    split: { kind: "file", withoutFile: "make" },
    template: "a photo of a {}.",
    ensembleWithTemplate: true,
    classNames: PLAIN_NAMES,
  };
}

/**
 * Reads a description from the table of keys that a file holds (docs/data.md lists them); `where` is the file's name, for
 * messages.
 *
 * @throws {UserError} When a key is unknown, missing or of the wrong kind.
 */
export function parseDescription(value: unknown, where: string): DatasetDescription {
  const check = checker(where);
  const table = check.table(value, "it", KEYS);
  const name = check.text(table.name, "name");
  if (name === undefined) throw check.wrong("name is missing");
  const template = check.text(table.template, "template") ?? "a photo of a {}.";
  if (!fitsALine(template)) throw check.wrong(`template ${shown(template)} has several lines`);
  if (!template.includes("{}")) throw check.wrong(`template ${JSON.stringify(template)} has no {} for the class name`);
  return {
    ...plainDescription(name),
    images: check.path(table.images, "images") ?? "",
    archives: check.texts(table.archives, "archives"),
    split: parseSplitRule(table.split, check),
    template,
    ensembleWithTemplate: check.flag(table.ensemble_with_template, "ensemble_with_template") ?? true,
    classNames: parseClassNames(table.class_names, check),
    source: check.text(table.source, "source"),
    licence: check.text(table.licence, "licence"),
    citation: check.text(table.citation, "citation"),
  };
}

function parseSplitRule(value: unknown, check: Checker): SplitRule {
  if (value === undefined) return { kind: "file", withoutFile: "make" };
  const split = check.table(value, "split", ["file", "without_file", "lists", "folders", "classes", "ending"]);
  const kinds = ["file", "lists", "folders"].filter((key) => split[key] !== undefined);
  if (kinds.length !== 1) throw check.wrong("split needs one of file, lists and folders");
  const classes = check.path(split.classes, "split.classes");
  if (kinds[0] === "lists") {
    const lists = parseFolders(split.lists, "split.lists", check);
    if (lists.val === undefined || classes === undefined) throw check.wrong("split.lists needs val, and split.classes");
    return {
      kind: "lists",
      lists: { ...lists, val: lists.val },
      classes,
      ending: check.text(split.ending, "split.ending") ?? "",
    };
  }
  if (kinds[0] === "folders") {
    return { kind: "folders", folders: parseFolders(split.folders, "split.folders", check), classes };
  }
  const withoutFile = check.text(split.without_file, "split.without_file") ?? "make";
  if (withoutFile !== "make" && withoutFile !== "stop") throw check.wrong("split.without_file is not make or stop");
  return { kind: "file", file: check.path(split.file, "split.file"), withoutFile };
}

function parseFolders(value: unknown, place: string, check: Checker): { train: string; val?: string; test: string } {
  const table = check.table(value, place, ["train", "val", "test"]);
  const [train, val, test] = ["train", "val", "test"].map((part) => check.path(table[part], `${place}.${part}`));
  if (train === undefined || test === undefined) throw check.wrong(`${place} needs train and test`);
  return { train, val, test };
}

function parseClassNames(value: unknown, check: Checker): ClassNameRules {
  if (value === undefined) return PLAIN_NAMES;
  const table = check.table(value, "class_names", ["rename", "drop", ...Object.keys(CLASS_NAME_FLAGS)]);
  const rename = table.rename === undefined ? {} : check.table(table.rename, "class_names.rename");
  const flags = Object.entries(CLASS_NAME_FLAGS).map(([key, property]) => [
    property,
    check.flag(table[key], `class_names.${key}`) ?? false,
  ]);
  return {
    ...PLAIN_NAMES,
    ...Object.fromEntries(flags),
    rename: Object.fromEntries(
      Object.entries(rename).map(([folder, name]) => [
        folder.normalize("NFC"),
        check.text(name, `class_names.rename.${folder}`)!,
      ]),
    ),
    drop: check.texts(table.drop, "class_names.drop").map((folder) => folder.normalize("NFC")),
  };
}

type Checker = ReturnType<typeof checker>;

function checker(where: string) {
  const wrong = (what: string) =>
    new UserError(`The data set description ${where} is not usable: ${what}${/[.?]$/.test(what) ? "" : "."}`);
  const text = (value: unknown, place: string): string | undefined => {
    if (typeof value === "string" && visible(value) !== value) {
      throw wrong(`${place} has control characters, ${shown(value)}; take them out`);
    }
    if (value === undefined || (typeof value === "string" && value.trim() !== "")) return value;
    throw wrong(`${place} is ${shown(value)}, not a text; put it in quotes`);
  };
  return {
    wrong,
    text,
    texts(value: unknown, place: string): string[] {
      if (value === undefined) return [];
      if (!Array.isArray(value)) throw wrong(`${place} is not a list`);
      return value.map((item, index) => text(item ?? null, `${place}[${index}]`)!);
    },
    flag(value: unknown, place: string): boolean | undefined {
      if (value === undefined || typeof value === "boolean") return value;
      throw wrong(`${place} is ${shown(value)}, not true or false`);
    },
    path(value: unknown, place: string): string | undefined {
      const path = text(value, place)?.replace(/^(\.\/)+|^\.$|\/+$/g, "");
      const problem = path && pathProblem(path);
      if (problem) throw wrong(`${place} ${JSON.stringify(path)} ${problem}`);
      return path;
    },
    table(value: unknown, place: string, keys?: readonly string[]): Table {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw wrong(`${place} is not a table of keys`);
      }
      const unknown = keys && Object.keys(value).find((key) => !keys.includes(key));
      if (unknown) throw wrong(`${place} has an unknown key "${unknown}".${didYouMean(unknown, keys!)}`);
      return value as Table;
    },
  };
}
