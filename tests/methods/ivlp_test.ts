import { assertEquals } from "jsr:@std/assert@1.0.19";
import { ivlp } from "../../src/methods/ivlp.ts";
import { COMMON, presetValues } from "./tower_method_cases.ts";

Deno.test("IVLP's presets are the published numbers", () => {
  assertEquals(Object.keys(ivlp.presets), ["promptsrc-iccv23", "maple-cvpr23"]);
  const sizes = { textTokens: 4, imageTokens: 4, textDepth: 9, imageDepth: 9 };
  assertEquals(presetValues(ivlp, "promptsrc-iccv23"), { ...COMMON, ...sizes, lr: 0.0025, epochs: 20 });
  assertEquals(presetValues(ivlp, "maple-cvpr23"), {
    ...COMMON,
    ...{ textTokens: 2, imageTokens: 2, textDepth: 12, imageDepth: 12 },
    ...{ lr: 0.0035, epochs: 5 },
  });
});

Deno.test("IVLP needs images where it prompts their tower", () => {
  const values = presetValues(ivlp, "promptsrc-iccv23") as Parameters<NonNullable<typeof ivlp.needsImages>>[0];
  assertEquals([ivlp.needsImages!(values), ivlp.needsImages!({ ...values, imageDepth: 0 })], [true, false]);
});
