/**
 * The published few-shot samples and the halves of the classes: which images a run trains and tests on.
 *
 * Dassl's `generate_fewshot_dataset` and CoOp's `subsample_classes`: a pure function of the split, the seed and the
 * number of shots, so the lists are those of the papers.
 */
import { UserError } from "../errors.ts";
import { pythonRandom, type RandomStream } from "./random.ts";
import type { Sample, Split } from "./split.ts";

/** Which half of the classes: the first (base), the second (new), or all of them. */
export type ClassSubset = "base" | "new" | "all";

/** Validation images of a class: as many as shots, but no more than this. */
const MOST_VALIDATION_SHOTS = 4;

/** What a run works on: labels count from 0 within the chosen classes. */
export interface FewShot {
  /** Class names by label. */
  classNames: string[];
  /** `shots` images of each class, class after class, in the order drawn. */
  train: Sample[];
  /** Up to four images of each class. */
  val: Sample[];
  /** All test images of the chosen classes. */
  test: Sample[];
}

interface FewShotOptions {
  /** Training images of each class; a class with fewer gives all it has. */
  shots: number;
  /** Seed of Python's random numbers. */
  seed: number;
  /** Which classes are kept after drawing. */
  classes: ClassSubset;
}

/**
 * Draws the published few-shot sample of all classes, then keeps the chosen ones and counts their labels from 0.
 * Drawing comes before choosing, so base and new classes of one seed come from the same draw.
 *
 * @throws {UserError} When the number of shots is not a positive whole number, or no class is left.
 */
export function fewShot(split: Split, options: FewShotOptions): FewShot {
  const { shots, seed, classes } = options;
  if (!Number.isInteger(shots) || shots < 1) {
    throw new UserError(`The number of shots is ${shots}: give a whole number from 1, such as --shots 16.`);
  }
  const stream = pythonRandom(seed);
  const train = drawPerClass(split.train, shots, stream);
  const val = split.val === split.test
    ? split.test
    : drawPerClass(split.val, Math.min(shots, MOST_VALIDATION_SHOTS), stream);
  return chooseClasses({ train, val, test: split.test }, classes);
}

/**
 * Keeps one half of the classes (or all) and counts their labels from 0. Of an odd number the base half has one more.
 *
 * @throws {UserError} When no class is left.
 */
export function chooseClasses(split: Split, classes: ClassSubset): FewShot {
  const labels = [...new Set(split.train.map((sample) => sample.label))].sort((a, b) => a - b);
  const half = Math.ceil(labels.length / 2);
  const chosen = { base: labels.slice(0, half), new: labels.slice(half), all: labels }[classes];
  if (chosen.length === 0) {
    throw new UserError(
      `There are no ${classes} classes among ${labels.length}: choose other classes or another split.`,
    );
  }
  const relabel = new Map(chosen.map((label, index) => [label, index]));
  const keep = (samples: Sample[]) =>
    samples.flatMap((sample) => {
      const label = relabel.get(sample.label);
      return label === undefined ? [] : [{ ...sample, label }];
    });
  const train = keep(split.train);
  const names = new Map(train.map((sample) => [sample.label, sample.className]));
  const test = keep(split.test);
  return {
    classNames: chosen.map((_, label) => names.get(label)!),
    train,
    val: split.val === split.test ? test : keep(split.val),
    test,
  };
}

/** Classes come in the order in which they first appear, as in the published code. */
function drawPerClass(samples: readonly Sample[], count: number, stream: RandomStream): Sample[] {
  const byLabel = Map.groupBy(samples, (sample) => sample.label);
  return [...byLabel.values()].flatMap((items) => items.length >= count ? stream.sample(items, count) : items);
}
