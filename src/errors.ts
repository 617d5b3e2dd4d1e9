/**
 * An error that the user can mend: one sentence that says what is wrong, where, and what to do.
 * Recipes print its message alone and exit with code 2.
 *
 * @example
 * ```ts
 * import { UserError } from "@prompt-kit/clip-prompts";
 *
 * const error = new UserError("No folder data/eurosat: give one with --data DIR.");
 * if (error.name !== "UserError") throw new Error("unexpected");
 * ```
 */
export class UserError extends Error {
  /** Always `UserError`, also where the class comes from another copy of the kit. */
  override name = "UserError";
}
