/**
 * Parity of the few-shot lists and of the halves of the classes, where there is a data set with published lists:
 * a split file and `few_shot.json` in one folder.
 */
import { chooseClasses, fewShot } from "../data/few_shot.ts";
import { readSplit, type Sample, type Split } from "../data/split.ts";
import { UserError } from "../errors.ts";
import { readJson } from "../files.ts";
import { countDifferent, type ParityCase, type ParityRow, parityRow } from "./row.ts";

/** What the published code draws: key `shot_K-seed_S`. */
type Published = Record<string, { train: [string, number][]; val: [string, number][] }>;

/** Counts of the whole EuroSAT split and of its halves at 16 shots, as published: classes, train, val, test. */
const EUROSAT_COUNTS = { base: [5, 80, 20, 4200], new: [5, 80, 20, 3900], all: [10, 160, 40, 8100] };

/** The rows of a data set's folder. */
export async function listRows(folder: string): Promise<ParityRow[]> {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const splitFile = files.find((name) => /^split_.*\.json$/.test(name));
  if (splitFile === undefined) {
    throw new UserError(`There is no split_….json in ${folder}: put the published one there.`);
  }
  const { split } = await readSplit(`${folder}/${splitFile}`);
  const published = await readJson(`${folder}/few_shot.json`, "the few-shot lists") as Published;

  const lists: ParityCase[] = [];
  const halves: ParityCase[] = [];
  for (const [key, wanted] of Object.entries(published)) {
    const match = key.match(/^shot_(\d+)-seed_(\d+)$/);
    if (match === null) throw new UserError(`${folder}/few_shot.json has a key "${key}", which is not shot_K-seed_S.`);
    const [shots, seed] = match.slice(1).map(Number);
    const all = fewShot(split, { shots, seed, classes: "all" });
    for (const part of ["train", "val"] as const) {
      lists.push({ name: `${key} ${part}`, difference: differentEntries(all[part], wanted[part]) });
    }
    for (const classes of ["base", "new"] as const) {
      const half = fewShot(split, { shots, seed, classes });
      for (const part of ["train", "val"] as const) {
        const rule = relabelled(wanted[part], { split, classes });
        halves.push({ name: `${key} ${classes} ${part}`, difference: differentEntries(half[part], rule) });
      }
    }
  }
  const counts: ParityCase[] = [];
  for (const classes of ["base", "new"] as const) {
    const half = chooseClasses(split, classes);
    const test = split.test.map(({ path, label }): [string, number] => [path, label]);
    const wanted = relabelled(test, { split, classes });
    counts.push({ name: `${classes} test images`, difference: Math.abs(half.test.length - wanted.length) });
    halves.push({ name: `${classes} test`, difference: differentEntries(half.test, wanted) });
  }
  if (/eurosat/i.test(splitFile)) {
    for (const [classes, wanted] of Object.entries(EUROSAT_COUNTS)) {
      const sample = fewShot(split, { shots: 16, seed: 1, classes: classes as keyof typeof EUROSAT_COUNTS });
      const got = [sample.classNames.length, sample.train.length, sample.val.length, sample.test.length];
      counts.push({ name: `${classes}: ${got.join(", ")}`, difference: countDifferent(got, wanted) });
    }
  }
  const row = (stage: string, unit: string, cases: ParityCase[]) =>
    parityRow({ stage, engine: "-", tolerance: 0, unit }, cases);
  return [
    row("few-shot lists", "different entries", lists),
    row("base and new classes, relabelled", "different entries", halves),
    row("counts of classes and images", "different counts", counts),
  ];
}

/** CoOp's `subsample_classes`, restated: sorted labels, the first ⌈n/2⌉ are base, the rest new; both count from 0. */
function relabelled(
  entries: readonly [string, number][],
  options: { split: Split; classes: "base" | "new" },
): [string, number][] {
  const labels = [...new Set(options.split.train.map(({ label }) => label))].sort((a, b) => a - b);
  const base = Math.ceil(labels.length / 2);
  return entries.flatMap(([path, label]): [string, number][] => {
    const at = labels.indexOf(label);
    if ((at < base) !== (options.classes === "base")) return [];
    return [[path, at < base ? at : at - base]];
  });
}

function differentEntries(got: readonly Sample[], wanted: readonly [string, number][]): number {
  return countDifferent(
    got.map(({ path, label }) => `${label} ${path}`),
    wanted.map(([path, label]) => `${label} ${path}`),
  );
}
