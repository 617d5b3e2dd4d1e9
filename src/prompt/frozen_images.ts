/** Frozen CLIP's features of a step's images as a method sees them, and what it sees where it says that it reads none. */
import type { Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { l2Normalize, type LossInputs, type PromptMethod } from "../methods/prompt_method.ts";

/** The features as the tower gives them and at unit length: they come as the former for a method with a head. */
export function frozenImages<T>(
  ops: Ops<T>,
  { name, head }: PromptMethod,
  given_BE: T | undefined,
): Required<Pick<LossInputs<T>, "rawFeatures_BE" | "storedFeatures_BE">> {
  if (given_BE === undefined) return { rawFeatures_BE: refusing(name), storedFeatures_BE: refusing(name) };
  return {
    rawFeatures_BE: given_BE,
    storedFeatures_BE: head === undefined ? given_BE : l2Normalize(ops, given_BE),
  };
}

/** Says that a method reads what its file says it does not. */
export function readAllTheSame(name: string): UserError {
  return new UserError(
    `The method ${name} says "readsFrozenImages: false", and reads frozen CLIP's features of the training views: say ` +
      '"readsFrozenImages: true" in its file.',
  );
}

/**
 * In place of a tensor: may be handed on, and ends the program at its first use. A missing value would be read by no
 * operation either, but say nothing of why.
 */
function refusing<T>(name: string): T {
  const refuse = () => {
    throw readAllTheSame(name);
  };
  return new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse }) as T;
}
