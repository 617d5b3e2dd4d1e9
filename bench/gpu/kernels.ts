/**
 * What one CoCoOp training step asks of WebGPU: its dispatches, by program, and the device's time in each.
 *
 *     deno task bench:kernels
 *     deno task bench:kernels --size small --json
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { loadTfjs } from "../../src/deps.ts";
import { openEngine } from "../../src/engine/choose.ts";
import { EUROSAT_BASE, printTable, round, timed } from "../measure.ts";
import { promptBench } from "../prompt_bench.ts";
import { SMALL, VIT_B_16 } from "../random_clip.ts";

/** The parts of tfjs's backend that are looked at. */
interface Backend {
  supportTimestampQuery: boolean;
  /** While it is an array, tfjs ends each dispatch with a query of the device's clock. */
  activeTimers: { name: string; query: Promise<number> }[] | null;
  runWebGPUProgram(program: { shaderKey: string }, ...rest: unknown[]): unknown;
}

/** tfjs names its programs by their classes; those of the kit are plain objects. */
const nameOf = (program: { shaderKey: string }) =>
  program.constructor === Object ? program.shaderKey.split(" ")[1] : program.constructor.name;

const args = parseArgs(Deno.args, { string: ["size"], boolean: ["json"], default: { size: "ViT-B/16" } });
const size = args.size === "small" ? SMALL : VIT_B_16;
const engine = await openEngine("webgpu");
const backend = (await loadTfjs()).backend() as unknown as Backend;
const bench = await promptBench(engine, EUROSAT_BASE, size);
const batch = { imageFeatures_BE: bench.images(4), labels: [0, 1, 2, 3] };
const step = () => bench.session.step(batch);

/** The programs of one step, in their order. */
async function programsOfStep(): Promise<string[]> {
  const names: string[] = [];
  const { runWebGPUProgram } = backend;
  backend.runWebGPUProgram = function (program, ...rest) {
    // Before the call, which adds to the key.
    names.push(nameOf(program));
    return runWebGPUProgram.call(this, program, ...rest);
  };
  await step();
  backend.runWebGPUProgram = runWebGPUProgram;
  return names;
}

// The first step also computes what depends on frozen numbers alone.
await step();
const before = engine.kernelCount();
const names = await programsOfStep();
const kernels = engine.kernelCount() - before;
const times: number[] = [];
for (let i = 0; i < 3; i++) times.push(await timed(step));
const counts = new Map<string, { dispatches: number; ms: number }>();
for (const name of names) {
  const { dispatches, ms } = counts.get(name) ?? { dispatches: 0, ms: 0 };
  counts.set(name, { dispatches: dispatches + 1, ms });
}
if (backend.supportTimestampQuery) {
  const timers: Backend["activeTimers"] = backend.activeTimers = [];
  await step();
  backend.activeTimers = null;
  for (const [i, { query }] of timers.entries()) counts.get(names[i])!.ms += await query;
}
const dispatches = [...counts.values()].reduce((sum, { dispatches }) => sum + dispatches, 0);
const rows = [...counts].toSorted(([, a], [, b]) => b.dispatches - a.dispatches);
const ms = round(Math.min(...times));
console.log(`CoCoOp step, ${args.size}, 4 images × 5 classes, on ${engine.device}: ${dispatches} dispatches, ${ms} ms`);
printTable([
  ["program", "dispatches", "ms"],
  ...rows.map(([name, { dispatches, ms }]) => [name, String(dispatches), ms.toFixed(2)]),
]);
if (args.json) {
  console.log(JSON.stringify({
    bench: "kernels",
    size: args.size,
    device: engine.device,
    dispatches,
    kernels,
    ms,
    programs: Object.fromEntries(rows),
  }));
}
await engine.dispose();
