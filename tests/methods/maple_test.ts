import { assertEquals, assertLess, assertNotEquals } from "jsr:@std/assert@1.0.19";
import type { HostTensor } from "../../src/engine/ops.ts";
import { maple } from "../../src/methods/maple.ts";
import {
  assertNormal,
  COMMON,
  embeddingsOf,
  presetValues,
  promptOf,
  shapesOf,
  withModel,
} from "./tower_method_cases.ts";

Deno.test("MaPLe's presets are the published numbers", () => {
  assertEquals(Object.keys(maple.presets), ["maple-cvpr23", "maple-cross"]);
  const base = { ...COMMON, contextTokens: 2, depth: 9, lr: 0.0035, epochs: 5 };
  assertEquals(presetValues(maple, "maple-cvpr23"), base);
  assertEquals(presetValues(maple, "maple-cross"), { ...base, depth: 3, lr: 0.0026, epochs: 2 });
  assertEquals(maple.presets["maple-cross"].protocol, { train: "all", eval: ["all"] });
});

Deno.test("MaPLe starts from words, random deeper tokens, and copies of one projection", async () => {
  await withModel(async (model) => {
    const { params, shape, depth } = await promptOf(maple, { model, depth: 2 });
    assertEquals(shapesOf(params), [
      "ctx [2, 64]",
      "proj.weight [128, 64]",
      "proj.bias [128]",
      "compound_prompts_text.0 [2, 64]",
      "compound_prompt_projections.0.weight [128, 64]",
      "compound_prompt_projections.0.bias [128]",
    ]);
    assertEquals([...params.ctx.data], embeddingsOf(model, ["a", "photo"]));
    assertEquals([shape.text, depth], ["of a {}.", { text: 1, image: 2 }]);
    assertNormal(params["compound_prompts_text.0"]);
    // PyTorch's nn.Linear: uniform within 1/√(its inputs), weight and bias.
    for (const name of ["proj", "compound_prompt_projections.0"]) {
      for (const part of ["weight", "bias"]) {
        const most = params[`${name}.${part}`].data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        assertLess(most, 1 / 8 + 1e-6);
        assertLess(0.9 / 8, most);
      }
    }
    assertNotEquals(params["proj.weight"].data, params["compound_prompt_projections.0.weight"].data);
  });
});

Deno.test("MaPLe's deeper projections are equal at the start and are not one tensor", async () => {
  await withModel(async (model) => {
    const config = { ...model.config, image: { ...model.config.image, layers: 4 } };
    const text = { ...model.config.text, layers: 4 };
    const { params } = await promptOf(maple, { model: { ...model, config: { ...config, text } } });
    const maps = [0, 1, 2].map((j) => params[`compound_prompt_projections.${j}.weight`]);
    assertEquals(params["compound_prompt_projections.3.weight"] as HostTensor | undefined, undefined);
    assertEquals([maps[1].data, maps[2].data], [maps[0].data, maps[0].data]);
    assertEquals(new Set(maps.map(({ data }) => data.buffer)).size, 3);
    const tokens = [0, 1, 2].map((j) => params[`compound_prompts_text.${j}`].data[0]);
    assertEquals(new Set(tokens).size, 3);
  });
});

Deno.test("MaPLe's depth is cut to the shorter tower; depth 1 has the first layer alone", async () => {
  await withModel(async (model) => {
    const cut = await promptOf(maple, { model });
    assertEquals(cut.depth, { text: 1, image: 2 });
    assertEquals(shapesOf(cut.params), shapesOf((await promptOf(maple, { model, depth: 2 })).params));
    const first = await promptOf(maple, { model, depth: 1 });
    assertEquals(Object.keys(first.params), ["ctx", "proj.weight", "proj.bias"]);
    assertEquals(first.depth, { text: 0, image: 1 });
  });
});

Deno.test("MaPLe needs images", () => {
  assertEquals(maple.needsImages!(presetValues(maple, "maple-cvpr23") as never), true);
});
