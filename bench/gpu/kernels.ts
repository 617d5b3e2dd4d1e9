/**
 * What one CoCoOp training step asks of WebGPU: its dispatches, by program, and the device's time in each.
 *
 *     deno task bench:kernels
 *     deno task bench:kernels --size small --json
 */
import { loadTfjs } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { benchOptions, EUROSAT_BASE, median, printJson, printTable, round, timed } from "../measure.ts";
import { promptBench } from "../prompt_bench.ts";

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

const options = await benchOptions("kernels", 3, "webgpu");
const { engine } = options;
if (engine.name !== "webgpu") throw new UserError("bench:kernels counts WebGPU's dispatches: leave --engine out.");
const backend = (await loadTfjs()).backend() as unknown as Backend;
const bench = await promptBench(engine, EUROSAT_BASE, options.size);
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
for (let i = 0; i < options.rounds; i++) times.push(await timed(step));
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
const ms = round(median(times), 3);
console.log(
  `CoCoOp step, ${options.sizeName}, 4 images × 5 classes, on ${engine.device}: ${dispatches} dispatches, ${ms} ms`,
);
printTable([
  ["program", "dispatches", "ms"],
  ...rows.map(([name, { dispatches, ms }]) => [name, String(dispatches), ms.toFixed(2)]),
]);
printJson(options, {
  bench: "kernels",
  engine: engine.name,
  device: engine.device,
  size: options.sizeName,
  dispatches,
  kernels,
  ms,
  programs: Object.fromEntries(rows),
});
await engine.dispose();
