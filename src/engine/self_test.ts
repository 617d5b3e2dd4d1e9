/**
 * A small known product that every engine with native or device code must get right before it is used.
 */
import { UserError } from "../errors.ts";
import { count } from "./host_tensor.ts";
import type { Engine, HostTensor } from "./ops.ts";

const ROWS = 5;
const INNER = 67;
const COLUMNS = 33;
const TOLERANCE = 1e-4;

/** Numbers of moderate size, the same on every machine. */
function pattern(shape: readonly number[], step: number): HostTensor {
  return { shape, data: Float32Array.from({ length: count(shape) }, (_, i) => ((i * step) % 17 - 8) / 8) };
}

/** `x · Wᵀ + b`, its softmax, and the pull-back of the softmax through `W`, in double precision. */
function expected(x: HostTensor, weight: HostTensor, bias: HostTensor): number[][] {
  const y: number[] = [];
  const p: number[] = [];
  const back: number[] = [];
  for (let r = 0; r < ROWS; r++) {
    const row = Array.from({ length: COLUMNS }, (_, c) => {
      let sum = bias.data[c];
      for (let k = 0; k < INNER; k++) sum += x.data[r * INNER + k] * weight.data[c * INNER + k];
      return sum;
    });
    const largest = Math.max(...row);
    const powers = row.map((value) => Math.exp(value - largest));
    const total = powers.reduce((sum, value) => sum + value, 0);
    const soft = powers.map((value) => value / total);
    y.push(...row);
    p.push(...soft);
    for (let k = 0; k < INNER; k++) {
      back.push(soft.reduce((sum, value, c) => sum + value * weight.data[c * INNER + k], 0));
    }
  }
  return [y, p, back];
}

/**
 * Runs the self-test and returns the engine. Throws {@linkcode UserError} when a result is not finite or off by more
 * than 1e-4; the engine is then disposed.
 */
export async function tested(engine: Engine): Promise<Engine> {
  const [x, weight, bias] = [pattern([ROWS, INNER], 7), pattern([COLUMNS, INNER], 5), pattern([COLUMNS], 3)];
  const frozenWeight = engine.freeze("self_test.weight", weight);
  const frozenBias = engine.freeze("self_test.bias", bias);
  const program = engine.program("self_test", (ops, [x]) => {
    const y = ops.linear(x, frozenWeight, frozenBias);
    const p = ops.softmax(y);
    return [y, p, ops.linearPullback(p, frozenWeight)];
  });
  try {
    const found = await program.run([x]);
    expected(x, weight, bias).forEach((wanted, i) => {
      const off = wanted.findIndex((value, j) => !(Math.abs(found[i].data[j] - value) <= TOLERANCE));
      if (off < 0) return;
      throw new UserError(
        `The engine ${engine.name} on ${engine.device} computes wrong numbers ` +
          `(${found[i].data[off]} in its self-test instead of ${wanted[off].toFixed(4)}): ` +
          "update its driver, or use another --engine.",
      );
    });
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  await program.dispose();
  engine.release(frozenWeight);
  engine.release(frozenBias);
  return engine;
}
