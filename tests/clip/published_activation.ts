/** The perceptron's activations as published, in double precision. */
import type { Activation } from "../../src/clip/config.ts";

/** The error function: its series near 0, its continued fraction elsewhere. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a >= 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
    return Math.sign(x) * (1 - Math.exp(-a * a) / (a + fraction) / Math.sqrt(Math.PI));
  }
  let [sum, term] = [a, a];
  for (let n = 1; n < 60; n++) sum += (term *= -a * a / n) / (2 * n + 1);
  return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI);
}

/** `x·σ(1.702·x)`, or `x·Φ(x)`. */
export const activated = (x: number, activation: Activation = "quickgelu"): number =>
  activation === "gelu" ? x * (1 + erf(x / Math.SQRT2)) / 2 : x / (1 + Math.exp(-1.702 * x));
