/**
 * Adam with decoupled weight decay, by the formula of `torch.optim.AdamW` (Loshchilov and Hutter, ICLR 2019), in float64.
 */

interface AdamwOptions {
  learningRate: number;
  /** Steps done, and by parameter name the running means of gradients and their squares; updated in place. */
  state: { steps: number; first: Record<string, Float64Array>; second: Record<string, Float64Array> };
  /** PyTorch's default is 1e-8. */
  epsilon?: number;
  /** PyTorch's default is 0.01. */
  weightDecay?: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;

/**
 * One step, in place: `p ← p·(1 − rate·decay)`, `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`,
 * `p ← p − rate/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)`, with β₁ = 0.9 and β₂ = 0.999.
 */
export function adamwStep(
  parameters: Record<string, Float64Array>,
  gradients: Record<string, Float64Array>,
  options: AdamwOptions,
): void {
  const { learningRate, state, epsilon = 1e-8, weightDecay = 0.01 } = options;
  state.steps++;
  const rate = learningRate / (1 - BETA1 ** state.steps);
  const root = Math.sqrt(1 - BETA2 ** state.steps);
  for (const [name, values] of Object.entries(parameters)) {
    const gradient = gradients[name];
    const first = state.first[name] ??= new Float64Array(values.length);
    const second = state.second[name] ??= new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i];
      first[i] += (1 - BETA1) * (g - first[i]);
      second[i] = BETA2 * second[i] + (1 - BETA2) * g * g;
      values[i] = values[i] * (1 - learningRate * weightDecay) -
        rate * first[i] / (Math.sqrt(second[i]) / root + epsilon);
    }
  }
}
