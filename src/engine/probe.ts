/**
 * Measures how fast an engine is on this machine.
 */
import type { Engine, HostTensor } from "./ops.ts";

/** An engine's device, versions and speed. */
export interface EngineProbe {
  /** The device's name. */
  device: string;
  /** Versions of the libraries. */
  version: string;
  /** Threads that it uses. */
  threads: number;
  /** Billions of floating-point operations a second in products of matrices. */
  gflops: number;
}

/** Products in a chain, so that starting a run and copying its result hardly count. */
const CHAIN = 8;
const SIZES = [128, 256, 512, 1024, 2048];

function matrix(size: number, seed: number): HostTensor {
  const data = new Float32Array(size * size);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    data[i] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
  }
  return { shape: [size, size], data };
}

/** The shortest time of a chain of products, in milliseconds. */
async function timeProducts(engine: Engine, size: number, seconds: number): Promise<number> {
  const weight = engine.freeze("probe.weight", matrix(size, 1));
  const input = engine.freeze("probe.input", matrix(size, 2));
  const program = engine.program("probe", (ops, [x]) => {
    let y = x;
    for (let i = 0; i < CHAIN; i++) y = ops.scale(ops.linear(y, weight), 1 / Math.sqrt(size));
    return [ops.sum(ops.sum(y, 0), 1)];
  });
  try {
    let best = Infinity;
    const end = performance.now() + seconds * 1000;
    // The first run also compiles and copies; it counts only if there is no time for a second one.
    for (let run = 0; run < 2 || performance.now() < end; run++) {
      const start = performance.now();
      await program.run([input]);
      const took = performance.now() - start;
      if (run > 0 || took > seconds * 1000) best = Math.min(best, took);
      if (run === 0 && took > seconds * 1000) break;
    }
    return best;
  } finally {
    await program.dispose();
    engine.release(weight);
    engine.release(input);
  }
}

/**
 * Measures an engine for roughly so many seconds, at the largest matrices whose chain takes less than a quarter of them.
 */
export async function probeEngine(engine: Engine, seconds = 2): Promise<EngineProbe> {
  let size = SIZES[0];
  for (const next of SIZES) {
    size = next;
    // The next size takes eight times as long.
    if (await timeProducts(engine, size, 0) * 8 > seconds * 250) break;
  }
  const gflops = CHAIN * 2 * size ** 3 / await timeProducts(engine, size, seconds) / 1e6;
  // The last parentheses hold the versions; a device's name may have its own.
  const [, name, version] = /^(.*) \((.*)\)$/.exec(engine.device) ?? [undefined, engine.device, ""];
  const device = name.replaceAll(" (", ", ").replaceAll(")", "");
  return { device, version, threads: engine.threads, gflops: Number(gflops.toPrecision(3)) };
}
