/**
 * SGD and Adam as parts of a program, for engines whose device keeps the learned numbers: the formulas of `sgd.ts` and
 * `adam.ts` on tensors. Numbers agree with those to float32's rounding, not to the bit: a device rounds its own way.
 *
 * Everything that is learned at one rate is one tensor, the *state* [R, n]: the learned numbers are its first row, and the
 * others are what the optimiser remembers of each (velocity; or Adam's two running means).
 */
import type { AdamConstants, Ops, OptimizerRows, SgdConstants } from "../engine/ops.ts";
import { BETA2 } from "./adam.ts";

/** An optimiser whose state stays on the device. */
export interface DeviceOptimizer {
  /** R. */
  readonly rows: number;
  /** What is another number in each step, for {@linkcode OptimizerRows.numbers}: an input, so that nothing is prepared anew. */
  numbers(at: { learningRate: number; steps: number }): Float32Array;
  /** The state after the step. */
  update<T>(ops: Ops<T>, at: OptimizerRows<T>): T;
}

/** As the options of {@linkcode sgdStep} and {@linkcode adamStep}; SGD where no other optimiser is named. */
export interface DeviceOptimizerOptions {
  momentum: number;
  weightDecay: number;
  optimizer?: { readonly name: "adam" | "adamw"; readonly epsilon: number };
}

/** The optimiser of a training. */
export function deviceOptimizer({ momentum, weightDecay, optimizer }: DeviceOptimizerOptions): DeviceOptimizer {
  if (optimizer === undefined) {
    const constants = { momentum, decay: weightDecay };
    return {
      rows: 2,
      numbers: ({ learningRate }) => Float32Array.of(learningRate),
      update: (ops, at) => ops.kernels?.sgd(at, constants) ?? sgd(ops, at, constants),
    };
  }
  const decoupled = optimizer.name === "adamw";
  const constants = {
    new1: 1 - momentum,
    beta2: BETA2,
    new2: 1 - BETA2,
    decay: decoupled ? 0 : weightDecay,
    epsilon: optimizer.epsilon,
  };
  return {
    rows: 3,
    numbers: ({ learningRate, steps }) =>
      Float32Array.of(
        learningRate / (1 - momentum ** (steps + 1)),
        1 / Math.sqrt(1 - BETA2 ** (steps + 1)),
        decoupled ? 1 - learningRate * weightDecay : 1,
      ),
    update: (ops, at) => ops.kernels?.adam(at, constants) ?? adam(ops, at, constants),
  };
}

function sgd<T>(ops: Ops<T>, { state, gradient, numbers }: OptimizerRows<T>, { momentum, decay }: SgdConstants): T {
  const [p, before] = rowsOf(ops, state);
  const g = ops.add(gradient, ops.scale(p, decay));
  const velocity = ops.add(ops.scale(before, momentum), g);
  return ops.concat([ops.sub(p, ops.mul(numbers, velocity)), velocity], 0);
}

function adam<T>(ops: Ops<T>, { state, gradient, numbers }: OptimizerRows<T>, constants: AdamConstants): T {
  const { new1, beta2, new2, decay, epsilon } = constants;
  const [before, before1, before2] = rowsOf(ops, state);
  const [rate, root, left] = [0, 1, 2].map((at) => ops.slice(numbers, [0, at], [1, 1]));
  const p = ops.mul(before, left);
  const g = ops.add(gradient, ops.scale(p, decay));
  const first = ops.add(before1, ops.scale(ops.sub(g, before1), new1));
  const second = ops.add(ops.scale(before2, beta2), ops.mul(ops.scale(g, new2), g));
  const scale = ops.shift(ops.mul(squareRoot(ops, second), root), epsilon);
  // 1/scale as 1/√(scale²): it is positive.
  const step = ops.mul(ops.mul(rate, first), ops.rsqrt(ops.mul(scale, scale)));
  return ops.concat([ops.sub(p, step), first, second], 0);
}

/** `x/√x` of numbers from 0 up. What is added is nothing beside a number that matters, and keeps 0 from becoming NaN. */
function squareRoot<T>(ops: Ops<T>, x: T): T {
  return ops.mul(x, ops.rsqrt(ops.shift(x, 1e-37)));
}

function rowsOf<T>(ops: Ops<T>, state: T): T[] {
  const [rows, n] = ops.shape(state);
  return Array.from({ length: rows }, (_, row) => ops.slice(state, [row, 0], [1, n]));
}
