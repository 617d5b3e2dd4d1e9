/** Prompts in the towers, held to the published computation written out in double precision, and to tfjs's autodiff. */
import { assert, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { freezeImageTower, imageTower } from "../../src/clip/image_tower.ts";
import { loadModel } from "../../src/clip/model.ts";
import type { ClassPrompt } from "../../src/clip/prompt_layout.ts";
import { textTower } from "../../src/clip/text_tower.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { ENGINES, randomTensor, relativeL2, runOnce, withEngine } from "../engine/ops_cases.ts";
import { type Layers, type Mistake, publishedImage, publishedText } from "./published_towers.ts";
import { awayFromDifferences, bothGradients, gentleClip, letters, THREE_LAYERS } from "./tower_cases.ts";

const CONFIG = THREE_LAYERS;
const { embedding: E, image: IMAGE, text: { width: D } } = CONFIG;
const M = 2;
const weights = gentleClip(CONFIG);

/** Tokens [1, M, D] as they come before the blocks: layer 0 as large as embeddings, the others as what they replace. */
const layersOf = (depth: number, width: number): HostTensor[] =>
  Array.from({ length: depth }, (_, i) => randomTensor([1, M, width], 70 + i));

/** Two learned tokens, a frozen one of the template, the name, a full stop and the end token. */
const prompts: ClassPrompt[] = ["pond", "a b", "hill top"].map((name) => ({
  tokens: [
    ...[{ learned: 0 }, { learned: 1 }],
    ...[...letters.encode(`q${name}.`), letters.endToken].map((id) => ({ id })),
  ],
  shared: M + 1,
}));
const LEARNED_AT = [1, 2];

function wantedTexts(layers: Layers, mistake?: Mistake): number[] {
  return prompts.flatMap(({ tokens }) => {
    const ids = [letters.startToken, ...tokens.map((token) => "id" in token ? token.id : 0)];
    return publishedText(weights, { ids, at: LEARNED_AT, layers, mistake });
  });
}

const B = 2;
const N = (IMAGE.size / IMAGE.patch) ** 2;
const K = 3 * IMAGE.patch ** 2;
const patches = randomTensor([B, N, K], 81, 2);

function wantedImages(layers: Layers, mistake?: Mistake): number[] {
  return Array.from({ length: B }, (_, b) => {
    const patches_NK = { shape: [N, K], data: patches.data.subarray(b * N * K, (b + 1) * N * K) };
    return publishedImage(weights, { patches_NK, layers, mistake });
  }).flat();
}

for (const name of ENGINES) {
  Deno.test(`texts and images with prompts of any depth have the published features on ${name}`, async () => {
    await withEngine(name, async (engine) => {
      const model = loadModel(weights, { engine, tokenizer: letters });
      const layout = model.layOut(prompts, { contextTokens: M, classSpecific: false });
      assertEquals(layout.pick.shape.slice(0, 2), [1, prompts.length]);
      const text = await model.text();
      const image = freezeImageTower(engine, (tensor) => weights.tensor(tensor), { config: CONFIG });
      for (const depth of [1, 2, 3]) {
        const contexts = layersOf(depth, D);
        const [texts] = await runOnce(engine, (ops, [place, fixed, mask, pick, ...layers]) => [
          textTower(ops, text, { learned: { place, layers }, fixed, mask, pick }).features,
        ], [layout.place!, layout.fixed, layout.mask, layout.pick, ...contexts]);
        assertLess(relativeL2(texts.data, wantedTexts(contexts)), 1e-5, `texts, depth ${depth}`);

        const rows = layersOf(depth, IMAGE.width);
        const [images] = await runOnce(engine, (ops, [patches, ...prompts]) => [
          imageTower(ops, image, patches, prompts).features,
        ], [patches, ...rows]);
        assertLess(relativeL2(images.data, wantedImages(rows)), 1e-5, `images, depth ${depth}`);
      }
      await model.dispose();
    });
  });
}

Deno.test("features tell every mistake that is easily made from the published computation", () => {
  const both: Mistake[] = [
    "the first block replaces its rows too",
    "deeper rows come one block late",
    "the rows stop after their last layer",
  ];
  const away = (wanted: (layers: Layers, mistake?: Mistake) => number[], width: number) => {
    const layers = layersOf(2, width);
    const right = wanted(layers);
    return (mistake: Mistake) => assert(relativeL2(wanted(layers, mistake), right) > 1e-3, mistake);
  };
  [...both, "positions are added to deeper rows" as const].forEach(away(wantedTexts, D));
  ([
    ...both,
    "image rows skip ln_pre",
    "image rows get a position",
    "image rows come before the patches",
  ] as const).forEach(away(wantedImages, IMAGE.width));
});

/** Tokens of all layers as one tensor, the first of a function that is differentiated. */
function joined(layers: Layers, N: number): HostTensor {
  const [, , width] = layers[0].shape;
  const each = layers.flatMap(({ data }) => Array.from(data));
  const data = Float32Array.from({ length: N * each.length }, (_, i) => each[i % each.length]);
  return { shape: [N, layers.length * M, width], data };
}

for (const depth of [1, 2, 3]) {
  Deno.test(`the text tower's pull-back to contexts of ${depth} layers equals tfjs's autodiff and differences`, async () => {
    await withEngine("cpu", async (engine) => {
      const model = loadModel(weights, { engine, tokenizer: letters });
      const tower = await model.text();
      const { place, placedOnce, fixed, mask, pick } = model.layOut(prompts, {
        contextTokens: M,
        classSpecific: false,
      });
      const cotangent = randomTensor([1, prompts.length, E], 91);
      const inputs = [joined(layersOf(depth, D), 1), place!, fixed, mask, pick];
      const { byHand, byAutodiff } = await bothGradients((ops, [all, place, fixed, mask, pick]) => {
        const layers = Array.from({ length: depth }, (_, i) => ops.slice(all, [0, i * M, 0], [1, M, D]));
        const result = textTower(ops, tower, { learned: { place, placedOnce, layers }, fixed, mask, pick });
        return { y: result.features, pullback: (dy) => ops.concat(result.pullbackToLearned(dy), 1) };
      }, { inputs, cotangent });
      assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);
      const away = await awayFromDifferences(
        (all) => Promise.resolve(innerOf(wantedTexts(split(all, depth)), cotangent)),
        { at: inputs[0], gradient: byHand.data, size: 1e-3, directions: 2 },
      );
      assertLess(away, 1e-4);
    });
  });

  Deno.test(`the image tower's pull-back to prompts of ${depth} layers equals tfjs's autodiff and differences`, async () => {
    await withEngine("cpu", async (engine) => {
      const tower = freezeImageTower(engine, (tensor) => weights.tensor(tensor), { config: CONFIG });
      const width = IMAGE.width;
      const cotangent = randomTensor([B, E], 92);
      const prompted = joined(layersOf(depth, width), B);
      const { byHand, byAutodiff } = await bothGradients((ops, [all, patches]) => {
        const prompts = Array.from({ length: depth }, (_, i) => ops.slice(all, [0, i * M, 0], [B, M, width]));
        const result = imageTower(ops, tower, patches, prompts);
        return { y: result.features, pullback: (dy) => ops.concat(result.pullbackToPrompts(dy), 1) };
      }, { inputs: [prompted, patches], cotangent });
      assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);

      // Images that share their prompts: the gradient is the sum of theirs.
      const one = joined(layersOf(depth, width), 1);
      const summed = one.data.map((_, i) => byHand.data[i] + byHand.data[one.data.length + i]);
      const away = await awayFromDifferences(
        (all) => Promise.resolve(innerOf(wantedImages(split(all, depth)), cotangent)),
        { at: one, gradient: summed, size: 1e-3, directions: 2 },
      );
      assertLess(away, 1e-4);
    });
  });
}

Deno.test("the image tower's pull-back to the patches, with prompts, equals tfjs's autodiff", async () => {
  await withEngine("cpu", async (engine) => {
    const tower = freezeImageTower(engine, (tensor) => weights.tensor(tensor), { config: CONFIG });
    const { byHand, byAutodiff } = await bothGradients((ops, [patches, ...prompts]) => {
      const { features, pullback } = imageTower(ops, tower, patches, prompts);
      return { y: features, pullback };
    }, { inputs: [patches, ...layersOf(2, IMAGE.width)], cotangent: randomTensor([B, E], 93) });
    assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);
  });
});

/** The other way of {@linkcode joined}, for one sequence. */
function split({ shape: [, , width], data }: HostTensor, depth: number): Layers {
  const size = M * width;
  return Array.from(
    { length: depth },
    (_, i) => ({ shape: [1, M, width], data: data.subarray(i * size, (i + 1) * size) }),
  );
}

function innerOf(features: readonly number[], cotangent: HostTensor): number {
  return features.reduce((sum, value, i) => sum + value * cotangent.data[i], 0);
}
