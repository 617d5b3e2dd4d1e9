/**
 * The image tower at ViT-B/16's size, 224 × 224, in batches of 8.
 *
 *     deno task bench:encode --pytorch --json
 */
import { loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import {
  alternate,
  benchOptions,
  printJson,
  printTable,
  productRate,
  publishedPytorch,
  round,
  timed,
} from "./measure.ts";
import { countProducts } from "./count_products.ts";
import { noiseTensor, randomClip, VIT_B_16 } from "./random_clip.ts";

const BATCH = 8;
const options = await benchOptions("encode", 5);
const { engine, flops } = countProducts(options.engine, [4 * VIT_B_16.image.width]);
const model = loadModel(randomClip(VIT_B_16), { engine, tokenizer: await loadTokenizer() });
const { size, patch } = VIT_B_16.image;
const patches = noiseTensor([BATCH, (size / patch) ** 2, 3 * patch * patch], 3);
const peak = productRate(engine);
const pytorch = options.pytorch
  ? await publishedPytorch("encode", { threads: options.threads, tokens: [], images: BATCH })
  : undefined;
const before = flops();
await model.encodeImages(patches);
const work = flops() - before;
const [ms, peakGflops, pytorchMs] = await alternate(options.rounds, [
  () => timed(() => model.encodeImages(patches)),
  () => peak.run(),
  ...(pytorch ? [() => pytorch.run()] : []),
]);
await pytorch?.close();
const gflops = work / ms / 1e6;
const result = {
  bench: "encode",
  engine: engine.name,
  device: engine.device,
  threads: options.threads,
  ms: round(ms),
  imagesPerSecond: round(BATCH * 1000 / ms, 2),
  gflops: round(gflops),
  peakGflops: round(peakGflops),
  fractionOfPeak: round(gflops / peakGflops, 3),
  ...(pytorchMs === undefined ? {} : { pytorchMs: round(pytorchMs), ratio: round(pytorchMs / ms, 2) }),
};
console.log(`Image tower, ViT-B/16 size, ${size} × ${size}, batches of ${BATCH}`);
printTable([["", "median"], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await model.dispose();
await engine.dispose();
