/**
 * Adam, with the L2 penalty in the gradient (`torch.optim.Adam`; Kingma and Ba, ICLR 2015) or decoupled from it
 * (`torch.optim.AdamW`; Loshchilov and Hutter, ICLR 2019). Float32 numbers get PyTorch's bits on a CPU, float64 its formula.
 */

/** Numbers by parameter name. */
type Numbers<A> = Record<string, A>;

interface AdamOptions<A> {
  learningRate: number;
  /** Steps done before this one. */
  steps: number;
  /** Running mean of the gradients; updated in place, and created in the first step. */
  first: Numbers<A>;
  /** Running mean of the gradients' squares; likewise. */
  second: Numbers<A>;
  /** PyTorch's default is 1e-8. */
  epsilon: number;
  weightDecay: number;
  /** Decay shrinks the parameters by themselves (AdamW), instead of entering the gradient (Adam). */
  decoupled: boolean;
  /** β₁, the share of the former direction that is kept; 0.9 when left out. */
  momentum?: number;
}

/** The share of the squares' running mean that is kept. */
export const BETA2 = 0.999;

/**
 * One step, in place: `g ← g + decay·p`, or `p ← p·(1 − rate·decay)` where decoupled; `m ← m + (1−β₁)(g − m)`,
 * `v ← β₂v + (1−β₂)g²`, `p ← p − rate/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)`, with β₂ = 0.999.
 *
 * @throws {RangeError} when a gradient is missing or has another size
 */
export function adamStep<A extends Float32Array | Float64Array>(
  parameters: Numbers<A>,
  gradients: Numbers<A>,
  options: AdamOptions<A>,
): void {
  const { momentum = 0.9, steps, decoupled } = options;
  for (const [name, values] of Object.entries(parameters)) {
    const gradient = gradients[name];
    if (gradient?.length !== values.length) {
      throw new RangeError(`The gradient of "${name}" has ${gradient?.length ?? "no"} numbers, not ${values.length}`);
    }
    const first = options.first[name] ??= values.map(() => 0) as A;
    const second = options.second[name] ??= values.map(() => 0) as A;
    const round = values instanceof Float32Array ? Math.fround : (x: number) => x;
    const shrink = round(decoupled ? 1 - options.learningRate * options.weightDecay : 1);
    const decay = round(decoupled ? 0 : options.weightDecay);
    const [new1, beta2, new2] = [1 - momentum, BETA2, 1 - BETA2].map(round);
    const rate = round(-options.learningRate / (1 - momentum ** (steps + 1)));
    const root = round(Math.sqrt(1 - BETA2 ** (steps + 1)));
    const epsilon = round(options.epsilon);
    for (let i = 0; i < values.length; i++) {
      const p = round(values[i] * shrink);
      const g = round(gradient[i] + decay * p);
      first[i] = round(first[i] + new1 * round(g - first[i]));
      second[i] = round(round(beta2 * second[i]) + round(new2 * g) * g);
      const scale = round(round(round(Math.sqrt(second[i])) / root) + epsilon);
      values[i] = round(p + round(round(rate * first[i]) / scale));
    }
  }
}
