import { assert, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { gaussianWeights } from "../../src/optim/prompt_average.ts";
import { epochMeans, train } from "../../src/train/loop.ts";
import type { TrainingState, TrainOptions } from "../../src/train/training.ts";
import { assertClose } from "../methods/feature_cases.ts";
import { toyPrompt, toyRun } from "../prompt/toy_prompt.ts";

Deno.test("the loop uses the lr of its epoch, one view an epoch, and learns", async () => {
  const prompt = toyPrompt();
  const views: number[] = [];
  const run = toyRun({ views: 3, onView: (view) => views.push(view) });
  const lines: string[] = [];
  const state = await train(prompt, {
    ...run,
    onStep: ({ step, epoch, lr }) => lines.push(`${step} ${epoch} ${lr.toPrecision(3)}`),
  });
  assertEquals(state.step, 20);
  assertEquals(views, [0, 1, 2, 0, 1]);
  assertEquals(lines.slice(0, 5), ["1 1 0.00100", "2 1 0.00100", "3 1 0.00100", "4 1 0.00100", "5 2 0.100"]);
  const means = epochMeans(state.losses, 4);
  assertEquals(means.length, 5);
  assert(means[4] < means[0], `${means}`);
});

Deno.test("a parameter's own rate is a factor of the cosine's start, leaves the warm-up's alone, and holds when resumed", async () => {
  const states = async (options: Partial<TrainOptions>) => {
    const kept: TrainingState[] = [];
    const save = (state: TrainingState) => Promise.resolve(void kept.push(structuredClone(state)));
    await train(toyPrompt(), { ...toyRun(), checkpointEvery: 1, save, ...options });
    return kept;
  };
  const [plain, twice] = [await states({}), await states({ rates: { bias: 2 } })];
  assertEquals(twice.slice(0, 4), plain.slice(0, 4));
  const [{ params: before }, { params: after, velocity }] = [plain[3], twice[4]];
  assertEquals([after.weight, velocity], [plain[4].params.weight, plain[4].velocity]);
  const rate = Math.fround(-0.2);
  assertEquals(after.bias.data, before.bias.data.map((value, i) => value + rate * velocity.bias[i]));
  assertEquals(await states({ rates: { bias: 2 }, resume: twice[9] }), twice.slice(10));
});

for (const name of ["sgd", "adam", "adamw"] as const) {
  const optimizer = name === "sgd" ? undefined : { name, epsilon: 1e-3 };

  Deno.test(`resuming from any step gives the bits of the uninterrupted run: ${name}`, async () => {
    const whole = toyPrompt();
    const kept: Uint8Array[] = [];
    const expected = await train(whole, {
      ...toyRun(),
      optimizer,
      checkpointEvery: 1,
      save: (state) => Promise.resolve(void kept.push(encodeCheckpoint(state, {}))),
    });
    assertEquals(kept.length, 20);
    for (const bytes of kept) {
      const { state: resume } = decodeCheckpoint(bytes, "x");
      const prompt = toyPrompt();
      const state = await train(prompt, { ...toyRun(), optimizer, resume });
      assertEquals(prompt.params, whole.params, `from step ${resume.step}`);
      assertEquals(state.losses, expected.losses);
      assertEquals([state.velocity, state.squares], [expected.velocity, expected.squares]);
      assertEquals(state.order, expected.order);
    }
  });
}

Deno.test("Adam's first step moves each number by about the rate, and decay enters it in two ways", async () => {
  const [plain, decoupled, sgd] = await Promise.all(["adam", "adamw", "sgd"].map(async (name) => {
    const prompt = toyPrompt();
    const schedule = { rate: 0.1, epochs: 1, warmupEpochs: 0, warmupRate: 0 };
    const optimizer = name === "sgd" ? undefined : { name: name as "adam", epsilon: 1e-8 };
    await train(prompt, { ...toyRun(), batchSize: 18, schedule, weightDecay: 0.5, optimizer });
    return prompt.params.weight.data;
  }));
  // From 0.01 by the sign of the gradient, less 5 % of 0.01 where the decay is its own step.
  const moved = (data: Float32Array, from: number) => [...data].map((value) => Math.abs(value - from));
  assertClose(moved(plain, 0.01), new Array<number>(plain.length).fill(0.1), 1e-5);
  assertClose(moved(decoupled, 0.01 * 0.95), new Array<number>(plain.length).fill(0.1), 1e-5);
  assert(moved(sgd, 0.01).some((by) => Math.abs(by - 0.1) > 0.01));
});

Deno.test("Adam does not go on from a checkpoint of SGD, and an unknown optimiser is refused", async () => {
  const kept: TrainingState[] = [];
  await train(toyPrompt(), { ...toyRun(), save: (state) => Promise.resolve(void kept.push(structuredClone(state))) });
  const options = { ...toyRun(), optimizer: { name: "adam" as const, epsilon: 1e-3 }, resume: kept[0] };
  await assertRejects(() => train(toyPrompt(), options), UserError, "start over with --fresh");
  const unknown = { ...toyRun(), optimizer: { name: "rmsprop" as "adam", epsilon: 1e-3 } };
  await assertRejects(() => train(toyPrompt(), unknown), UserError, 'The method\'s optimizer is "rmsprop"');
});

Deno.test("a Gaussian average and a blend with the start are what is kept, to the same bits however often the run was cut", async () => {
  const average = gaussianWeights(5, { mean: 3, deviation: 1.5 });
  const ends: Float32Array[] = [];
  const plain = toyPrompt();
  const start = plain.params.weight.data.slice();
  await train(plain, {
    ...toyRun(),
    onStep: ({ step }) => step % 4 === 0 && ends.push(plain.params.weight.data.slice()),
  });
  // The mean over epochs and the blend, written out.
  const expected = start.map((from, i) => {
    const mean = ends.reduce((sum, end, epoch) => sum + average[epoch] * end[i], 0);
    return 0.75 * from + 0.25 * mean;
  });

  const options = { ...toyRun(), average, share: 0.25 };
  const whole = toyPrompt();
  const kept: Uint8Array[] = [];
  await train(whole, {
    ...options,
    order: toyRun().order,
    checkpointEvery: 1,
    save: (state) => Promise.resolve(void kept.push(encodeCheckpoint(state, {}))),
  });
  assertClose(whole.params.weight.data, [...expected], 1e-6);
  assert(Math.abs(whole.params.weight.data[0] - plain.params.weight.data[0]) > 1e-3);
  assertEquals(kept.length, 20);
  for (const bytes of kept) {
    const resume = decodeCheckpoint(bytes, "a checkpoint").state;
    assertEquals(resume.average === undefined, resume.step < 4 || resume.step === 20);
    const prompt = toyPrompt();
    await train(prompt, { ...options, order: toyRun().order, resume });
    assertEquals(prompt.params, whole.params, `from step ${resume.step}`);
  }
  const cut = decodeCheckpoint(kept[9], "a checkpoint").state;
  delete cut.average;
  await assertRejects(() => train(toyPrompt(), { ...options, resume: cut }), UserError, "no average");
});

Deno.test("checkpoints come every so many steps, and after the last", async () => {
  const at = async (options: Partial<TrainOptions>) => {
    const steps: number[] = [];
    await train(toyPrompt(), { ...toyRun(), ...options, save: (s) => Promise.resolve(void steps.push(s.step)) });
    return steps;
  };
  assertEquals(await at({}), [4, 8, 12, 16, 20]);
  assertEquals(await at({ checkpointEvery: 7 }), [7, 14, 20]);
});

Deno.test("a loss or gradient that is not finite stops the run, names step and tensor, and is not saved", async () => {
  for (const [broken, words] of [["loss", "the loss (NaN)"], ["gradient", "the gradient of weight"]] as const) {
    const saved: number[] = [];
    const prompt = toyPrompt({ brokenAt: 6, broken });
    const error = await assertRejects(
      () => train(prompt, { ...toyRun(), checkpointEvery: 5, save: (s) => Promise.resolve(void saved.push(s.step)) }),
      UserError,
      `step 6 (epoch 2): ${words}`,
    );
    assert(error instanceof UserError);
    assertEquals(saved, [5]);
    assert(prompt.params.weight.data.every(Number.isFinite));
  }
});

Deno.test("a gradient whose square is not finite stops Adam before it becomes a checkpoint", async () => {
  const prompt = toyPrompt();
  const weight = new Float32Array(6).fill(1e30);
  const huge = {
    ...prompt,
    step: () => Promise.resolve({ loss: 1, gradients: { weight, bias: new Float32Array(2) } }),
  };
  const optimizer = { name: "adam", epsilon: 1e-3 } as const;
  const save = () => Promise.reject(new Error("saved"));
  const error = await assertRejects(() => train(huge, { ...toyRun(), optimizer, checkpointEvery: 1, save }), UserError);
  assert(error.message.includes("step 1 (epoch 1): Adam's mean of the squared gradients of weight"), error.message);
});

Deno.test("learned numbers that are finite and too large to compute with stop the run before they become a checkpoint", async () => {
  const stepTo = (size: number) => {
    const prompt = toyPrompt();
    const weight = new Float32Array(6).fill(-size);
    return train({
      ...prompt,
      step: () => Promise.resolve({ loss: 1, gradients: { weight, bias: new Float32Array(2) } }),
    }, {
      ...toyRun(),
      schedule: { rate: 1, epochs: 1, warmupEpochs: 0, warmupRate: 1 },
      checkpointEvery: 1,
      save: ({ step }) => Promise.reject(new Error(`saved ${step}`)),
    });
  };
  const words = "step 1 (epoch 1): the learned weight after it has numbers of 1e+30, too large to compute with.";
  await assertRejects(() => stepTo(1e30), UserError, words);
  await assertRejects(() => stepTo(2e9), UserError, "has numbers of 2e+9");
  await assertRejects(() => stepTo(9e8), Error, "saved 1");
});

Deno.test("a prompt of another shape is refused by name", async () => {
  let state: TrainingState | undefined;
  await train(toyPrompt(), { ...toyRun(), save: (s) => Promise.resolve(void (state = structuredClone(s))) });
  await assertRejects(
    () => train(toyPrompt({ classes: 3 }), { ...toyRun(), resume: state }),
    UserError,
    "holds bias [2], weight [2, 3] and this method learns bias [3], weight [3, 3]",
  );
});

Deno.test("a step's images are read while the step before it computes, and an error waits for those under way", async () => {
  const events: string[] = [];
  const prompt = toyPrompt({ brokenAt: 3, broken: "loss" });
  const toy = toyRun({ views: 1 });
  const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  let reads = 0;
  const images = {
    ...toy.images,
    async patches(indices: readonly number[]) {
      const read = ++reads;
      events.push(`read ${read}`);
      await pause(read === 4 ? 30 : 1);
      events.push(`ready ${read}`);
      return { shape: [indices.length, 1, 1], data: new Float32Array(indices.length).fill(read) };
    },
  };
  const slow = {
    ...prompt,
    async step(batch: Parameters<typeof prompt.step>[0]) {
      const [read] = batch.patches_BNK!.data;
      events.push(`step ${read}`);
      await pause(10);
      return await prompt.step(batch);
    },
  };
  await assertRejects(() => train(slow, { ...toy, images }), UserError, "step 3");
  assertEquals(events, [
    ...["read 1", "ready 1", "read 2", "step 1", "ready 2", "read 3", "step 2", "ready 3", "read 4", "step 3"],
    "ready 4",
  ]);
});
