/** The error of a failed assertion. */
export class AssertionError extends Error {
  override name = "AssertionError";
}
