/** A method inside both towers as a session: in pieces and whole, and what follows its parameters. */
import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { ClipModel } from "../../src/clip/model.ts";
import { maple } from "../../src/methods/maple.ts";
import { mmrl } from "../../src/methods/mmrl.ts";
import { ivlp } from "../../src/methods/ivlp.ts";
import { promptsrc } from "../../src/methods/promptsrc.ts";
import { tcp } from "../../src/methods/tcp.ts";
import type { PromptLearning } from "../../src/methods/method.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { promptsOf } from "../../src/prompt/class_prompts.ts";
import { promptPrograms } from "../../src/prompt/programs.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { upperText } from "../../src/prompt/upper_text.ts";
import { randomTensor, relativeL2 } from "../engine/ops_cases.ts";
import { CLASSES, promptOf, UNEQUAL, withModel } from "../methods/tower_method_cases.ts";

const { image: IMAGE, embedding: E } = UNEQUAL;
const B = 3;
const patchesOf = (count: number, seed: number) =>
  randomTensor([count, (IMAGE.size / IMAGE.patch) ** 2, 3 * IMAGE.patch ** 2], seed, 2);

/** A step of a session on many classes, and of the one program that computes the same. */
async function both(model: ClipModel, method: PromptLearning, classNames: string[]) {
  const settings = { depth: 2, textDepth: 3, imageDepth: 2, classBlock: 1, tokenWidth: 8, firstLayer: 8 };
  const prompt = await promptOf(method, { model, classNames, ...settings });
  const random = normalizeRows(randomTensor([classNames.length, E], 31));
  const of = {
    ...prompt,
    frozen: Object.fromEntries(Object.keys(prompt.frozen ?? {}).map((name) => [name, random])),
  };
  const session = await openPrompt(model, { method: of, classNames });
  const patches = patchesOf(B, 33);
  const images = {
    storedFeatures_BE: normalizeRows(randomTensor([B, E], 32)),
    patches_BNK: await session.lower?.rows(patches) ?? patches,
  };
  const labels = [0, 4, 2];
  const { storedFeatures_BE: imageFeatures_BE, patches_BNK } = images;
  const pieces = await session.step({ imageFeatures_BE, patches_BNK, labels });
  const { params, tokenRows } = session;
  const { classBlock, shape: { below } } = of;
  const packed = model.layOut(promptsOf(model, of, classNames), {
    ...of.shape,
    branches: classBlock !== undefined,
    inserted: below !== undefined,
  });
  const lowest = { tower: await model.text(), layout: packed };
  const { tower: text, layout } = below ? await upperText(model, { ...lowest, blocks: below.text }) : lowest;
  const image = session.encodeImages && model.image();
  const programs = promptPrograms(model, { method: of, layout, text, image });
  const labels_BC = { shape: [B, classNames.length], data: new Float32Array(B * classNames.length) };
  labels.forEach((label, b) => labels_BC.data[b * classNames.length + label] = 1);
  const [whole] = await programs.step(params, { ...images, labels_BC });
  await programs.dispose();
  await session.dispose();
  return { pieces, whole, tokenRows };
}

for (const method of [maple, promptsrc, tcp, mmrl] as unknown as PromptLearning[]) {
  Deno.test(`a step of ${method.label} on many classes runs in pieces, to the gradients of the whole`, async () => {
    await withModel(async (model) => {
      const { pieces, whole, tokenRows } = await both(model, method, Array.from({ length: 400 }, (_, i) => `n${i}`));
      assert(tokenRows > 2048, `${tokenRows} rows`);
      assertLess(Math.abs(pieces.loss / whole.loss - 1), 1e-5);
      assertEquals(Object.keys(pieces.gradients), Object.keys(whole.gradients));
      for (const [name, gradient] of Object.entries(whole.gradients)) {
        assert(gradient.some((x) => x !== 0), name);
        assertLess(relativeL2(pieces.gradients[name], gradient), 1e-4, name);
      }
    });
  });
}

Deno.test("prompted image features follow the parameters of the image's side alone, and no other image of the batch", async () => {
  await withModel(async (model) => {
    const patches = patchesOf(4, 41);
    const frozen = await model.encodeImages(patches);
    for (
      const [method, moves] of [[ivlp, ["image_encoder.VPT"]], [maple, ["ctx", "proj.weight", "proj.bias"]]] as const
    ) {
      const prompt = await promptOf(method as typeof ivlp, { model });
      const session = await openPrompt(model, { method: prompt, classNames: CLASSES });
      const encode = async (rows = patches) => (await session.encodeImages!(rows)).data;
      const first = await encode();
      assertEquals(await encode(), first);
      assert(relativeL2(first, frozen.data) > 1e-3);
      const one = {
        shape: [1, ...patches.shape.slice(1)],
        data: patches.data.slice(patches.data.length / 4 * 2, patches.data.length / 4 * 3),
      };
      assertLess(relativeL2(await encode(one), first.subarray(2 * E, 3 * E)), 1e-5);
      for (const name of moves) {
        const { data } = session.params[name];
        const before = data[0];
        data[0] += 0.5;
        assertNotEquals(await encode(), first, name);
        data[0] = before;
      }
      if (method === ivlp) {
        session.params.ctx.data[0] += 0.5;
        session.params["text_encoder.transformer.resblocks.1.VPT_shallow"].data[0] += 0.5;
      }
      assertEquals(await encode(), first);
      await session.dispose();
    }
  });
});

Deno.test("what steps hold is freed when they have ended, and a further step gives the same bits", async () => {
  await withModel(async (model) => {
    const { engine } = model;
    const session = await openPrompt(model, { method: await promptOf(maple, { model }), classNames: CLASSES });
    const batch = {
      imageFeatures_BE: normalizeRows(randomTensor([2, E], 3)),
      patches_BNK: patchesOf(2, 41),
      labels: [0, 1],
    };
    const before = engine.tensorCount();
    const first = await session.step(batch);
    const held = engine.tensorCount();
    assert(held > before);
    await session.endSteps();
    assertEquals(engine.tensorCount(), before);
    assertEquals(await session.step(batch), first);
    await session.dispose();
  });
});

Deno.test("a step of a method that prompts the image tower without patches is a mistake of the caller", async () => {
  await withModel(async (model) => {
    const session = await openPrompt(model, { method: await promptOf(maple, { model }), classNames: CLASSES });
    const imageFeatures_BE = normalizeRows(randomTensor([2, E], 3));
    await assertRejects(() => session.step({ imageFeatures_BE, labels: [0, 1] }), Error, "maple needs patches");
    await session.dispose();
  });
});
