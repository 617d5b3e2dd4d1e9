/** Quantiles of the distributions that intervals are made with; jStat comes without types. */
import { jStat } from "../deps.ts";

/** From here on the t distribution is the normal one to six digits, and jStat loses digits further up. */
const MOST_DEGREES = 1e6;

/** What Student's t stays below with a probability; the degrees of freedom are 1 or more, whole or not. */
export function studentQuantile(probability: number, degrees: number): number {
  return jStat.studentt.inv(probability, Math.min(degrees, MOST_DEGREES));
}

/** What χ² stays below with a probability. */
export function chiSquareQuantile(probability: number, degrees: number): number {
  return jStat.chisquare.inv(probability, degrees);
}
