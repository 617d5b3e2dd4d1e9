/**
 * Engines and random numbers that several tests share.
 */
import type { Engine, HostTensor, Ops, ProgramFunction } from "../../src/engine/ops.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { pythonRandom } from "../../src/data/random.ts";

/** Engines that every machine has. */
export const ENGINES = ["onnx", "wasm", "cpu"] as const;

/** Runs `fn` with an engine and disposes it. */
export async function withEngine<T>(name: typeof ENGINES[number], fn: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await openEngine(name, { threads: 2 });
  try {
    return await fn(engine);
  } finally {
    await engine.dispose();
  }
}

/** Numbers in ±`size`, the same for the same seed. */
export function randomTensor(shape: readonly number[], seed: number, size = 1): HostTensor {
  const random = pythonRandom(seed);
  const count = shape.reduce((product, n) => product * n, 1);
  return { shape, data: Float32Array.from({ length: count }, () => size * random.uniform(-1, 1)) };
}

/** `‖a − b‖ / ‖b‖`. */
export function relativeL2(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`Lengths differ: ${a.length} and ${b.length}`);
  let off = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    off += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(off / size);
}

/** Runs a program once. */
export async function runOnce(
  engine: Engine,
  fn: <T>(ops: Ops<T>, inputs: readonly T[]) => readonly T[],
  inputs: readonly HostTensor[],
): Promise<HostTensor[]> {
  const program = engine.program("test", fn as ProgramFunction);
  try {
    return await program.run(inputs);
  } finally {
    await program.dispose();
  }
}
