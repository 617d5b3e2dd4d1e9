/**
 * One CoCoOp training step at ViT-B/16's size: contexts → loss → gradients → SGD, 4 images × 5 classes, 4 context tokens.
 *
 *     deno task bench:step --pytorch --json
 */
import {
  alternate,
  benchOptions,
  besides,
  EUROSAT_BASE,
  printJson,
  printTable,
  productRate,
  round,
  timed,
} from "./measure.ts";
import { countProducts } from "./count_products.ts";
import { promptBench, type SgdSteps, sgdSteps } from "./prompt_bench.ts";

const STEPS_A_TURN = 4;
const options = await benchOptions("step", 9);
const { engine, flops } = countProducts(options.engine, [4 * options.size.text.width]);
const bench = await promptBench(engine, EUROSAT_BASE, options.size);
const batch = { imageFeatures_BE: bench.images(4), labels: [0, 1, 2, 3] };
// Where the engine's device is apart from the host, SGD on the host is timed beside it.
const ways = [...bench.session.onDevice === undefined ? [] : ["device" as const], "host" as const]
  .map((where) => sgdSteps(bench.session, where));
const [steps] = ways;

/** A turn is a stretch of training: one step is too short beside what the contestant before left in the caches. */
async function severalSteps(way: SgdSteps): Promise<number> {
  return await timed(async () => {
    for (let i = 0; i < STEPS_A_TURN; i++) await way.step(batch);
    await way.read();
  }) / STEPS_A_TURN;
}

const peak = productRate(engine, options);
const pytorch = await besides(options, { kind: "step", tokens: bench.tokens, images: 4 });

// The first step also computes what depends on frozen numbers alone.
await steps.step(batch);
const [kernelsBefore, flopsBefore] = [engine.kernelCount(), flops()];
await steps.step(batch);
const kernels = engine.kernelCount() - kernelsBefore;
const flopsPerStep = flops() - flopsBefore;
const [peakGflops, ms, ...others] = await alternate(options.rounds, [
  () => peak.run(),
  ...ways.map((way) => () => severalSteps(way)),
  ...pytorch.runs,
]);
const [hostMs, ...beside] = ways.length === 1 ? [ms, ...others] : others;
await pytorch.close();
for (const way of ways) await way.close();
const gflops = flopsPerStep / ms / 1e6;
const result = {
  bench: "step",
  engine: engine.name,
  device: engine.device,
  size: options.sizeName,
  threads: options.threads,
  ms: round(ms, 3),
  gflops: round(gflops),
  peakGflops: round(peakGflops),
  fractionOfPeak: round(gflops / peakGflops, 3),
  residentMB: round(Deno.memoryUsage().rss / 1e6, 0),
  kernelsPerStep: kernels,
  sgdOn: ways.length === 1 ? "host" : "device",
  ...(ways.length > 1 && { sgdOnHostMs: round(hostMs, 3) }),
  ...pytorch.results(ms, beside),
};
console.log(
  `CoCoOp step, ${options.sizeName} size, 4 images × 5 classes, ${bench.session.tokenRows} token rows an image`,
);
printTable([["", "median"], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await engine.dispose();
