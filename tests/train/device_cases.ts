/** Training whose optimiser runs on an engine's device, beside the same on the host. */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { noiseTensor, randomClip } from "../../bench/random_clip.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { namedStream } from "../../src/data/random.ts";
import type { Engine } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { cocoopPrompt } from "../../src/methods/cocoop.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { gaussianWeights } from "../../src/optim/prompt_average.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { train } from "../../src/train/loop.ts";
import type { Trainable, TrainingState, TrainOptions } from "../../src/train/training.ts";

const E = 32;
const CLASSES = ["Forest", "River"];
const EPOCHS = 3;
const PER_EPOCH = 4;
const STEPS = EPOCHS * PER_EPOCH;

/** A model, and prompts that all start at the same numbers. */
export interface DeviceBench {
  model: ClipModel;
  open(): Promise<PromptSession>;
}

/** A model of one block. */
export async function deviceBench(engine: Engine): Promise<DeviceBench> {
  const tower = { width: 64, layers: 1, heads: 1 };
  const config = {
    embedding: E,
    image: { size: 8, patch: 4, ...tower },
    text: { context: 77, vocabulary: 49408, ...tower },
  };
  const model = loadModel(randomClip(config), { engine, tokenizer: await loadTokenizer() });
  return {
    model,
    open: () =>
      openPrompt(model, {
        method: cocoopPrompt({
          contextTokens: 4,
          initWords: "a photo of a",
          model,
          random: namedStream(1, "context-init"),
          embedding: E,
          metaNetRandom: namedStream(1, "meta-net-init"),
        }),
        classNames: CLASSES,
      }),
  };
}

/** Three epochs of four steps on nine images. */
export function deviceRun(options: Partial<TrainOptions> = {}): TrainOptions {
  const labels = Int32Array.from({ length: 9 }, (_, i) => i % 2);
  return {
    images: {
      labels,
      views: 2,
      view: (index) => Promise.resolve(normalizeRows(noiseTensor([labels.length, E], 20 + index))),
    },
    batchSize: 2,
    schedule: { rate: 0.05, epochs: EPOCHS, warmupEpochs: 1, warmupRate: 0.01 },
    momentum: 0.9,
    weightDecay: 5e-4,
    order: namedStream(1, "batch-order"),
    // Reads are counted, however slow the machine is.
    patience: { ms: Infinity, steps: 500 },
    ...options,
  };
}

/** The engine, with a count of what is read from its device. */
export function countedReads(engine: Engine): { engine: Engine; reads(): number } {
  let reads = 0;
  const { memory } = engine;
  const read: NonNullable<Engine["memory"]>["read"] = (values) => {
    reads++;
    return memory!.read(values);
  };
  return { engine: { ...engine, memory: { ...memory!, read } }, reads: () => reads };
}

const VARIANTS: Readonly<Record<string, Partial<TrainOptions>>> = {
  "SGD": {},
  "SGD with rates of their own": { rates: { ctx: 6.5, "meta_net.linear1.weight": 0.5 } },
  "SGD without momentum and decay": { momentum: 0, weightDecay: 0 },
  "SGD with an average": { average: gaussianWeights(EPOCHS, { mean: 2, deviation: 1 }), share: 0.5 },
  "Adam": {
    optimizer: { name: "adam", epsilon: 1e-3 },
    schedule: { rate: 0.002, epochs: EPOCHS, warmupEpochs: 0, warmupRate: 0 },
  },
  "AdamW": {
    optimizer: { name: "adamw", epsilon: 1e-8 },
    weightDecay: 0.1,
    schedule: { rate: 0.002, epochs: EPOCHS, warmupEpochs: 0, warmupRate: 0 },
  },
};

/** Enough for a device, where a step takes longer. */
export const FEW = ["SGD with rates of their own", "SGD with an average", "AdamW"];

/** The largest difference of two sets of numbers, as a share of the largest number. */
function apart(found: Record<string, Float32Array>, wanted: Record<string, Float32Array>): number {
  assertEquals(Object.keys(found).sort(), Object.keys(wanted).sort());
  return Math.max(
    ...Object.entries(wanted).map(([name, data]) => {
      const largest = Math.max(...data.map(Math.abs));
      return Math.max(...data.map((value, i) => Math.abs(value - found[name][i]))) / largest;
    }),
  );
}

const numbersOf = (params: TrainingState["params"]) =>
  Object.fromEntries(Object.entries(params).map(([name, { data }]) => [name, data]));

/**
 * Fails unless every optimiser on the device does what it does on the host, reads once an epoch, gives the same bits however
 * often it is read and wherever it is cut, and leaves nothing on the device.
 */
export async function assertDeviceSteps(
  on: Engine,
  { tolerance, cuts, variants = Object.keys(VARIANTS) }: {
    tolerance: number;
    cuts: readonly number[];
    variants?: readonly string[];
  },
): Promise<void> {
  const { engine, reads } = countedReads(on);
  const { model, open } = await deviceBench(engine);
  for (const variant of variants) {
    const options = VARIANTS[variant];
    const [host, device] = [await open(), await open()];
    assertEquals(device.onDevice?.obstacle(2), undefined);
    const wanted = await train({ ...host, onDevice: undefined }, deviceRun(options));
    const before = reads();
    const lines: number[] = [];
    const found = await train(device, deviceRun({ ...options, onStep: ({ step }) => void lines.push(step) }));
    assertEquals(reads() - before, EPOCHS, variant);
    assertEquals(lines, Array.from({ length: STEPS }, (_, i) => i + 1));
    assertEquals(found.step, STEPS);
    const off = Math.max(
      apart(numbersOf(found.params), numbersOf(wanted.params)),
      apart(found.velocity, wanted.velocity),
      wanted.squares ? apart(found.squares!, wanted.squares) : 0,
      ...wanted.losses.map((loss, i) => Math.abs(loss - found.losses[i])),
    );
    console.log(`${on.name}: ${variant}: off by ${off.toExponential(1)}`);
    assert(off < tolerance, `${variant}: off by ${off}`);
    assert(apart(numbersOf((await open()).params), numbersOf(found.params)) > 1e-3, `${variant}: nothing is learned`);

    // A checkpoint after every step reads after every step; the numbers stay, also when a run begins at one.
    const kept: Uint8Array[] = [];
    const often = await open();
    const save = (state: TrainingState) => Promise.resolve(void kept.push(encodeCheckpoint(state, {})));
    const end = await train(often, deviceRun({ ...options, checkpointEvery: 1, save }));
    assertEquals([often.params, end.velocity, end.squares], [device.params, found.velocity, found.squares]);
    assertEquals(end.losses, found.losses);
    assertEquals(kept.length, STEPS);
    for (const at of cuts) {
      const { state: resume } = decodeCheckpoint(kept[at - 1], "a checkpoint");
      assertEquals(resume.step, at);
      const tensors = engine.tensorCount();
      const resumed = await open();
      const last = await train(resumed, deviceRun({ ...options, resume }));
      assertEquals([resumed.params, last.velocity, last.squares], [device.params, found.velocity, found.squares]);
      assertEquals(last.losses, found.losses);
      await resumed.dispose();
      assertEquals(engine.tensorCount(), tensors, variant);
    }
    if (options.average) {
      // The ends of epochs count, wherever checkpoints are.
      const seldom = await open();
      const before = reads();
      const { losses } = await train(
        seldom,
        deviceRun({ ...options, checkpointEvery: 5, save: () => Promise.resolve() }),
      );
      assertEquals(reads() - before, [4, 5, 8, 10, 12].length);
      assertEquals([seldom.params, losses], [device.params, found.losses]);
      await seldom.dispose();
    }
    for (const session of [host, device, often]) await session.dispose();
  }
  await model.dispose();
}

/** Fails unless a loss that is not finite stops the run by its step's number, and leaves nothing saved or on the device. */
export async function assertStops(engine: Engine): Promise<void> {
  const { model, open } = await deviceBench(engine);
  const left: number[] = [];
  for (let round = 0; round < 2; round++) {
    const session = await open();
    const saved: number[] = [];
    let steps = 0;
    const spoilt: Trainable = {
      ...session,
      onDevice: {
        obstacle: () => undefined,
        open(options) {
          const training = session.onDevice!.open(options);
          return {
            ...training,
            step(batch, at) {
              if (++steps === 6) batch.imageFeatures_BE!.data.fill(NaN);
              return training.step(batch, at);
            },
          };
        },
      },
    };
    const options = deviceRun({ save: ({ step }) => Promise.resolve(void saved.push(step)) });
    await assertRejects(
      () => train(spoilt, options),
      UserError,
      "Training stopped at step 6 (epoch 2): the loss (NaN) is not finite. The last checkpoint is kept.",
    );
    assertEquals([steps, saved], [8, [4]]);
    assert(Object.values(session.params).every(({ data }) => data.every(Number.isFinite)));
    await session.dispose();
    left.push(engine.tensorCount());
  }
  assertEquals(left[1], left[0]);
  await model.dispose();
}
