/**
 * Training replayed: starts, order and views as PyTorch drew them in `tests/fixtures/replay.py`, which is the published loop,
 * give its losses, learned numbers and logits.
 */
import { assertAlmostEquals, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32 } from "../../src/clip/weights/safetensors.ts";
import { chooseClasses, type FewShot } from "../../src/data/few_shot.ts";
import type { RandomStream } from "../../src/data/random.ts";
import { readSampleFeatures, type SampleFeatures } from "../../src/data/sample_features.ts";
import { cocoop } from "../../src/methods/cocoop.ts";
import { coop } from "../../src/methods/coop.ts";
import { argmaxRow, toMatrix } from "../../src/methods/feature_method.ts";
import { type Method, type PromptLearning, publishedValues } from "../../src/methods/method.ts";
import type { PromptSettings } from "../../src/methods/prompt_settings.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import type { Parameter } from "../../src/optim/sgd.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { promptLogits, scheduleOf } from "../../src/run/prompt_learner.ts";
import { train } from "../../src/train/loop.ts";
import { copyParameters } from "../../src/train/parameters.ts";
import { relativeL2, withEngine } from "../engine/ops_cases.ts";
import { ROOT } from "../tasks.ts";

const FIXTURE = "tests/fixtures/replay.safetensors";
const FEATURES = "data/sample/features.safetensors";

const { entries, metadata } = readSafetensors(await Deno.readFile(ROOT + FIXTURE), FIXTURE);
const [every, seed] = [Number(metadata.every), Number(metadata.seed)];
const bytes = (name: string) => [...entries.get(name)!.bytes];
const doubles = (name: string) => [...new Float64Array(entries.get(name)!.bytes.slice().buffer)];

/** The learned numbers of a method at the start or at the end. */
function learned(prefix: string): Record<string, Parameter> {
  const own = [...entries].filter(([name]) => name.startsWith(`${prefix}/`));
  return Object.fromEntries(own.map(([name, entry]) => {
    return [name.slice(prefix.length + 1), { shape: entry.shape, data: toFloat32(entry).slice() }];
  }));
}

/** Puts the recorded order of each epoch into the list that is to be shuffled. */
function recordedOrder(name: string): Pick<RandomStream, "shuffle" | "state" | "restore"> {
  const [, N] = entries.get(name)!.shape;
  const all = bytes(name);
  let epoch = 0;
  return {
    shuffle: (items) => void items.splice(0, N, ...all.slice(epoch * N, ++epoch * N) as typeof items),
    state: () => [epoch],
    restore: ([to]) => void (epoch = to),
  };
}

/** A session of the method on some classes, at given numbers. */
async function opened(
  method: PromptLearning<PromptSettings>,
  at: { model: ClipModel; classNames: string[]; settings: PromptSettings; params: Record<string, Parameter> },
): Promise<PromptSession> {
  const random = { normal: () => 0, uniform: () => 0 } as unknown as RandomStream;
  const prompt = await method.prompt({ ...at, template: "", random: () => random });
  // Words give their own start; what is random is recorded.
  if (at.settings.initWords !== "") assertEquals(prompt.params.ctx, learned(`${method.name}/start`).ctx);
  const session = await openPrompt(at.model, { method: prompt, classNames: at.classNames });
  copyParameters(at.params, session.params);
  return session;
}

/** Trains as recorded; holds rates, losses and what is learned to the recorded ones. */
async function holdTraining(
  session: PromptSession,
  at: { name: string; settings: PromptSettings; sample: FewShot; stored: SampleFeatures },
): Promise<void> {
  const { name, settings, sample, stored } = at;
  const views = bytes(`${name}/views`);
  const [rates, losses] = [doubles(`${name}/rates`), doubles(`${name}/losses`)];
  const used: number[] = [];
  const { params, losses: own } = await train(session, {
    images: {
      labels: Int32Array.from(sample.train, ({ label }) => label),
      views: views.length,
      view: (index) => Promise.resolve(normalizeRows(stored.view(sample.train, { seed, view: views[index] }))),
    },
    batchSize: settings.batchSize,
    schedule: scheduleOf({ ...settings, epochs: rates.length }),
    momentum: settings.momentum,
    weightDecay: settings.weightDecay,
    order: recordedOrder(`${name}/order`),
    onStep: ({ lr, epoch }) => used[epoch - 1] = lr,
  });
  assertEquals(own.length, losses.length);
  own.forEach((loss, step) => assertLess(Math.abs(loss / losses[step] - 1), 1e-4, `${name}: loss of step ${step + 1}`));
  used.forEach((lr, epoch) => assertAlmostEquals(lr / rates[epoch], 1, 1e-12, `${name}: rate of epoch ${epoch + 1}`));
  const [start, end] = [learned(`${name}/start`), learned(`${name}/end`)];
  assertEquals(Object.keys(params).sort(), Object.keys(end).sort());
  for (const [key, { data }] of Object.entries(params)) {
    const moved = (to: Float32Array) => to.map((value, i) => value - start[key].data[i]);
    assertLess(relativeL2(moved(data), moved(end[key].data)), 1e-4, `${name}: how far ${key} moved`);
  }
}

/**
 * Classifies every so many test images of some classes as recorded. PyTorch's two best logits of an image are at least
 * 0.001 apart, ten times what float32 differs by: all predictions are compared.
 */
async function holdLogits(
  session: PromptSession,
  at: { name: string; model: ClipModel; sample: FewShot; stored: SampleFeatures },
): Promise<void> {
  const { name, model, sample, stored } = at;
  const images = stored.plain(sample.test.filter((_, i) => i % every === 0), seed);
  const logits = toMatrix(await (await promptLogits(model, session, { learnedFrom: true }))(images));
  const entry = entries.get(name)!;
  const wanted = toMatrix({ shape: entry.shape, data: toFloat32(entry) });
  assertLess(relativeL2(logits.to1DArray(), wanted.to1DArray()), 1e-4, name);
  const predictions = (of: typeof logits) => Array.from({ length: of.rows }, (_, row) => argmaxRow(of, row));
  assertEquals(predictions(logits), predictions(wanted), name);
}

for (const method of [coop, cocoop]) {
  Deno.test(`${method.label} replayed: PyTorch's losses, learned numbers and predictions`, async () => {
    const { name } = method;
    const stored = readSampleFeatures(await Deno.readFile(ROOT + FEATURES), FEATURES);
    const settings = publishedValues(method as unknown as Method, "seed-notebook", 16) as unknown as PromptSettings;
    await withEngine("onnx", async (engine) => {
      const weights = await loadWeights(`${ROOT}data/sample/model.safetensors`);
      const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
      const [base, fresh] = (["base", "new"] as const).map((subset) => chooseClasses(stored.split(seed), subset));
      const at = { model, settings, stored };
      const session = await opened(method, { ...at, classNames: base.classNames, params: learned(`${name}/start`) });
      await holdTraining(session, { ...at, name, sample: base });
      await holdLogits(session, { ...at, name: `${name}/logits/base`, sample: base });
      const other = await opened(method, { ...at, classNames: fresh.classNames, params: session.params });
      await holdLogits(other, { ...at, name: `${name}/logits/new`, sample: fresh });
      for (const one of [session, other]) await one.dispose();
      await model.dispose();
    });
  });
}
