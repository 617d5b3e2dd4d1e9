/**
 * The perceptron's activation: OpenAI's QuickGELU `x·σ(1.702·x)`, or the exact GELU `x·Φ(x)` of most other CLIPs.
 *
 * Both are `z·gate(z) / factor` with `z = factor·x`. The factor is folded into the maps before and after, so a block
 * computes `z·gate(z)` alone.
 */
import type { Ops } from "../engine/ops.ts";
import type { Activation } from "./config.ts";

/** An activation as a block computes it. */
interface Gated {
  /** `z / x`. The result of `z·gate(z)` is to be multiplied by {@linkcode Gated.out}. */
  into: number;
  out: number;
  gate<T>(ops: Ops<T>, z: T): T;
  /** The derivative of `z·gate(z)`, given what the forward pass has computed. */
  slope<T>(ops: Ops<T>, at: { z: T; gate: T; active: T }): T;
}

const QUICK_GELU = 1.702;

/** By name. */
export const ACTIVATIONS: Readonly<Record<Activation, Gated>> = {
  quickgelu: {
    into: QUICK_GELU,
    out: 1 / QUICK_GELU,
    gate: (ops, z) => ops.sigmoid(z),
    // g + z·g·(1 − g)
    slope: (ops, { gate, active }) => ops.add(gate, ops.sub(active, ops.mul(active, gate))),
  },
  // x·Φ(x) = x·(1 + erf(x/√2))/2, so with z = x/√2 it is z·(1 + erf(z))/√2.
  gelu: {
    into: Math.SQRT1_2,
    out: Math.SQRT1_2,
    gate: (ops, z) => ops.shift(ops.erf(z), 1),
    // 1 + erf(z) + z·2/√π·e^(−z²)
    slope(ops, { z, gate }) {
      const bell = ops.exp(ops.scale(ops.mul(z, z), -1));
      return ops.add(gate, ops.scale(ops.mul(z, bell), 2 / Math.sqrt(Math.PI)));
    },
  },
};
