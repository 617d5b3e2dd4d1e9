import { assert, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { fileURLToPath } from "node:url";
import { EUROSAT_BASE } from "../../bench/measure.ts";
import { type ClipModel, loadModel } from "../../src/clip/model.ts";
import { loadTokenizer } from "../../src/clip/tokenizer.ts";
import { loadWeights } from "../../src/clip/weights/load.ts";
import type { PromptMethod } from "../../src/methods/prompt_method.ts";
import type { ClassTokenPosition } from "../../src/clip/prompt_layout.ts";
import { namedStream } from "../../src/data/random.ts";
import { cocoopPrompt } from "../../src/methods/cocoop.ts";
import { coopPrompt } from "../../src/methods/coop.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { EXACT_TOLERANCE, exactCheck } from "../../src/prompt/exact_check.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { ENGINES, randomTensor, withEngine } from "../engine/ops_cases.ts";
import { TWO_LAYERS, twoLayerModel } from "../clip/tower_cases.ts";

const CLASSES = ["pond", "a b", "reef", "hill top", "x", "wide field", "q"];
const COOP: { classTokenPosition: ClassTokenPosition; classSpecific: boolean }[] = [
  { classTokenPosition: "end", classSpecific: false },
  { classTokenPosition: "middle", classSpecific: false },
  { classTokenPosition: "front", classSpecific: false },
  { classTokenPosition: "end", classSpecific: true },
  { classTokenPosition: "middle", classSpecific: true },
  { classTokenPosition: "front", classSpecific: true },
];

const learned = (model: ClipModel, classes: number): PromptMethod[] => {
  const { embedding } = model.config;
  const shared = { model, contextTokens: 5, initWords: "", random: namedStream(1, "context-init") };
  return [
    ...COOP.map((shape) => coopPrompt({ ...shared, ...shape, classes })),
    cocoopPrompt({ ...shared, embedding, metaNetRandom: namedStream(1, "meta-net-init") }),
  ];
};

/** Holds CoOp in every shape and CoCoOp to the plain pass; `spread` is how far the learned numbers are from 0. */
async function holdAll(model: ClipModel, options: { classNames: readonly string[]; spread: number }): Promise<void> {
  const { classNames, spread } = options;
  const imageFeatures_BE = normalizeRows(randomTensor([4, model.config.embedding], 61));
  for (const method of learned(model, classNames.length)) {
    const session = await openPrompt(model, { method, classNames });
    const { ctx } = session.params;
    ctx.data.set(randomTensor(ctx.shape, 62, spread).data);
    const found = await exactCheck(model, { session, imageFeatures_BE });
    assertEquals([found.images, found.classes], [4, classNames.length]);
    assert(found.scale > 0.1);
    assertLess(found.relative, EXACT_TOLERANCE, `${method.name} ${JSON.stringify(method.shape)}`);
    await session.dispose();
  }
}

for (const name of ENGINES) {
  Deno.test(`shared prefixes give the logits of the plain pass on ${name}: CoOp in every shape, CoCoOp`, async () => {
    await withEngine(name, async (engine) => {
      const model = twoLayerModel(engine);
      await holdAll(model, { classNames: CLASSES, spread: 1 });
      await model.dispose();
    });
  });
}

Deno.test("the same on the sample model, whose plain pass has 77 positions", async () => {
  await withEngine("onnx", async (engine) => {
    const weights = await loadWeights(fileURLToPath(new URL("../../data/sample/model.safetensors", import.meta.url)));
    assertEquals(weights.config.text.context, 77);
    const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
    await holdAll(model, { classNames: EUROSAT_BASE, spread: 0.05 });
    await model.dispose();
  });
});

Deno.test("the check sees a context token that is off by a little", async () => {
  await withEngine("onnx", async (engine) => {
    const model = twoLayerModel(engine);
    const method = coopPrompt({
      model,
      contextTokens: 2,
      initWords: "",
      classes: CLASSES.length,
      classSpecific: false,
      classTokenPosition: "end",
      random: namedStream(1, "context-init"),
    });
    const session = await openPrompt(model, { method, classNames: CLASSES });
    session.params.ctx.data.set(randomTensor(session.params.ctx.shape, 63).data);
    const wrong = {
      ...session,
      async contexts(features: Parameters<typeof session.contexts>[0]) {
        const { shape, data } = await session.contexts(features);
        return { shape, data: data.map((value, i) => i === 0 ? value + 0.1 : value) };
      },
    };
    const imageFeatures_BE = normalizeRows(randomTensor([4, TWO_LAYERS.embedding], 64));
    const found = await exactCheck(model, { session: wrong, imageFeatures_BE });
    assert(found.relative > EXACT_TOLERANCE, String(found.relative));
    await session.dispose();
    await model.dispose();
  });
});
