/**
 * What one CoCoOp training step asks of WebGPU, with SGD on the device as runs have it: its dispatches, by program, the
 * device's time in each, and transfers from the device; beside the same with SGD on the host.
 *
 *     deno task bench:kernels
 *     deno task bench:kernels --size small --json
 */
import { loadTfjs } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { benchOptions, EUROSAT_BASE, median, printJson, printTable, round, timed } from "../measure.ts";
import { promptBench, type SgdSteps, sgdSteps } from "../prompt_bench.ts";

/** The parts of tfjs's backend that are looked at. */
interface Backend {
  supportTimestampQuery: boolean;
  /** While it is an array, tfjs ends each dispatch with a query of the device's clock. */
  activeTimers: { name: string; query: Promise<number> }[] | null;
  runWebGPUProgram(program: { shaderKey: string }, ...rest: unknown[]): unknown;
}

/** Steps of an epoch here: few, because each takes seconds without a card. */
const STEPS = 4;

/** tfjs names its programs by their classes; those of the kit are plain objects. */
const nameOf = (program: { shaderKey: string }) =>
  program.constructor === Object ? program.shaderKey.split(" ")[1] : program.constructor.name;

const options = await benchOptions("kernels", 3, "webgpu");
const { engine } = options;
if (engine.name !== "webgpu") throw new UserError("bench:kernels counts WebGPU's dispatches: leave --engine out.");
const backend = (await loadTfjs()).backend() as unknown as Backend;
const bench = await promptBench(engine, EUROSAT_BASE, options.size);
const batch = { imageFeatures_BE: bench.images(4), labels: [0, 1, 2, 3] };
const ways = { device: sgdSteps(bench.session, "device"), host: sgdSteps(bench.session, "host") };
const step = () => ways.device.step(batch);

/** The programs of a step, in their order. */
async function programsOf(step: () => Promise<void>): Promise<string[]> {
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

let transfers = 0;
const { mapAsync } = GPUBuffer.prototype;
GPUBuffer.prototype.mapAsync = function (...args) {
  transfers++;
  return mapAsync.apply(this, args);
};

/** Milliseconds a step, and transfers from the device. */
interface Epoch {
  ms: number;
  transfers: number;
}

async function epoch(way: SgdSteps): Promise<Epoch> {
  const before = transfers;
  const ms = await timed(async () => {
    for (let i = 0; i < STEPS; i++) await way.step(batch);
    await way.read();
  });
  return { ms: ms / STEPS, transfers: transfers - before };
}

// The first step also computes what depends on frozen numbers alone.
for (const way of Object.values(ways)) await way.step(batch);
await ways.device.read();
const before = engine.kernelCount();
const names = await programsOf(step);
const kernels = engine.kernelCount() - before;
const hostDispatches = (await programsOf(() => ways.host.step(batch))).length;
await ways.device.read();
const epochs: Record<keyof typeof ways, Epoch[]> = { device: [], host: [] };
for (let round = 0; round < options.rounds; round++) {
  epochs.device.push(await epoch(ways.device));
  epochs.host.push(await epoch(ways.host));
}
const [ms, hostMs] = [epochs.device, epochs.host].map((runs) => round(median(runs.map(({ ms }) => ms)), 3));
const fromDevice = { steps: STEPS, device: epochs.device[0].transfers, host: epochs.host[0].transfers };
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
console.log(
  `CoCoOp step, ${options.sizeName}, 4 images × 5 classes, on ${engine.device}: ${dispatches} dispatches, ${ms} ms; ` +
    `${fromDevice.device} transfer from the device in ${STEPS} steps.\n` +
    `With SGD on the host: ${hostDispatches} dispatches, ${hostMs} ms, ${fromDevice.host} transfers.`,
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
  hostDispatches,
  hostMs,
  transfers: fromDevice,
  programs: Object.fromEntries(rows),
});
await engine.dispose();
