/**
 * Which images are for training, validation and test: the published `split_zhou_*.json` files, read and checked, or a
 * split made by the same rule.
 */
import { spokenName } from "../clip/spoken_name.ts";
import { shown, UserError } from "../errors.ts";
import { parseJson, readBytes, sha256Hex } from "../files.ts";
import { compareCodePoints } from "./code_points.ts";
import { pathProblem } from "./paths.ts";
import { pythonRandom } from "./random.ts";
import { roundHalfEven } from "./round.ts";

/** One image of a split. */
export interface Sample {
  /** Path of the image below the image folder, with `/`. */
  path: string;
  /** Number of its class, from 0. */
  label: number;
  /** Name of its class, as it stands in prompts. */
  className: string;
}

/** All images of a data set by purpose. Where a data set has no validation images, `val` is the very array `test`. */
export interface Split {
  /** What few-shot samples are drawn from. */
  train: Sample[];
  /** What few-shot validation images are drawn from. */
  val: Sample[];
  /** What is evaluated. */
  test: Sample[];
}

interface ClassImages {
  className: string;
  /** Paths below the image folder. */
  paths: readonly string[];
}

/** Bytes of the largest split; that of the whole of ImageNet has half. */
export const MOST_SPLIT_BYTES = 128 << 20;

const PARTS = ["train", "val", "test"] as const;
const TRAIN_SHARE = 0.5;
const VAL_SHARE = 0.2;

/**
 * Reads a split file, such as `split_zhou_EuroSAT.json`: `{"train": [[path, label, class name], …], "val": …, "test": …}`.
 *
 * @throws {UserError} When the file is missing or not such a file; the message names the entry, such as `train[12]`.
 */
export async function readSplit(path: string): Promise<{ split: Split; sha256: string }> {
  const bytes = await readBytes(path, "the split file", MOST_SPLIT_BYTES);
  return {
    split: parseSplit(parseJson(bytes, { path, what: "the split file", unique: true }), path),
    sha256: await sha256Hex(bytes),
  };
}

/** Checks what a split file holds. Throws {@linkcode UserError} when anything is not as it should be. */
export function parseSplit(value: unknown, where: string): Split {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(where, `it holds ${shown(value)}, not an object with train, val and test`);
  }
  const record = value as Record<string, unknown>;
  const [train, val, test] = PARTS.map((part) => parsePart(record[part], part, where));
  const split = { train, val, test };
  checkClasses(split, where);
  return split;
}

function parsePart(value: unknown, part: string, where: string): Sample[] {
  if (value === undefined) throw wrong(where, `it has no "${part}"`);
  if (!Array.isArray(value)) throw wrong(where, `"${part}" is ${shown(value)}, not a list`);
  if (value.length === 0 && part !== "val") throw wrong(where, `"${part}" is empty`);
  return value.map((entry, index) => parseSample(entry, `${part}[${index}]`, where));
}

function parseSample(entry: unknown, place: string, where: string): Sample {
  if (!Array.isArray(entry) || entry.length !== 3) {
    throw wrong(where, `${place} is ${shown(entry)}, not [path, label, class name]`);
  }
  const [path, label, className] = entry as unknown[];
  if (typeof path !== "string") throw wrong(where, `the path of ${place} is ${shown(path)}, not a text`);
  const problem = pathProblem(path);
  if (problem) throw wrong(where, `the path of ${place}, ${shown(path)}, ${problem}`);
  if (typeof label !== "number" || !Number.isSafeInteger(label) || label < 0) {
    throw wrong(where, `the label of ${place} is ${shown(label)}, not a whole number from 0`);
  }
  if (typeof className !== "string" || spokenName(className).trim() === "") {
    throw wrong(where, `the class name of ${place} is ${shown(className)}, not a name`);
  }
  return { path, label, className };
}

function checkClasses(split: Split, where: string): void {
  const names = new Map<number, string>();
  for (const part of PARTS) {
    split[part].forEach(({ label, className }, index) => {
      const known = names.get(label);
      if (known === undefined && part === "train") names.set(label, className);
      else if (known === undefined) {
        throw wrong(where, `${part}[${index}] is of class ${label} (${shown(className)}), which has no train image`);
      } else if (known !== className) {
        const both = `${shown(known)} before and ${shown(className)} at ${part}[${index}]`;
        throw wrong(where, `class ${label} has two names, ${both}`);
      }
    });
  }
}

function wrong(where: string, what: string): UserError {
  return new UserError(`The split file ${where} is not usable: ${what}. Mend it or give another with --split.`);
}

/**
 * Makes a split by the published rule (`read_and_split_data` of CoOp's `dtd.py`): per class, in the order of the
 * labels, the images are shuffled by Python's random numbers; half are for training, a fifth for validation, the rest
 * for test, rounded to the even number at halves. The original takes the images as the file system lists them; here
 * they are sorted first, so the split is the same on every machine. Classes come in the order of their labels.
 *
 * @throws {UserError} When a class has too few images for all three parts.
 */
export function makeSplit(classes: readonly ClassImages[], options: { seed: number; where: string }): Split {
  const stream = pythonRandom(options.seed);
  const split: Split = { train: [], val: [], test: [] };
  classes.forEach(({ className, paths }, label) => {
    const shuffled = [...paths].sort(compareCodePoints);
    stream.shuffle(shuffled);
    const trainEnd = roundHalfEven(paths.length * TRAIN_SHARE);
    const valEnd = trainEnd + roundHalfEven(paths.length * VAL_SHARE);
    if (valEnd === trainEnd || valEnd >= paths.length) {
      throw new UserError(
        `The class ${className} in ${options.where} has ${paths.length} images: a split needs at least 4 of each class.`,
      );
    }
    shuffled.forEach((path, index) => {
      const part = index < trainEnd ? split.train : index < valEnd ? split.val : split.test;
      part.push({ path, label, className });
    });
  });
  return split;
}

/** The sha256 of a split as a split file would hold it. */
export function hashSplit(split: Split): Promise<string> {
  const rows = (samples: Sample[]) => samples.map(({ path, label, className }) => [path, label, className]);
  const text = JSON.stringify({ train: rows(split.train), val: rows(split.val), test: rows(split.test) });
  return sha256Hex(new TextEncoder().encode(text));
}
