import { UserError } from "../../src/errors.ts";
import type { Inputs } from "../../src/run/inputs.ts";

/**
 * The templates that `--templates` asks for: the data set's own, the ensemble, or a list with `|` between.
 *
 * @throws {UserError} when the list is empty
 */
export function templatesOf(
  kind: string,
  { template, ensemble }: Pick<Inputs, "template" | "ensemble">,
): readonly string[] {
  if (kind === "single") return [template];
  if (kind === "ensemble") return ensemble;
  const own = kind.split("|").map((one) => one.trim()).filter((one) => one !== "");
  if (own.length === 0) {
    throw new UserError(`--templates "${kind}" holds no template: write one such as "a photo of a {}.".`);
  }
  return own;
}
