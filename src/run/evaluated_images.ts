/** The images of an evaluation: the test images of some classes, or the validation images of those that were learned from. */
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import type { Sample } from "../data/split.ts";
import { UserError } from "../errors.ts";
import type { RunConfig } from "./config.ts";
import type { RunData } from "./data.ts";
import { drawOf, learningImages } from "./identity.ts";

/** What is evaluated on, with its data at hand. */
export interface Evaluated {
  subset: ClassSubset;
  /** The other data set, where it is not the run's. */
  other?: RunData;
  /** Validation images in place of test images. */
  validation?: true;
}

/** The classes of an evaluation and its images, with their labels within these. */
export interface EvaluatedImages {
  classNames: string[];
  samples: Sample[];
  /** What kind of images they are. */
  kind: "test" | "validation";
}

/**
 * The images of an evaluation.
 *
 * @throws {UserError} when validation images are asked for and the data has none
 */
export function evaluatedImages(
  config: RunConfig,
  { subset, other, validation, data, seed }: Evaluated & { data: RunData; seed: number | null },
): EvaluatedImages {
  if (validation) {
    const { classNames, val } = withValidation(learningImages(config, data, seed!));
    return { classNames, samples: val, kind: "validation" };
  }
  const draw = drawOf(config, other === undefined ? seed : null);
  const { classNames, test } = (other ?? data).draw({ ...draw, classes: subset });
  return { classNames, samples: test, kind: "test" };
}

/**
 * Neither a grid nor an epoch nor anything else may be chosen where results are measured.
 *
 * @throws {UserError} when a draw has no validation images of its own
 */
export function withValidation(sample: FewShot): FewShot {
  if (sample.val !== sample.test && sample.val.length > 0) return sample;
  throw new UserError(
    "This data set has no validation images beside its test images, and nothing is chosen on those: give a --split " +
      "with a validation part.",
  );
}
