/**
 * The perceptron's activation: OpenAI's QuickGELU `x·σ(1.702·x)`, or the exact GELU `x·Φ(x)` of most other CLIPs.
 *
 * Both are `z·gate(z) / factor` with `z = factor·x`. The factor is folded into the maps before and after, so a block
 * computes `z·gate(z)` alone.
 */
import { type Activated, silu } from "../engine/fused.ts";
import type { Ops } from "../engine/ops.ts";
import type { Activation } from "./config.ts";

/** An activation as a block computes it. */
interface Gated {
  /** `z / x`. What {@linkcode Gated.activate} gives is to be multiplied by {@linkcode Gated.out}. */
  into: number;
  out: number;
  /** `z·gate(z)`. */
  activate<T>(ops: Ops<T>, z: T): Activated<T>;
}

const QUICK_GELU = 1.702;

/** By name. */
export const ACTIVATIONS: Readonly<Record<Activation, Gated>> = {
  quickgelu: { into: QUICK_GELU, out: 1 / QUICK_GELU, activate: silu },
  // x·Φ(x) = x·(1 + erf(x/√2))/2, so with z = x/√2 it is z·(1 + erf(z))/√2.
  gelu: {
    into: Math.SQRT1_2,
    out: Math.SQRT1_2,
    activate(ops, z) {
      const gate = ops.shift(ops.erf(z), 1);
      return {
        y: ops.mul(z, gate),
        // 1 + erf(z) + z·2/√π·e^(−z²)
        pullback(dy) {
          const bell = ops.exp(ops.scale(ops.mul(z, z), -1));
          return ops.mul(dy, ops.add(gate, ops.scale(ops.mul(z, bell), 2 / Math.sqrt(Math.PI))));
        },
      };
    },
  },
};
