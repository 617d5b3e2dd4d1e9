/** What the folder names of the published code tell of a run. */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { DATASET_NAMES } from "../data/catalogue.ts";
import type { ClassSubset } from "../data/few_shot.ts";
import { sameName } from "../data/same_name.ts";

/** What was found, under the names of the settings. */
interface FolderFacts {
  dataset?: string;
  train?: ClassSubset;
  shots?: number;
  seeds?: number[];
  classTokenPosition?: ClassTokenPosition;
}

/**
 * Reads the folders around a published checkpoint: `output/base2new/train_base/eurosat/shots_16/CoCoOp/…/seed1`, or
 * `output/EuroSAT/CoOp/rn50_16shots/nctx16_cscFalse_ctpend/seed1`.
 */
export function factsOf(path: string): FolderFacts {
  const parts = path.split(/[\\/]/);
  const inParts = (find: (part: string) => string | undefined) => parts.map(find).find((found) => found !== undefined);
  const first = (pattern: RegExp) => inParts((part) => pattern.exec(part)?.[1]);
  const seed = first(/^seed(\d+)$/);
  const shots = first(/^shots_(\d+)$/) ?? first(/(?:^|_)(\d+)shots$/);
  const position = first(/_ctp(end|middle|front)$/) as ClassTokenPosition | undefined;
  return {
    dataset: inParts((part) =>
      sameName(part, "DescribableTextures") ? "dtd" : DATASET_NAMES.find((name) => sameName(name, part))
    ),
    // Base classes alone are trained on in base2new only.
    train: parts.includes("train_base") ? "base" : shots !== undefined ? "all" : undefined,
    shots: shots === undefined ? undefined : Number(shots),
    seeds: seed === undefined ? undefined : [Number(seed)],
    classTokenPosition: position,
  };
}
