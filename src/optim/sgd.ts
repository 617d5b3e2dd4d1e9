/**
 * Stochastic gradient descent with momentum and weight decay, to the bit as `torch.optim.SGD` does it on a CPU
 * (dampening 0, no Nesterov). The state is a plain record, so that a checkpoint is a copy of it.
 */

/** A learned tensor in ordinary memory; updated in place. */
export interface Parameter {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** The numbers, last axis fastest. */
  readonly data: Float32Array;
}

/** Momentum buffers by parameter name; empty before the first step. */
export type Velocity = Record<string, Float32Array>;

interface SgdOptions {
  /** Learning rate of this step. */
  learningRate: number;
  /** That of single parameters, by name, where it is another. */
  rates?: Readonly<Record<string, number>>;
  /** Share of the former direction that is kept; 0.9 in every published configuration. */
  momentum: number;
  /** L2 penalty, on every parameter, biases included; 5e-4 in every published configuration. */
  weightDecay: number;
  /** Momentum buffers; updated in place, and created in the first step. */
  velocity: Velocity;
}

/**
 * One step, in place: `g ← gradient + decay·p`, `v ← momentum·v + g` (`v = g` in the first step), `p ← p − rate·v`.
 *
 * @throws {RangeError} when a gradient is missing or has another size
 */
export function sgdStep(
  parameters: Record<string, Parameter>,
  gradients: Record<string, Float32Array>,
  options: SgdOptions,
): void {
  const { fround } = Math;
  const momentum = fround(options.momentum);
  const decay = fround(options.weightDecay);
  for (const [name, { data }] of Object.entries(parameters)) {
    const gradient = gradients[name];
    if (gradient?.length !== data.length) {
      throw new RangeError(`The gradient of "${name}" has ${gradient?.length ?? "no"} numbers, not ${data.length}`);
    }
    const rate = fround(-(options.rates?.[name] ?? options.learningRate));
    const first = !(name in options.velocity);
    const velocity = options.velocity[name] ??= new Float32Array(data.length);
    // PyTorch's kernels fuse each multiplication with the addition after it. A product of two float32 numbers is exact
    // in JavaScript's float64, so rounding once, after the addition, gives the same bits.
    for (let i = 0; i < data.length; i++) {
      const g = fround(gradient[i] + decay * data[i]);
      const v = first ? g : fround(fround(momentum * velocity[i]) + g);
      velocity[i] = v;
      data[i] = fround(data[i] + rate * v);
    }
  }
}
