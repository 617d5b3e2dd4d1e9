import { UserError } from "../errors.ts";

/**
 * The templates that `--templates` asks for: the data set's own, the ensemble, or a list with `|` between.
 *
 * @throws {UserError} when the list is empty
 */
export function templatesOf(
  values: { templates?: unknown },
  { template, ensemble }: { template: string; ensemble: readonly string[] },
): readonly string[] {
  const { templates: kind = "single" } = values;
  if (kind === "single") return [template];
  if (kind === "ensemble") return ensemble;
  const listed = String(kind).split("|").map((one) => one.trim()).filter((one) => one !== "");
  if (listed.length > 0) return listed;
  throw new UserError(`--templates "${kind}" holds no template: write one such as "a photo of a {}.".`);
}
