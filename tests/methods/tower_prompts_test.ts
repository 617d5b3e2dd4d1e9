import { assert, assertEquals, assertNotEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { ivlp } from "../../src/methods/ivlp.ts";
import { maple } from "../../src/methods/maple.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { assertNormal, CLASSES, embeddingsOf, promptOf, shapesOf, withModel } from "./tower_method_cases.ts";

const WORDS = ["a", "photo", "of", "a"];

Deno.test("text tokens start from the words; fewer tokens leave the rest of the words behind them", async () => {
  await withModel(async (model) => {
    const four = await promptOf(ivlp, { model });
    assertEquals([...four.params.ctx.data], embeddingsOf(model, WORDS));
    assertEquals(four.shape.text, undefined);

    const two = await promptOf(ivlp, { model, textTokens: 2 });
    assertEquals([...two.params.ctx.data], embeddingsOf(model, WORDS.slice(0, 2)));
    assertEquals(two.shape.text, "of a {}.");
    const session = await openPrompt(model, { method: two, classNames: CLASSES });
    // v1 v2 "of a sea or lake." end: what is learned, then the ids of the published text without its first two words.
    const ids = model.tokenizer.encode("of a Sea or Lake.");
    assertEquals(session.prompts[2].tokens, [
      ...[{ learned: 0 }, { learned: 1 }],
      ...[...ids, model.tokenizer.endToken].map((id) => ({ id })),
    ]);
    await session.dispose();
  });
});

Deno.test("more tokens than words, and no words, start from random numbers, and no word is left", async () => {
  await withModel(async (model) => {
    for (const given of [{ textTokens: 5 }, { initWords: "" }]) {
      const { params, shape } = await promptOf(ivlp, { model, ...given });
      assertEquals([params.ctx.shape[0], shape.text], [given.textTokens ?? 4, undefined]);
      assertNormal(params.ctx);
      assertEquals(params.ctx, (await promptOf(ivlp, { model, ...given })).params.ctx);
      assertNotEquals(params.ctx, (await promptOf(ivlp, { model, ...given, seed: 2 })).params.ctx);
    }
    await assertRejects(
      () => Promise.resolve(promptOf(ivlp, { model, initWords: "photomontage of", textTokens: 2 })),
      UserError,
      'The initial word "photomontage" is',
    );
  });
});

Deno.test("depths go as far as each tower has layers; deep tokens are random, all of them different", async () => {
  await withModel(async (model) => {
    const { params, depth } = await promptOf(ivlp, { model, imageTokens: 3 });
    assertEquals(shapesOf(params), [
      "ctx [4, 64]",
      "text_encoder.transformer.resblocks.1.VPT_shallow [4, 64]",
      "text_encoder.transformer.resblocks.2.VPT_shallow [4, 64]",
      "image_encoder.VPT [3, 128]",
      "image_encoder.transformer.resblocks.1.VPT_shallow [3, 128]",
    ]);
    assertEquals(depth, { text: 2, image: 2 });
    const deep = Object.values(params).slice(1);
    deep.forEach(assertNormal);
    assertEquals(new Set(deep.map(({ data }) => data[0])).size, deep.length);

    const shallow = await promptOf(ivlp, { model, textDepth: 1, imageDepth: 1 });
    assertEquals(Object.keys(shallow.params), ["ctx", "image_encoder.VPT"]);
  });
});

Deno.test("an image depth of 0 leaves the image tower as it is, and no image is needed", async () => {
  await withModel(async (model) => {
    const method = await promptOf(ivlp, { model, imageDepth: 0 });
    assertEquals(Object.keys(method.params).filter((name) => name.startsWith("image")), []);
    const session = await openPrompt(model, { method, classNames: CLASSES });
    assertEquals(session.encodeImages, undefined);
    await session.dispose();
  });
});

Deno.test("MaPLe's first image token is the first map of the context, deeper ones of the deeper tokens", async () => {
  await withModel(async (model) => {
    const method = await promptOf(maple, { model });
    const names = Object.keys(method.params);
    const program = model.engine.program("layers", (ops, inputs) => {
      const params = Object.fromEntries(names.map((name, i) => [name, inputs[i]]));
      return [...method.deeper!(ops, params).image];
    });
    const found = await program.run(names.map((name) => method.params[name]));
    await program.dispose();
    const mapped = (text: string, map: string) => {
      const { shape: [M, Dt], data: x } = method.params[text];
      const { shape: [Dv], data: w } = method.params[`${map}.weight`];
      return Array.from({ length: M * Dv }, (_, i) => {
        const [m, d] = [Math.floor(i / Dv), i % Dv];
        let sum = method.params[`${map}.bias`].data[d];
        for (let k = 0; k < Dt; k++) sum += w[d * Dt + k] * x[m * Dt + k];
        return sum;
      });
    };
    const wanted = [mapped("ctx", "proj"), mapped("compound_prompts_text.0", "compound_prompt_projections.0")];
    assertEquals(found.length, 2);
    found.forEach(({ shape, data }, layer) => {
      assertEquals(shape, [1, 2, 128]);
      wanted[layer].forEach((value, i) => assert(Math.abs(value - data[i]) < 1e-6, `layer ${layer}`));
    });
  });
});
