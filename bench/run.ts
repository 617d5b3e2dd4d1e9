/**
 * A whole run of preset seed-notebook for CoCoOp at ViT-B/16's size, from cached features: 2,000 training steps, then the
 * 4,200 base and 3,900 new test images of EuroSAT. A T4 took 6 min 15 s in PyTorch for the training and the base images.
 *
 *     deno task bench:run --json
 */
import { namedStream } from "../src/data/random.ts";
import { train } from "../src/train/loop.ts";
import { cocoop } from "../src/methods/cocoop.ts";
import type { PromptSettings } from "../src/methods/prompt_settings.ts";
import { completeSettings } from "../src/run/config.ts";
import { openPrompt, type PromptSession } from "../src/prompt/session.ts";
import { benchOptions, EUROSAT_BASE, EUROSAT_NEW, printJson, printTable, round, timed } from "./measure.ts";
import { promptBench } from "./prompt_bench.ts";

const SHOTS = 16;
const TEST_IMAGES = { base: 4200, new: 3900 };
const TEST_BATCH = 100;

const options = await benchOptions("run", 1);
const { engine } = options;
const { epochs, batchSize, lr, momentum, weightDecay, warmupEpochs, warmupLr } = completeSettings(cocoop, {})
  .values as PromptSettings;
const bench = await promptBench(engine, EUROSAT_BASE);
const labels = Int32Array.from({ length: SHOTS * EUROSAT_BASE.length }, (_, i) => Math.floor(i / SHOTS));
const features = bench.images(labels.length);

async function evaluate(session: PromptSession, images: number): Promise<void> {
  const batch = bench.images(TEST_BATCH);
  for (let done = 0; done < images; done += TEST_BATCH) await session.logits(batch);
}

let steps = 0;
const trainMs = await timed(async () => {
  const { step } = await train(bench.session, {
    images: { labels, views: 1, view: () => Promise.resolve(features) },
    batchSize,
    schedule: { rate: lr, epochs, warmupEpochs, warmupRate: warmupLr },
    momentum,
    weightDecay,
    order: namedStream(1, "batch-order"),
  });
  steps = step;
});
const baseMs = await timed(() => evaluate(bench.session, TEST_IMAGES.base));
const fresh = await openPrompt(bench.model, { method: bench.session.method, classNames: EUROSAT_NEW });
const newMs = await timed(() => evaluate(fresh, TEST_IMAGES.new));

const seconds = (ms: number) => round(ms / 1000);
const result = {
  bench: "run",
  engine: engine.name,
  device: engine.device,
  threads: options.threads,
  steps,
  trainSeconds: seconds(trainMs),
  evalBaseSeconds: seconds(baseMs),
  evalNewSeconds: seconds(newMs),
  totalSeconds: seconds(trainMs + baseMs + newMs),
};
console.log("CoCoOp, ViT-B/16 size, preset seed-notebook, from cached features");
printTable([["", ""], ...Object.entries(result).map(([key, value]) => [key, String(value)])]);
printJson(options, result);
await fresh.dispose();
await engine.dispose();
