import { assert, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import type { ClassTokenPosition } from "../../src/clip/prompt_layout.ts";
import { textTower } from "../../src/clip/text_tower.ts";
import { coopPrompt } from "../../src/methods/coop.ts";
import { promptsOf } from "../../src/prompt/class_prompts.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { namedStream } from "../../src/data/random.ts";
import { ENGINES, randomTensor, relativeL2, withEngine } from "../engine/ops_cases.ts";
import { awayFromDifferences, bothGradients, inner, TWO_LAYERS, twoLayerModel } from "./tower_cases.ts";

const { embedding: E, text: { width: D } } = TWO_LAYERS;
const NAMES = ["pond", "a b", "reef", "hill top", "x"];
const M = 3;

const SHAPES: { position: ClassTokenPosition; classSpecific: boolean }[] = [
  { position: "end", classSpecific: false },
  { position: "middle", classSpecific: false },
  { position: "front", classSpecific: false },
  { position: "front", classSpecific: true },
];

for (const { position, classSpecific } of SHAPES) {
  const name = `class name at the ${position}${classSpecific ? ", class-specific" : ""}`;
  const shape = { contextTokens: M, classTokenPosition: position, classSpecific };

  Deno.test(`the text tower's pull-back to the contexts equals tfjs's autodiff and differences: ${name}`, async () => {
    await withEngine("cpu", async (engine) => {
      const model = twoLayerModel(engine);
      const layout = model.layOut(promptsOf(model, { shape }, NAMES), shape);
      const tower = await model.text();
      const { place, fixed, mask, pick, placedOnce } = layout;
      assertEquals(placedOnce, position === "end" || classSpecific);
      const [P, Q] = pick.shape;
      assertEquals(P, 1);
      const contexts = randomTensor([P, place!.shape[2], D], 41);
      const cotangent = randomTensor([P, Q, E], 42);
      const inputs = [contexts, place!, fixed, mask, pick];
      const { byHand, byAutodiff } = await bothGradients((ops, [contexts, place, fixed, mask, pick]) => {
        const result = textTower(ops, tower, {
          learned: { place, placedOnce, layers: [contexts] },
          fixed,
          mask,
          pick,
        });
        return { y: result.features, pullback: (dy) => result.pullbackToLearned(dy)[0] };
      }, { inputs, cotangent });
      assertLess(relativeL2(byHand.data, byAutodiff.data), 1e-5);

      const program = engine.program("text", (ops, [contexts, place, fixed, mask, pick]) => [
        textTower(ops, tower, { learned: { place, layers: [contexts] }, fixed, mask, pick }).features,
      ]);
      const away = await awayFromDifferences(
        async (contexts) => inner((await program.run([contexts, ...inputs.slice(1)]))[0], cotangent),
        { at: contexts, gradient: byHand.data, size: 1e-2 },
      );
      assertLess(away, 3e-3);
    });
  });

  Deno.test(`a step's gradients equal differences of its loss, in one program and in pieces: ${name}`, async () => {
    await withEngine("onnx", async (engine) => {
      const model = twoLayerModel(engine);
      // Five classes run as one program of one pack, 400 in pieces of many packs.
      for (const classNames of [NAMES, Array.from({ length: 400 }, (_, i) => `n${i}`)]) {
        const method = coopPrompt({
          model,
          contextTokens: M,
          initWords: "",
          classes: classNames.length,
          classSpecific,
          classTokenPosition: position,
          random: namedStream(5, "context-init"),
        });
        const session = await openPrompt(model, { method, classNames });
        const ctx = session.params.ctx;
        ctx.data.set(randomTensor(ctx.shape, 51).data);
        const batch = { imageFeatures_BE: normalizeRows(randomTensor([3, E], 52)), labels: [0, 4, 2] };
        const { gradients } = await session.step(batch);
        assert(gradients.ctx.some((value) => value !== 0));
        const start = ctx.data.slice();
        const away = await awayFromDifferences(async (moved) => {
          ctx.data.set(moved.data);
          return (await session.step(batch)).loss;
        }, { at: { shape: ctx.shape, data: start }, gradient: gradients.ctx, size: 1e-2, directions: 3 });
        assertLess(away, 1e-2, `${classNames.length} classes`);
        await session.dispose();
      }
      await model.dispose();
    });
  });
}

Deno.test("text features do not depend on the engine, nor on what shares a pack", async () => {
  const texts = [...NAMES, ...Array.from({ length: 60 }, (_, i) => `t${"z".repeat(i % 15)}`)];
  const all: Float32Array[] = [];
  for (const name of ENGINES) {
    await withEngine(name, async (engine) => {
      const model = twoLayerModel(engine);
      const together = await model.encodeTexts(texts);
      const alone = await model.encodeTexts([texts[3]]);
      assertLess(relativeL2(alone.data, together.data.subarray(3 * E, 4 * E)), 1e-5);
      all.push(together.data);
      await model.dispose();
    });
  }
  for (const other of all.slice(1)) assertLess(relativeL2(other, all[0]), 1e-5);
});
