/** The optimisers as programs of an engine, beside those of the host. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { noiseTensor } from "../../bench/random_clip.ts";
import type { Engine, HostTensor } from "../../src/engine/ops.ts";
import { adamStep } from "../../src/optim/adam.ts";
import { deviceOptimizer, type DeviceOptimizerOptions } from "../../src/optim/on_device.ts";
import { sgdStep, type Velocity } from "../../src/optim/sgd.ts";

const N = 100;
const STEPS = 6;
const RATES = [0.1, 0.1, 0.05, 0.02, 0.02, 0.001];

const CASES: Readonly<Record<string, DeviceOptimizerOptions>> = {
  "SGD": { momentum: 0.9, weightDecay: 5e-4 },
  "SGD without momentum": { momentum: 0, weightDecay: 0.1 },
  "Adam": { momentum: 0.9, weightDecay: 5e-4, optimizer: { name: "adam", epsilon: 1e-3 } },
  "AdamW": { momentum: 0.8, weightDecay: 0.1, optimizer: { name: "adamw", epsilon: 1e-8 } },
};

/** Gradients of every size; some numbers never get any. */
function gradientOf(step: number): Float32Array {
  return noiseTensor([N], 40 + step).data.map((value, i) => i < 10 ? 0 : value * 10 ** (i % 7 - 5));
}

/** Fails unless the rows of the state are within float32's rounding of what the host's optimisers have after each step. */
export async function assertOptimizers(engine: Engine): Promise<void> {
  for (const [name, options] of Object.entries(CASES)) {
    const optimizer = deviceOptimizer(options);
    const program = engine.program("optimizer", (ops, [state, gradient, numbers]) => [
      optimizer.update(ops, { state, gradient, numbers }),
    ]);
    const { optimizer: adam, momentum, weightDecay } = options;
    const params = { ctx: { shape: [N], data: noiseTensor([N], 3).data.slice() } };
    const [velocity, squares]: Velocity[] = [{}, {}];
    let state: HostTensor = { shape: [optimizer.rows, N], data: new Float32Array(optimizer.rows * N) };
    state.data.set(params.ctx.data);
    for (let steps = 0; steps < STEPS; steps++) {
      const [ctx, learningRate] = [gradientOf(steps), RATES[steps]];
      const numbers = optimizer.numbers({ learningRate, steps });
      [state] = await program.run([state, { shape: [1, N], data: ctx }, { shape: [1, numbers.length], data: numbers }]);
      if (adam === undefined) sgdStep(params, { ctx }, { learningRate, momentum, weightDecay, velocity });
      else {
        const { name, epsilon } = adam;
        const decoupled = name === "adamw";
        const means = { first: velocity, second: squares };
        const values = { ctx: params.ctx.data };
        adamStep(values, { ctx }, { learningRate, steps, momentum, weightDecay, ...means, epsilon, decoupled });
      }
      const rows = [params.ctx.data, velocity.ctx, ...adam ? [squares.ctx] : []];
      assertEquals([...state.shape], [rows.length, N]);
      rows.forEach((row, r) =>
        row.forEach((wanted, i) => {
          const off = Math.abs(state.data[r * N + i] - wanted);
          // A velocity is a sum that may nearly vanish.
          const near = 1e-5 * Math.abs(wanted) + 1e-7 * (r === 0 ? 1 : Math.abs(ctx[i]));
          assert(
            off <= near,
            `${engine.name}: ${name}: row ${r}, number ${i}, step ${steps + 1}: ${wanted} is off by ${off}`,
          );
        })
      );
    }
    await program.dispose();
  }
}
