/** What the folder names of the published code tell of a run. */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { DATASET_NAMES } from "../data/catalogue.ts";
import type { ClassSubset } from "../data/few_shot.ts";

/** What was found, under the names of the settings. */
interface FolderFacts {
  dataset?: string;
  train?: ClassSubset;
  shots?: number;
  seeds?: number[];
  classTokenPosition?: ClassTokenPosition;
}

/** Folders that are called otherwise than the data set. */
const OTHER_NAMES: Readonly<Record<string, string>> = { describabletextures: "dtd", caltech101: "caltech101" };

/**
 * Reads the folders around a published checkpoint: `output/base2new/train_base/eurosat/shots_16/CoCoOp/…/seed1`, or
 * `output/EuroSAT/CoOp/rn50_16shots/nctx16_cscFalse_ctpend/seed1`.
 */
export function factsOf(path: string): FolderFacts {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const parts = path.split(/[\\/]/);
  const dataset = parts.map((part) =>
    OTHER_NAMES[plain(part)] ?? DATASET_NAMES.find((name) => plain(name) === plain(part))
  )
    .find((name) => name !== undefined);
  const first = (pattern: RegExp) => parts.map((part) => pattern.exec(part)?.[1]).find((found) => found !== undefined);
  const seed = first(/^seed(\d+)$/);
  const shots = first(/^shots_(\d+)$/) ?? first(/(?:^|_)(\d+)shots$/);
  const position = first(/_ctp(end|middle|front)$/) as ClassTokenPosition | undefined;
  return {
    dataset,
    // Base classes alone are trained on in base2new only.
    train: parts.includes("train_base") ? "base" : shots !== undefined ? "all" : undefined,
    shots: shots === undefined ? undefined : Number(shots),
    seeds: seed === undefined ? undefined : [Number(seed)],
    classTokenPosition: position,
  };
}
