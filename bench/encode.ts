/**
 * The image tower at ViT-B/16's size, 224 × 224, in batches of 8.
 *
 *     deno task bench:encode --pytorch --json
 */
import { loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { alternate, benchOptions, besides, printJson, printTable, productRate, round, timed } from "./measure.ts";
import { countProducts } from "./count_products.ts";
import { noiseTensor, randomClip } from "./random_clip.ts";

const BATCH = 8;
const options = await benchOptions("encode", 5);
const { engine, flops } = countProducts(options.engine, [4 * options.size.image.width]);
const model = loadModel(randomClip(options.size), { engine, tokenizer: await loadTokenizer() });
const { size, patch } = options.size.image;
const patches = noiseTensor([BATCH, (size / patch) ** 2, 3 * patch * patch], 3);
const peak = productRate(engine, options);
const pytorch = await besides(options, { kind: "encode", tokens: [], images: BATCH });
const before = flops();
await model.encodeImages(patches);
const work = flops() - before;
const [ms, peakGflops, ...beside] = await alternate(options.rounds, [
  () => timed(() => model.encodeImages(patches)),
  () => peak.run(),
  ...pytorch.runs,
]);
await pytorch.close();
const gflops = work / ms / 1e6;
const result = {
  bench: "encode",
  engine: engine.name,
  device: engine.device,
  size: options.sizeName,
  threads: options.threads,
  ms: round(ms, 3),
  imagesPerSecond: round(BATCH * 1000 / ms, 2),
  gflops: round(gflops),
  peakGflops: round(peakGflops),
  fractionOfPeak: round(gflops / peakGflops, 3),
  residentMB: round(Deno.memoryUsage().rss / 1e6, 0),
  ...pytorch.results(ms, beside),
};
console.log(`Image tower, ${options.sizeName} size, ${size} × ${size}, batches of ${BATCH}`);
printTable([["", "median"], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await model.dispose();
await engine.dispose();
