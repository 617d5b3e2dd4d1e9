/** Training on an engine whose device is apart from the host: the engine `cpu` plays it. */
import { assertEquals, assertMatch, assertRejects } from "jsr:@std/assert@1.0.19";
import { openMethod } from "../../bench/prompt_bench.ts";
import { UserError } from "../../src/errors.ts";
import type { PromptLearning } from "../../src/methods/method.ts";
import { prograd } from "../../src/methods/prograd.ts";
import { prometar } from "../../src/methods/prometar.ts";
import type { PromptSettings } from "../../src/methods/prompt_settings.ts";
import type { DeviceRead } from "../../src/prompt/device_steps.ts";
import type { PromptSession } from "../../src/prompt/session.ts";
import { optimizerPlace } from "../../src/run/prompt_learner.ts";
import { deviceSteps } from "../../src/train/device_steps.ts";
import { train } from "../../src/train/loop.ts";
import type { StepRecord, Trainable, TrainingState } from "../../src/train/training.ts";
import { apartEngine } from "../engine/apart.ts";
import { assertDeviceSteps, assertStops, deviceBench, deviceRun } from "./device_cases.ts";

for (const joinOutputs of [false, true]) {
  const how = joinOutputs ? "in one piece" : "one by one";
  Deno.test(`optimisers on the device do what the host's do, to the same bits however a run is cut: read ${how}`, async () => {
    const engine = await apartEngine({ joinOutputs });
    await assertDeviceSteps(engine, { tolerance: 1e-4, cuts: joinOutputs ? [6] : [1, 4, 6] });
    await engine.dispose();
  });
}

Deno.test("a loss that is not finite names its step, though it is read later; nothing is saved, nothing stays on the device", async () => {
  const engine = await apartEngine();
  await assertStops(engine);
  await engine.dispose();
});

Deno.test("what stays on the host says why; where the optimiser runs is told", async () => {
  const engine = await apartEngine();
  const { model, open } = await deviceBench(engine);
  const opened: PromptSession[] = [await open()];
  for (const method of [prograd, prometar]) {
    opened.push(await openMethod(model, method as PromptLearning<PromptSettings>, ["Forest", "River"]));
  }
  const [cocoop, twoLosses, meta] = opened;
  const rows = /^a step of \d+ token rows is run in pieces$/;
  assertEquals(cocoop.onDevice?.obstacle(2), undefined);
  assertMatch(cocoop.onDevice?.obstacle(100_000) ?? "", rows);
  assertEquals(twoLosses.onDevice?.obstacle(2), "the method makes one gradient of two");
  assertEquals(meta.onDevice?.obstacle(2), "the method learns how to regularise, by a second step");
  assertEquals(opened.map((session) => optimizerPlace(session, 2)), [
    "The optimiser runs on the device; what it has learned is read once an epoch.",
    "The optimiser runs on the host, since the method makes one gradient of two.",
    "The optimiser runs on the host, since the method learns how to regularise, by a second step.",
  ]);
  assertEquals(optimizerPlace({}, 2), undefined);
  // It trains all the same.
  const { losses } = await train(
    twoLosses,
    deviceRun({ schedule: { rate: 0.01, epochs: 1, warmupEpochs: 0, warmupRate: 0 } }),
  );
  assertEquals(losses.length, 4);
  for (const session of opened) await session.dispose();
  await model.dispose();
  await engine.dispose();
});

/** A training that gives what it is told to. */
function told(read: () => Partial<DeviceRead>): { onDevice: NonNullable<Trainable["onDevice"]>; reads: number[] } {
  let waiting = 0;
  const reads: number[] = [];
  return {
    reads,
    onDevice: {
      obstacle: () => undefined,
      open: () => ({
        step: () => Promise.resolve(void waiting++),
        read() {
          reads.push(waiting);
          const losses = new Array<number>(waiting).fill(1);
          waiting = 0;
          const one = () => ({ ctx: Float32Array.of(1) });
          return Promise.resolve({ losses, params: one(), velocity: one(), ...read() });
        },
        close: () => Promise.resolve(),
      }),
    },
  };
}

const batch = { imageFeatures_BE: { shape: [1, 1], data: Float32Array.of(1) }, labels: Int32Array.of(0) };
const freshState = (): TrainingState => ({
  step: 0,
  losses: [],
  params: { ctx: { shape: [1], data: Float32Array.of(0) } },
  velocity: {},
  order: [],
});
const at = (step: number) => ({ step, epoch: 1, lr: 0.1, rates: {} });
const SGD = { momentum: 0.9, weightDecay: 0 };

Deno.test("what a bad gradient leaves behind stops the run, and the message says which steps it can have been", async () => {
  const bad = { ctx: Float32Array.of(NaN) };
  for (
    const [read, words] of [
      [{ velocity: bad }, "in steps 1 to 2 (epoch 1): the momentum of ctx is not finite"],
      [{ params: bad }, "in steps 1 to 2 (epoch 1): the learned ctx is not finite"],
      [
        { params: { ctx: Float32Array.of(-1e30) } },
        "in steps 1 to 2 (epoch 1): the learned ctx has numbers of 1e+30, too large to compute with",
      ],
      [{ squares: bad }, "in steps 1 to 2 (epoch 1): Adam's mean of the squared gradients of ctx is not finite"],
      [{ losses: [1, Infinity], velocity: bad }, "at step 2 (epoch 1): the loss (Infinity) is not finite"],
    ] as const
  ) {
    const state = freshState();
    const steps = deviceSteps(told(() => read as Partial<DeviceRead>).onDevice, state, SGD);
    assertEquals(await steps.step(batch, at(1), { due: false }), []);
    await assertRejects(() => steps.step(batch, at(2), { due: true }), UserError, words);
    assertEquals([...state.params.ctx.data], [0]);
  }
  const steps = deviceSteps(told(() => ({ velocity: bad })).onDevice, freshState(), SGD);
  await assertRejects(
    () => steps.step(batch, at(7), { due: true }),
    UserError,
    "at step 7 (epoch 1): the momentum of ctx",
  );
});

Deno.test("nothing is read before it is due, but for a long wait or many losses", async () => {
  const records: StepRecord[][] = [];
  async function readsOf(patience: { ms: number; steps: number }): Promise<number[]> {
    const { onDevice, reads } = told(() => ({}));
    const state = freshState();
    const steps = deviceSteps(onDevice, state, { ...SGD, patience });
    records.length = 0;
    for (let step = 1; step <= 7; step++) records.push(await steps.step(batch, at(step), { due: step === 7 }));
    assertEquals(records.flat().map(({ step, loss }) => [step, loss]), [1, 2, 3, 4, 5, 6, 7].map((step) => [step, 1]));
    assertEquals([...state.params.ctx.data, ...state.velocity.ctx], [1, 1]);
    return reads;
  }
  assertEquals(await readsOf({ ms: 1e9, steps: 500 }), [7]);
  assertEquals(await readsOf({ ms: 1e9, steps: 3 }), [3, 3, 1]);
  assertEquals(await readsOf({ ms: 0, steps: 500 }), [1, 1, 1, 1, 1, 1, 1]);
});
