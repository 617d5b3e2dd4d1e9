/**
 * The code of an optimiser's step on WebGPU, one thread a learned number. Rows of `state`: the learned numbers, then what
 * the optimiser remembers of each. `main` starts the function, with `index` for the thread.
 *
 * Formulas: see `optim/sgd.ts` and `optim/adam.ts`.
 */

/** Rows: numbers, velocity. `numbers`: the rate. */
export const SGD = (main: string): string =>
  `${main}
  let size = uniforms.size;
  if (index < size) {
    let p = state[index];
    let v = uniforms.momentum * state[size + index] + (gradient[index] + uniforms.decay * p);
    result[index] = p - numbers[0] * v;
    result[size + index] = v;
  }
}`;

/**
 * Rows: numbers, the gradients' running mean, that of their squares. `numbers`: the rate over `1 − β₁ᵗ`, 1 over
 * `√(1 − β₂ᵗ)`, and what AdamW's decay leaves of a number.
 */
export const ADAM = (main: string): string =>
  `${main}
  let size = uniforms.size;
  if (index < size) {
    let p = state[index] * numbers[2];
    let g = gradient[index] + uniforms.decay * p;
    let first = state[size + index] + uniforms.new1 * (g - state[size + index]);
    let second = uniforms.beta2 * state[2 * size + index] + uniforms.new2 * g * g;
    result[index] = p - numbers[0] * first / (sqrt(second) * numbers[1] + uniforms.epsilon);
    result[size + index] = first;
    result[2 * size + index] = second;
  }
}`;
