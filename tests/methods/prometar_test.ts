import { assertAlmostEquals, assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { mapNames, modulated } from "../../src/methods/modulation.ts";
import { prometar } from "../../src/methods/prometar.ts";
import { randomTensor, runOnce, withEngine } from "../engine/ops_cases.ts";
import { COMMON, presetValues, promptOf, shapesOf, withModel } from "./tower_method_cases.ts";

Deno.test("ProMetaR's preset is the published numbers", () => {
  assertEquals(Object.keys(prometar.presets), ["prometar-cvpr24"]);
  assertEquals(presetValues(prometar, "prometar-cvpr24"), {
    ...COMMON,
    ...{ textTokens: 4, imageTokens: 4, textDepth: 9, imageDepth: 9 },
    ...{ lr: 0.0025, epochs: 10, meta: "second" },
  });
});

Deno.test("the second step's rates are the published ones; --meta says how it is made", async () => {
  await withModel(async (model) => {
    const { adaptRate, outerRatio, rate, order } = (await promptOf(prometar, { model })).meta!;
    assertEquals({ adaptRate, outerRatio, rate, order }, {
      ...{ adaptRate: 5e-4, outerRatio: 5e-4 },
      ...{ rate: 1e-6, order: "second" },
    });
    for (const meta of ["first", "off"] as const) {
      assertEquals((await promptOf(prometar, { model, meta })).meta!.order, meta);
    }
  });
});

Deno.test("the net has two maps for each learned tensor, as PyTorch starts them, of the run's seed", async () => {
  await withModel(async (model) => {
    const { maps } = (await promptOf(prometar, { model, textTokens: 2, imageTokens: 3 })).meta!;
    // 2nD → nD/8 → nD/8: 2 tokens of 64 numbers, 3 of 128.
    const text = [0, 1, 2].flatMap((i) => [`linear_text_gamma.${i}.0.weight [16, 256]`, `…${i}.1.weight [16, 16]`]);
    const image = [0, 1].flatMap((i) => [`linear_vision_gamma.${i}.0.weight [48, 768]`, `…${i}.1.weight [48, 48]`]);
    const shortened = shapesOf(maps).map((line) => line.replace(/^linear_\w+_gamma\.(\d+\.1\.)/, "…$1"));
    assertEquals(shortened, [...text, ...image]);
    for (const { shape, data } of Object.values(maps)) {
      const most = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      assertLess(most, 1 / Math.sqrt(shape[1]) + 1e-6);
    }
    const other = (await promptOf(prometar, { model, textTokens: 2, imageTokens: 3, seed: 2 })).meta!.maps;
    const [name] = mapNames("ctx");
    assertEquals(name, "linear_text_gamma.0.0.weight");
    assertEquals(other[name].data.some((x, i) => x === maps[name].data[i]), false);
  });
});

Deno.test("γ has one output for eight neighbours, one after the other, from both gradients end to end", async () => {
  const [n, D] = [2, 8];
  const [task, regulariser] = [randomTensor([n, D], 1), randomTensor([n, D], 2)];
  const [first, second] = mapNames("image_encoder.transformer.resblocks.3.VPT_shallow");
  const maps = { [first]: randomTensor([2, 32], 3), [second]: randomTensor([2, 2], 4) };
  const both = [...task.data, ...regulariser.data];
  const times = (w: Float32Array, x: readonly number[]) =>
    [0, 1].map((o) => x.reduce((sum, value, i) => sum + value * w[o * x.length + i], 0));
  const gamma = times(maps[second].data, times(maps[first].data, both)).map((x) => 1 / (1 + Math.exp(-x)));
  await withEngine("onnx", async (engine) => {
    const [{ shape, data }] = await runOnce(engine, (ops, [g, r, a, b]) =>
      modulated(ops, {
        names: ["image_encoder.transformer.resblocks.3.VPT_shallow"],
        task: [g],
        regulariser: [r],
        maps: { [first]: a, [second]: b },
      }), [task, regulariser, maps[first], maps[second]]);
    assertEquals(shape, [n, D]);
    data.forEach((value, i) =>
      assertAlmostEquals(value, task.data[i] + gamma[Math.floor(i / 8)] * regulariser.data[i], 1e-5)
    );
  });
});
