/** TCP against `tests/fixtures/make_tcp.py`, which is its published formulas in PyTorch, every prompt run on its own. */
import { assertEquals, assertLess, assertNotEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import { readSafetensors, toFloat32 } from "../../src/clip/weights/safetensors.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import { tcp, type TcpSettings } from "../../src/methods/tcp.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { promptsOf } from "../../src/prompt/class_prompts.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import { train } from "../../src/train/loop.ts";
import { copyParameters } from "../../src/train/parameters.ts";
import { ENGINES, relativeL2, withEngine } from "../engine/ops_cases.ts";
import { sharedPath, sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";
import { assertNormal, CLASSES, COMMON, presetValues, promptOf, shapesOf, withModel } from "./tower_method_cases.ts";

const FIXTURE = "tests/fixtures/tcp.safetensors";
const { entries, metadata } = readSafetensors(await Deno.readFile(ROOT + FIXTURE), FIXTURE);
const wanted = (name: string) => toFloat32(entries.get(name)!);

interface Case {
  tokens: number;
  block: number;
  classes: string[];
  new: string[];
  /** Cross-entropy of all images, and the mean of 1 − cosine, at the start. */
  entropy: number;
  apart: number;
  losses: number[];
}
const CASES: Record<string, Case> = JSON.parse(metadata.cases);

/** Whose words the cases have: the data set's template, and its name where that counts. */
const WORDS: Record<string, { template: string; dataset?: string }> = {
  sample: { template: "a photo of a {}.", dataset: "EuroSAT" },
  pets: { template: "a photo of a {}, a type of pet.", dataset: "OxfordPets" },
  texture: { template: "{} texture.", dataset: "DescribableTextures" },
  action: { template: "a photo of a person doing {}." },
  cars: { template: "a photo of a {}.", dataset: "StanfordCars" },
};

const [IMAGES, BATCH, EPOCHS] = [12, 6, 10];

function sines(shape: readonly number[], size: number, phase: number): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length: count }, (_, i) => size * Math.sin(0.37 * i + phase)) };
}

/** The fixture's start: sines in the place of random numbers. */
function atSines(method: PromptMethod): PromptMethod {
  const E = method.params["meta_net.linear1.weight"].shape[1];
  const params = Object.entries(method.params).map(([name, { shape }], i) => {
    const size = name === "ctx" ? 0.02 : 1 / Math.sqrt(name.includes("linear1") ? E : E / 4);
    return [name, sines(shape, size, i)] as const;
  });
  return { ...method, params: Object.fromEntries(params) };
}

/** A session of a case on some classes, at the fixture's start. */
async function opened(
  model: ClipModel,
  { key, classNames, ...settings }: { key: string; classNames: string[] } & Partial<TcpSettings>,
): Promise<PromptSession> {
  const { tokens: contextTokens, block: classBlock } = CASES[key];
  const values = { ...presetValues(tcp, "tcp-cvpr24") as TcpSettings, contextTokens, classBlock, ...settings };
  const random = () => ({ normal: () => 0, uniform: () => 0 }) as never;
  const method = await tcp.prompt({ model, classNames, settings: values, random, ...WORDS[key] });
  return await openPrompt(model, { method: atSines(method), classNames });
}

async function assertPublished(model: ClipModel, key: string): Promise<void> {
  const about = CASES[key];
  const classNames = about.classes;
  const imageFeatures_BE = normalizeRows(sines([IMAGES, model.config.embedding], 1, 0.5));
  const labels = Int32Array.from({ length: IMAGES }, (_, i) => i * 5 % classNames.length);
  const session = await opened(model, { key, classNames });
  const near = (logits: HostTensor, name: string, within: number) =>
    assertLess(relativeL2(logits.data, wanted(`${key}/${name}`)), within, name);
  const close = (value: number, expected: number, within: number, what: string) =>
    assertLess(Math.abs(value / expected - 1), within, what);

  near(await session.logits(imageFeatures_BE), "logits", 2e-5);
  const { loss, gradients } = await session.step({ imageFeatures_BE, labels });
  close(loss, about.entropy + 8 * about.apart, 2e-5, "loss");
  const alone = await opened(model, { key, classNames, lambda: 0 });
  close((await alone.step({ imageFeatures_BE, labels })).loss, about.entropy, 2e-5, "cross-entropy");
  await alone.dispose();
  for (const [name, gradient] of Object.entries(gradients)) {
    assertLess(relativeL2(gradient, wanted(`${key}/grad/${name}`)), 1e-4, `gradient of ${name}`);
  }

  const { lr, momentum, weightDecay, warmupEpochs, warmupLr } = presetValues(tcp, "tcp-cvpr24") as TcpSettings;
  const start = structuredClone(session.params);
  const { losses, params } = await train(session, {
    images: { labels, views: 1, view: () => Promise.resolve(imageFeatures_BE) },
    batchSize: BATCH,
    schedule: { rate: lr, epochs: EPOCHS, warmupEpochs, warmupRate: warmupLr },
    momentum,
    weightDecay,
    optimizer: session.method.optimizer,
    order: { shuffle: () => {}, state: () => [], restore: () => {} },
  });
  assertEquals(losses.length, 20);
  losses.forEach((loss, step) => close(loss, about.losses[step], 1e-4, `loss of step ${step + 1}`));
  near(await session.logits(imageFeatures_BE), "final_logits", 1e-3);
  for (const [name, { data }] of Object.entries(key === "pets" ? params : {})) {
    const moved = (to: Float32Array) => to.map((value, i) => value - start[name].data[i]);
    assertLess(relativeL2(moved(data), moved(wanted(`${key}/final/${name}`))), 1e-3, `how far ${name} moved`);
  }
  const fresh = await opened(model, { key, classNames: about.new });
  copyParameters(params, fresh.params);
  near(await fresh.logits(imageFeatures_BE), "new_logits", 1e-3);
  await fresh.dispose();
  await session.dispose();
}

for (const name of ENGINES) {
  for (const key of Object.keys(CASES)) {
    const test = key === "sample" ? Deno.test : sharedTest;
    test(`TCP has PyTorch's logits, losses, gradients and 20 steps on ${name}: ${key}`, async () => {
      const path = key === "sample"
        ? `${ROOT}data/sample/model.safetensors`
        : sharedPath("reference/mini4_openai.safetensors");
      await withEngine(name, async (engine) => {
        const model = loadModel(await loadWeights(path), { engine, tokenizer: await loadTokenizer() });
        await assertPublished(model, key);
        await model.dispose();
      });
    });
  }
}

Deno.test("TCP's presets are the published numbers", () => {
  const { initWords: _none, ...common } = COMMON;
  const published = { ...common, batchSize: 32, lr: 0.002, epochs: 50, contextTokens: 4, classBlock: 8, lambda: 8 };
  for (const name of Object.keys(tcp.presets)) assertEquals(presetValues(tcp, name), published);
  assertEquals(Object.values(tcp.presets).map(({ protocol }) => protocol.train), ["base", "all"]);
});

Deno.test("TCP starts from random tokens and PyTorch's linear maps, and learns as many numbers as published", async () => {
  await withModel(async (model) => {
    const { params, optimizer } = await promptOf(tcp, { model });
    assertEquals(shapesOf(params), [
      "ctx [4, 64]",
      "meta_net.linear1.weight [6, 24]",
      "meta_net.linear1.bias [6]",
      "meta_net.linear2.weight [256, 6]",
      "meta_net.linear2.bias [256]",
    ]);
    assertNormal(params.ctx);
    assertEquals(optimizer, { name: "adam", epsilon: 1e-3 });
    const { config } = model;
    const published = { ...config, embedding: 512, text: { ...config.text, width: 512, layers: 12 } };
    const wide = await promptOf(tcp, { model: { ...model, config: published } });
    const numbers = Object.values(wide.params).reduce((sum, { data }) => sum + data.length, 0);
    assertEquals([numbers, wide.classBlock, wide.note], [331_904, 8, undefined]);
  });
});

Deno.test("in a shallower tower the classes' tokens come in before the last block, and a sentence says so", async () => {
  await withModel(async (model) => {
    const { classBlock, note } = await promptOf(tcp, { model });
    assertEquals([classBlock, note], [
      2,
      "The text tower has 3 blocks: tokens of the classes come in before the last, block 2, and not before block 8.",
    ]);
    assertEquals((await promptOf(tcp, { model, classBlock: 1 })).note, undefined);
  });
});

Deno.test("TCP's words are those of the data set", async () => {
  await withModel(async (model) => {
    const words = async (template: string, dataset?: string) => {
      const settings = presetValues(tcp, "tcp-cvpr24") as TcpSettings;
      const random = () => ({ normal: () => 0, uniform: () => 0 }) as never;
      const task = { model, classNames: CLASSES, settings, random };
      const { shape: { text }, frozen } = await tcp.prompt({ ...task, template, dataset });
      return { words: text, hand: frozen!.hand_features.data };
    };
    const plain = await words("a photo of a {}.", "Caltech101");
    assertEquals(plain.words, "{}.");
    assertEquals(await words("a photo of a {}.", "StanfordCars"), { ...plain, words: "{}, a type of car" });
    const satellite = await words("a centered satellite photo of {}.", "EuroSAT");
    assertEquals(satellite.words, "{}.");
    assertNotEquals(satellite.hand, plain.hand);
    assertEquals((await words("a photo of a person doing {}.")).words, "person doing {}.");
    // Whose hand-written prompts are not the data set's template.
    for (
      const [template, hand, ending] of [
        ["a photo of a {}, a type of aircraft.", "a photo of an aircraft {}.", ", a type of aircraft."],
        ["{} texture.", "a photo of a {}, a type of texture.", " texture."],
        ["a photo of {}, a type of food.", "a photo of a {}, a type of food.", ", a type of food."],
      ]
    ) {
      const found = await words(template);
      assertEquals(found, { words: `{}${ending}`, hand: (await words(hand)).hand });
    }
  });
});

Deno.test("the hand-written texts of TCP's classes have to fit the text tower with its prompts", async () => {
  await withModel(async (model) => {
    const prompt = await promptOf(tcp, { model, contextTokens: 1 });
    assertEquals(prompt.handWritten, "a photo of a {}.");
    const name = (words: number) => "a ".repeat(words).trim();
    const { context } = model.config.text;
    // Start, end, four words and a full stop; the prompt itself has one learned token in the place of four words.
    promptsOf(model, prompt, [name(context - 7)]);
    assertThrows(
      () => promptsOf(model, prompt, [name(context - 6)]),
      UserError,
      `has ${context + 1} tokens, more than`,
    );
    promptsOf(model, { ...prompt, handWritten: undefined }, [name(context - 6)]);
  });
});
