/**
 * Methods on features with 1,000 classes: products beside ml-matrix's, alternately, and what learning takes. Seconds are
 * those of the processor; all of it runs on one thread.
 *
 *     deno task bench:features --json
 */
import process from "node:process";
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { learnClipAdapter } from "../src/methods/clip_adapter.ts";
import { type FeatureTask, toMatrix } from "../src/methods/feature_method.ts";
import { learnGda } from "../src/methods/gda.ts";
import { logisticRegression } from "../src/methods/linear_probe.ts";
import { learnLpPlusPlus } from "../src/methods/lp_plus_plus.ts";
import { product } from "../src/methods/product.ts";
import { learnTipAdapter } from "../src/methods/tip_adapter.ts";
import { featureLogits, normalizeRows } from "../src/methods/zero_shot.ts";
import names from "./imagenet_classes.json" with { type: "json" };
import { median, printJson, printTable, round } from "./measure.ts";
import { noiseTensor } from "./random_clip.ts";

const ROUNDS = 3;
const SHAPES = [[1000, 128, 1000], [1000, 512, 1000], [32, 512, 1000], [512, 4000, 512]] as const;

const args = parseArgs(Deno.args, {
  string: ["width", "shots"],
  boolean: ["json", "help"],
  default: { width: "512", shots: "1" },
});
if (args.help) {
  console.log("deno task bench:features [--width 512] [--shots 1] [--json]\n\nMinutes at the width of ViT-B/16, 512.");
  Deno.exit();
}
const [C, E, shots] = [names.length, Number(args.width), Number(args.shots)];

/** Seconds of the processor. */
function seconds(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** Images of each class around a point of its own. */
function labelled(images: number, seed: number): FeatureTask["val"] {
  const points = noiseTensor([C, E], 1, 1);
  const features_NE = noiseTensor([C * images, E], seed, 1);
  features_NE.data.forEach((value, i) =>
    features_NE.data[i] = value + points.data[Math.floor(i / E / images) * E + i % E]
  );
  return { features_NE, labels: Int32Array.from({ length: C * images }, (_, n) => Math.floor(n / images)) };
}

const products = SHAPES.map(([M, K, N]) => {
  const [a, b] = [toMatrix(noiseTensor([M, K], 1, 1)), toMatrix(noiseTensor([K, N], 2, 1))];
  const times: [number[], number[]] = [[], []];
  product(a, b);
  for (let round = 0; round < ROUNDS; round++) {
    times[0].push(seconds(() => product(a, b)));
    times[1].push(seconds(() => a.mmul(b)));
  }
  const [ours, mmul] = times.map(median);
  return { shape: `${M} × ${K} × ${N}`, gflops: round(2 * M * K * N / ours / 1e9), ratio: round(mmul / ours) };
});

const train = labelled(shots, 2);
const { shape, data } = train.features_NE;
const task: FeatureTask = {
  classNames: names,
  logitScale: 100,
  textFeatures_CE: normalizeRows(noiseTensor([C, E], 3, 1)),
  train: { ...train, views_VNE: { shape: [1, ...shape], data } },
  val: labelled(Math.min(shots, 4), 4),
  seed: 1,
};
const both = new Float32Array(2 * data.length);
both.set(data);
both.set(labelled(shots, 5).features_NE.data, data.length);
const twoViews = { ...task, train: { ...train, views_VNE: { shape: [2, ...shape], data: both } } };
const images = normalizeRows(noiseTensor([1000, E], 6, 1));
const WORK: Record<string, () => unknown> = {
  "logits of 1,000 images": () => featureLogits(images, task.textFeatures_CE, { logitScale: 100 }),
  "LP++, 10 of 300 epochs": () => learnLpPlusPlus(task, { epochs: 10 }),
  "linear probe, one of 23 fits (C = 0.01)": () =>
    logisticRegression(toMatrix(train.features_NE), { labels: train.labels, classes: C, strength: 0.01 }),
  "CLIP-Adapter, one epoch of each of 4 ratios": () => learnClipAdapter(task, { epochs: 1 }),
  "Tip-Adapter": () => learnTipAdapter(task),
  "GDA, all classes, two views": () => learnGda(twoViews, { variant: "few-shot" }),
};
const learning = Object.entries(WORK).map(([what, work]) => ({ what, seconds: round(seconds(work), 2) }));

printTable([
  ["product", "GFLOP/s", "faster than ml-matrix"],
  ...products.map(({ shape, gflops, ratio }) => [shape, String(gflops), String(ratio)]),
]);
console.log();
printTable([
  [`${C} classes, ${shots} shots, features of ${E}`, "seconds"],
  ...learning.map(({ what, seconds }) => [what, seconds.toFixed(2)]),
]);
printJson({ json: args.json }, { bench: "features", classes: C, shots, width: E, products, learning });
