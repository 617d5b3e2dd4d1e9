/** What the folder names of the published code tell of a run. */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { DATASET_NAMES } from "../data/catalogue.ts";
import type { ClassSubset } from "../data/few_shot.ts";
import { sameName } from "../data/same_name.ts";

/** What was found, under the names of the settings. */
export interface FolderFacts {
  /** As the folder has it: `KgCoOp`, or the name of any other trainer in its place. */
  trainer?: string;
  dataset?: string;
  train?: ClassSubset;
  shots?: number;
  seeds?: number[];
  classTokenPosition?: ClassTokenPosition;
  /** KgCoOp's weight of its own term; TCP's scripts write one too, which its code does not use. */
  lambda?: number;
}

const SHOTS = /^shots_(\d+)(?:_(\d+(?:\.\d+)?))?$/;
const SHOTS_AFTER = /(?:^|_)(\d+)shots$/;
/** As DePT has it, `ExtrasLinearProbeCoOp/eurosat/shots16/…/seed1`, where trainers are known by name alone. */
const SHOTS_OF_DEPT = /^shots(\d+)$/;
/** Names of the layout that are no trainer's. */
const NO_TRAINER = /^seed\d+$|^output|^base2new$|^train_|^shots_|shots$|^prompt_learner$|PromptLearner$|\.pth/;

/**
 * Reads the folders around a published checkpoint: `output/base2new/train_base/eurosat/shots_16/CoCoOp/…/seed1`, or
 * `output/EuroSAT/CoOp/rn50_16shots/nctx16_cscFalse_ctpend/seed1`. Of several that tell the same, the one nearest to the
 * file counts. `trainers` are known anywhere in the path; another one is known by its place.
 */
export function factsOf(path: string, trainers: readonly string[] = []): FolderFacts {
  const parts = path.split(/[\\/]/);
  const last = (pattern: RegExp, group = 1) =>
    parts.map((part) => pattern.exec(part)?.[group]).findLast((found) => found !== undefined);
  const number = (text: string | undefined) => text === undefined ? undefined : Number(text);
  const datasetOf = (part: string) =>
    sameName(part, "DescribableTextures") ? "dtd" : DATASET_NAMES.find((name) => sameName(name, part));
  // After the shots in base2new, before them elsewhere; a known name nearer to the file goes over it.
  const after = parts.findLastIndex((part) => SHOTS.test(part));
  const place = after >= 0 ? after + 1 : parts.findLastIndex((part) => SHOTS_AFTER.test(part)) - 1;
  // As the published code spells them: a clone in a folder "coop" says nothing.
  const known = parts.findLastIndex((part) => trainers.includes(part));
  const isTrainer = place >= 0 && place < parts.length && !NO_TRAINER.test(parts[place]) &&
    datasetOf(parts[place]) === undefined;
  const trainer = parts[isTrainer && known < place ? place : known];
  const shots = number(last(SHOTS) ?? last(SHOTS_AFTER) ?? last(SHOTS_OF_DEPT));
  const seed = number(last(/^seed(\d+)$/));
  return {
    trainer,
    dataset: parts.map(datasetOf).findLast((found) => found !== undefined),
    // Base classes alone are trained on in base2new only, where the shots have a folder of their own.
    train: parts.includes("train_base") ? "base" : last(SHOTS_AFTER) !== undefined ? "all" : undefined,
    shots,
    seeds: seed === undefined ? undefined : [seed],
    classTokenPosition: last(/_ctp(end|middle|front)$/) as ClassTokenPosition | undefined,
    lambda: number(last(SHOTS, 2)),
  };
}
