/**
 * Methods with prompts inside both towers at ViT-B/16's size, by their first presets: a training step of 4 images × 5
 * classes (learned rows → both towers → loss → gradients → SGD), and the evaluation of images that are not stored yet.
 *
 *     deno task bench:towers --pytorch --json
 */
import { maple } from "../src/methods/maple.ts";
import { promptsrc } from "../src/methods/promptsrc.ts";
import { normalizeRows } from "../src/methods/zero_shot.ts";
import { sgdStep } from "../src/optim/sgd.ts";
import type { PromptSession } from "../src/prompt/session.ts";
import { promptLogits } from "../src/run/prompt_learner.ts";
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
import { benchModel, noisePatches, openMethod, placeholderTokens } from "./prompt_bench.ts";
import { noiseTensor } from "./random_clip.ts";

const STEP_IMAGES = 4;
/** A published test batch has 100 images; this is as many whole batches of the kit's as fit. */
const TEST_IMAGES = 96;
const IMAGES_AT_ONCE = 32;
/** Evaluation takes longer than steps, and its times spread less. */
const EVALUATIONS_LESS = 3;

const options = await benchOptions("towers", 9);
const widths = [options.size.text.width, options.size.image.width];
const { engine, flops } = countProducts(options.engine, widths.map((width) => 4 * width));
const model = await benchModel(engine, options.size);
const tokens = placeholderTokens(model, EUROSAT_BASE);
const peak = productRate(engine, options);

/** One contest: ours, the machine's product rate, and the published code's. */
async function contest(
  what: string,
  work: () => Promise<void>,
  published: { kind: string; images: number; rounds: number },
): Promise<Record<string, string | number>> {
  const { kind, images, rounds } = published;
  const pytorch = await besides(options, { kind, tokens, images, script: "towers" });
  // The first time also prepares programs.
  await work();
  const before = flops();
  await work();
  const done = flops() - before;
  const [ms, peakGflops, ...beside] = await alternate(rounds, [
    () => timed(work),
    () => peak.run(),
    ...pytorch.runs,
  ]);
  await pytorch.close();
  // What the engine took for the largest moment of a step, it keeps.
  const resident = Deno.memoryUsage().rss;
  const gflops = done / ms / 1e6;
  return {
    what,
    ms: round(ms, 3),
    gflops: round(gflops),
    peakGflops: round(peakGflops),
    fractionOfPeak: round(gflops / peakGflops, 3),
    residentMB: round(resident / 1e6, 0),
    ...pytorch.results(ms, beside),
  };
}

/** A training step, with the stored features of its views at hand. */
function stepOf(session: PromptSession): () => Promise<void> {
  const batch = {
    imageFeatures_BE: normalizeRows(noiseTensor([STEP_IMAGES, model.config.embedding], 5)),
    patches_BNK: noisePatches(STEP_IMAGES, options.size),
    labels: [0, 1, 2, 3],
  };
  const velocity = {};
  return async () => {
    const { gradients } = await session.step(batch);
    sgdStep(session.params, gradients, { learningRate: 0.0025, momentum: 0.9, weightDecay: 5e-4, velocity });
  };
}

/** Text features once, images a batch at a time, logits: what an evaluation does with decoded images. */
function evaluationOf(session: PromptSession): () => Promise<void> {
  const patches = noisePatches(IMAGES_AT_ONCE, options.size);
  return async () => {
    const logits = await promptLogits(model, session, { learnedFrom: true });
    for (let done = 0; done < TEST_IMAGES; done += IMAGES_AT_ONCE) await logits(await session.encodeImages!(patches));
  };
}

const STEPS = {
  maple: () => openMethod(model, maple, EUROSAT_BASE),
  promptsrc: () => openMethod(model, promptsrc, EUROSAT_BASE),
};
const results = [];
for (const [kind, open] of Object.entries(STEPS)) {
  const session = await open();
  const { rounds } = options;
  results.push(await contest(`${kind} step`, stepOf(session), { kind, images: STEP_IMAGES, rounds }));
  await session.dispose();
}
const session = await STEPS.maple();
results.push(
  await contest(`evaluation of ${TEST_IMAGES} images`, evaluationOf(session), {
    kind: "maple_eval",
    images: TEST_IMAGES,
    rounds: Math.ceil(options.rounds / EVALUATIONS_LESS),
  }),
);
await session.dispose();
console.log(
  `Prompts inside both towers, ${options.sizeName} size, steps of ${STEP_IMAGES} images × ${EUROSAT_BASE.length} classes`,
);
console.log(`${engine.device}, ${options.threads} threads`);
printTable([Object.keys(results[0]), ...results.map((row) => Object.values(row).map(String))]);
printJson(options, {
  bench: "towers",
  engine: engine.name,
  device: engine.device,
  size: options.sizeName,
  threads: options.threads,
  results,
});
await peak.close();
await model.dispose();
await engine.dispose();
