/** Learned numbers: copied, and checked to be finite. */
import { UserError } from "../errors.ts";
import type { Parameter } from "../optim/sgd.ts";

/**
 * Copies values into parameters, in place, and refuses those of another method or size.
 *
 * @throws {UserError} when names or shapes differ
 */
export function copyParameters(from: Record<string, Parameter>, to: Record<string, Parameter>): void {
  const describe = (params: Record<string, Parameter>) =>
    Object.keys(params).sort().map((name) => `${name} [${params[name].shape.join(", ")}]`).join(", ");
  if (describe(from) !== describe(to)) {
    throw new UserError(
      `The stored prompt holds ${describe(from)} and this method learns ${describe(to)}: ` +
        "use the method, model and context length that it was trained with.",
    );
  }
  for (const name of Object.keys(to)) to[name].data.set(from[name].data);
}

/** Whether all are. */
export function areFinite(values: readonly number[] | Float32Array): boolean {
  return values.every(Number.isFinite);
}

/** The error of a number that is not finite: `where` is the step or the steps, `what` the number, `fault` what it is. */
export function notFinite(where: string, what: string, fault = "is not finite"): UserError {
  return new UserError(
    `Training stopped ${where}: ${what} ${fault}. The last checkpoint is kept. ` +
      "Lower the learning rate with --lr, or try another --engine.",
  );
}
