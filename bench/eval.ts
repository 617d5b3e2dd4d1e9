/**
 * CoCoOp evaluation from cached features at ViT-B/16's size: 100 images × 5 classes.
 *
 *     deno task bench:eval --pytorch --json
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
import { promptBench } from "./prompt_bench.ts";

const IMAGES = 100;
const options = await benchOptions("eval", 3);
const { engine, flops } = countProducts(options.engine, [4 * options.size.text.width]);
const bench = await promptBench(engine, EUROSAT_BASE, options.size);
const images = bench.images(IMAGES);
const peak = productRate(engine, options);
const pytorch = await besides(options, { kind: "eval", tokens: bench.tokens, images: IMAGES });
const before = flops();
await bench.session.logits(images);
const work = flops() - before;
const [ms, peakGflops, ...beside] = await alternate(options.rounds, [
  () => timed(() => bench.session.logits(images)),
  () => peak.run(),
  ...pytorch.runs,
]);
await pytorch.close();
const gflops = work / ms / 1e6;
const result = {
  bench: "eval",
  engine: engine.name,
  device: engine.device,
  size: options.sizeName,
  threads: options.threads,
  ms: round(ms, 3),
  imagesPerSecond: round(IMAGES * 1000 / ms),
  gflops: round(gflops),
  peakGflops: round(peakGflops),
  fractionOfPeak: round(gflops / peakGflops, 3),
  residentMB: round(Deno.memoryUsage().rss / 1e6, 0),
  ...pytorch.results(ms, beside),
};
console.log(`CoCoOp evaluation, ${options.sizeName} size, ${IMAGES} images × 5 classes from cached features`);
printTable([["", "median"], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await engine.dispose();
