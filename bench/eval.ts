/**
 * CoCoOp evaluation from cached features at ViT-B/16's size: 100 images × 5 classes.
 *
 *     deno task bench:eval --pytorch --json
 */
import {
  alternate,
  benchOptions,
  EUROSAT_BASE,
  printJson,
  printTable,
  productRate,
  publishedPytorch,
  round,
  timed,
} from "./measure.ts";
import { countProducts } from "./count_products.ts";
import { promptBench } from "./prompt_bench.ts";
import { VIT_B_16 } from "./random_clip.ts";

const IMAGES = 100;
const options = await benchOptions("eval", 3);
const { engine, flops } = countProducts(options.engine, [4 * VIT_B_16.text.width]);
const bench = await promptBench(engine, EUROSAT_BASE);
const images = bench.images(IMAGES);
const peak = productRate(engine);
const pytorch = options.pytorch
  ? await publishedPytorch("eval", { threads: options.threads, tokens: bench.tokens, images: IMAGES })
  : undefined;
const before = flops();
await bench.session.logits(images);
const work = flops() - before;
const [ms, peakGflops, pytorchMs] = await alternate(options.rounds, [
  () => timed(() => bench.session.logits(images)),
  () => peak.run(),
  ...(pytorch ? [() => pytorch.run()] : []),
]);
await pytorch?.close();
const gflops = work / ms / 1e6;
const result = {
  bench: "eval",
  engine: engine.name,
  device: engine.device,
  threads: options.threads,
  ms: round(ms),
  imagesPerSecond: round(IMAGES * 1000 / ms),
  gflops: round(gflops),
  peakGflops: round(peakGflops),
  fractionOfPeak: round(gflops / peakGflops, 3),
  ...(pytorchMs === undefined ? {} : { pytorchMs: round(pytorchMs), ratio: round(pytorchMs / ms, 2) }),
};
console.log(`CoCoOp evaluation, ViT-B/16 size, ${IMAGES} images × 5 classes from cached features`);
printTable([["", "median"], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await engine.dispose();
