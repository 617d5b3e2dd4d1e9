import { assertAlmostEquals, assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { UserError } from "../../src/errors.ts";
import { promptsrc } from "../../src/methods/promptsrc.ts";
import { epochWeights } from "../../src/methods/prompt_settings.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import templates from "../../data/templates.json" with { type: "json" };
import { randomTensor } from "../engine/ops_cases.ts";
import { normalizeRows } from "../../src/methods/zero_shot.ts";
import { CLASSES, COMMON, presetValues, promptOf, UNEQUAL, withModel } from "./tower_method_cases.ts";

const SIZES = { textTokens: 4, imageTokens: 4, textDepth: 9, imageDepth: 9 };
const WEIGHTS = { textWeight: 25, imageWeight: 10 };

Deno.test("PromptSRC's presets are the published numbers", () => {
  assertEquals(Object.keys(promptsrc.presets), ["promptsrc-iccv23", "promptsrc-cross", "promptsrc-few-shot"]);
  const base = { ...COMMON, ...SIZES, ...WEIGHTS, lr: 0.0025, epochs: 20, promptAverage: "15,1" };
  assertEquals(presetValues(promptsrc, "promptsrc-iccv23"), base);
  const cross = { ...base, textDepth: 3, imageDepth: 3, promptAverage: "6,10" };
  assertEquals(presetValues(promptsrc, "promptsrc-cross"), cross);
  assertEquals(presetValues(promptsrc, "promptsrc-few-shot"), { ...base, epochs: 50, promptAverage: "30,30" });
  for (const name of ["promptsrc-cross", "promptsrc-few-shot"]) {
    assertEquals(promptsrc.presets[name].protocol, { train: "all", eval: ["all"] });
  }
});

Deno.test("the average weighs epoch 15 of 20 most, and its weights add up to 1", () => {
  const weights = epochWeights({ promptAverage: "15,1", epochs: 20 })!;
  assertEquals([weights.length, weights.indexOf(Math.max(...weights))], [20, 14]);
  assertAlmostEquals(weights.reduce((a, b) => a + b), 1, 1e-12);
  assertAlmostEquals(weights[13] / weights[14], Math.exp(-0.5), 1e-12);
  assertThrows(() => promptsrc.check!({ promptAverage: "900,1", epochs: 20 } as never), UserError);
});

Deno.test("frozen text features are the mean over sixty templates, made to unit length after the mean", async () => {
  assertEquals([templates.promptsrc.length, new Set(templates.promptsrc).size], [60, 60]);
  assertEquals(templates.promptsrc.filter((text) => text.split("{}").length !== 2), []);
  await withModel(async (model) => {
    const { frozen_text } = (await promptOf(promptsrc, { model })).frozen!;
    const E = UNEQUAL.embedding;
    assertEquals(frozen_text.shape, [CLASSES.length, E]);
    const sum = new Float64Array(E);
    for (const template of templates.promptsrc) {
      const { data } = await model.encodeTexts([template.replace("{}", "Annual Crop")]);
      data.forEach((value, e) => sum[e] += value);
    }
    const length = Math.hypot(...sum);
    sum.forEach((value, e) => assertAlmostEquals(frozen_text.data[e], value / length, 1e-5));
  });
});

Deno.test("weights of 0 leave cross-entropy and divergence, which depend on no frozen image where none is prompted", async () => {
  await withModel(async (model) => {
    const images = normalizeRows(randomTensor([4, UNEQUAL.embedding], 5));
    const lossOf = async (given: { textWeight?: number; imageWeight?: number }) => {
      const method = await promptOf(promptsrc, { model, imageDepth: 0, ...given });
      const session = await openPrompt(model, { method, classNames: CLASSES });
      const { loss } = await session.step({ imageFeatures_BE: images, labels: [0, 1, 2, 0] });
      await session.dispose();
      return loss;
    };
    const bare = await lossOf({ textWeight: 0, imageWeight: 0 });
    assertEquals(await lossOf({ textWeight: 0, imageWeight: 10 }), bare);
    assertAlmostEquals(await lossOf({ textWeight: 50 }) - bare, 2 * (await lossOf({ textWeight: 25 }) - bare), 1e-4);
  });
});
