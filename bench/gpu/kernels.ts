/**
 * What one CoCoOp training step asks of WebGPU, with SGD on the device as runs have it: its dispatches, by program, the
 * device's time in each, and transfers from the device; beside the same with SGD on the host.
 *
 *     deno task bench:kernels
 *     deno task bench:kernels --size small --json
 */
import { loadTfjs } from "../../src/deps.ts";
import { UserError } from "../../src/errors.ts";
import { alternate, benchOptions, EUROSAT_BASE, printJson, printTable, round, timed } from "../measure.ts";
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

/** An epoch: milliseconds a step. */
async function epoch(way: SgdSteps): Promise<number> {
  return await timed(async () => {
    for (let i = 0; i < STEPS; i++) await way.step(batch);
    await way.read();
  }) / STEPS;
}

/** Transfers from the device in an epoch. */
async function transfersOf(way: SgdSteps): Promise<number> {
  const before = transfers;
  await epoch(way);
  return transfers - before;
}

// The first step also computes what depends on frozen numbers alone.
for (const way of Object.values(ways)) await way.step(batch);
await ways.device.read();
const before = engine.kernelCount();
const names = await programsOf(step);
const kernels = engine.kernelCount() - before;
const hostDispatches = (await programsOf(() => ways.host.step(batch))).length;
await ways.device.read();
const fromDevice = { steps: STEPS, device: await transfersOf(ways.device), host: await transfersOf(ways.host) };
const [ms, hostMs] = (await alternate(options.rounds, [() => epoch(ways.device), () => epoch(ways.host)]))
  .map((ms) => round(ms, 3));
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
