import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { normalizeRows } from "../methods/zero_shot.ts";

/**
 * Divides each row by its Euclidean length (no epsilon, as published), and stops at features that are no features.
 *
 * @param features_NE image features as an encoder or a cache gives them
 * @param describe names row i in messages, such as the image's path
 * @throws {UserError} when a row holds a number that is not finite, or only zeros
 */
export function unitRows(features_NE: HostTensor, describe: (row: number) => string): HostTensor {
  const unit = normalizeRows(features_NE);
  const bad = unit.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new UserError(
      `The image feature of ${describe(Math.floor(bad / unit.shape[1]))} is zero or not finite: ` +
        "check the image and the model's weights, or try another --engine.",
    );
  }
  return unit;
}
