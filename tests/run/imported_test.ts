import { assertEquals } from "jsr:@std/assert@1.0.19";
import { cocoop } from "../../src/methods/cocoop.ts";
import { coop } from "../../src/methods/coop.ts";
import { ivlp } from "../../src/methods/ivlp.ts";
import { maple } from "../../src/methods/maple.ts";
import type { PromptLearning } from "../../src/methods/method.ts";
import { prometar } from "../../src/methods/prometar.ts";
import { promptsrc } from "../../src/methods/promptsrc.ts";
import { layoutOf } from "../../src/published/layouts.ts";
import type { PublishedPrompt } from "../../src/published/checkpoint.ts";
import { type ImportedConfig, importedConfig } from "../../src/run/imported.ts";
import { settingsPart } from "../../src/run/path.ts";

/** Towers of the sample model's depth. */
const LAYERS = { text: { layers: 6 }, image: { layers: 6 } };

/** The configuration of a prompt whose learned tensors have these shapes. */
function configOf(
  method: unknown,
  { shapes, epoch, path = "", wordsAfter = "", ...facts }: {
    shapes: Record<string, number[]>;
    epoch: number;
    path?: string;
    wordsAfter?: string;
    lambda?: number;
  },
): ImportedConfig {
  const params = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, data: new Float32Array() }]),
  );
  const layout = layoutOf(new Map(Object.entries(shapes)), "FILE");
  return importedConfig({ layout, params, epoch } as unknown as PublishedPrompt, {
    method: method as PromptLearning,
    facts,
    given: { train: "base", shots: 16, seeds: [1] },
    words: { classNames: ["river", "sea"], wordsAfter },
    path,
    layers: LAYERS as Parameters<typeof importedConfig>[1]["layers"],
  });
}

const deep = (tower: string, from: number, to: number, shape: number[]) =>
  Object.fromEntries(
    Array.from(
      { length: to - from },
      (_, i) => [`${tower}_encoder.transformer.resblocks.${from + i}.VPT_shallow`, shape],
    ),
  );
/** Prompts of all six layers, as nine are there. */
const TOWERS: Record<string, number[]> = {
  ctx: [4, 128],
  "image_encoder.VPT": [4, 192],
  ...deep("text", 1, 6, [4, 128]),
  ...deep("image", 1, 6, [4, 192]),
};
const compound = (count: number) => ({
  ctx: [2, 128],
  "proj.weight": [192, 128],
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`compound_prompts_text.${i}`, [2, 128]])),
});

Deno.test("a folder that has the name of a preset's configuration file tells all settings", () => {
  const folder = (name: string) => `output/train_base/eurosat/shots_16/T/${name}/seed1/model.pth.tar-5`;
  const cases: [unknown, Parameters<typeof configOf>[1], string][] = [
    [
      maple,
      { shapes: compound(8), epoch: 5, path: folder("vit_b16_c2_ep5_batch4_2ctx"), wordsAfter: "of a" },
      "maple-cvpr23",
    ],
    [
      maple,
      {
        shapes: compound(2),
        epoch: 2,
        path: "output/imagenet/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets_16shots/seed1/model.pth.tar-2",
        wordsAfter: "of a",
      },
      "maple-cross",
    ],
    [promptsrc, { shapes: TOWERS, epoch: 20, path: folder("vit_b16_c2_ep20_batch4_4+4ctx") }, "promptsrc-iccv23"],
    [
      promptsrc,
      { shapes: TOWERS, epoch: 50, path: "eurosat/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot_4shots/seed1/x" },
      "promptsrc-few-shot",
    ],
    [prometar, { shapes: TOWERS, epoch: 10, path: folder("vit_b16_c2_ep10_batch4_4+4ctx") }, "prometar-cvpr24"],
    [
      ivlp,
      {
        shapes: { ...TOWERS, ctx: [2, 128], "image_encoder.VPT": [2, 192] },
        epoch: 5,
        path: folder("vit_b16_c2_ep5_batch4_2+2ctx"),
        wordsAfter: "of a",
      },
      "maple-cvpr23",
    ],
    [
      cocoop,
      {
        shapes: { ctx: [4, 128], "meta_net.linear1.weight": [8, 128], "meta_net.linear2.weight": [128, 8] },
        epoch: 10,
        path: folder("vit_b16_c4_ep10_batch1_ctxv1"),
      },
      "cocoop-cvpr22",
    ],
  ];
  for (const [method, at, preset] of cases) {
    const { config, metadata, unknown } = configOf(method, at);
    assertEquals([settingsPart(config), metadata.preset, unknown], [preset, preset, []]);
    assertEquals(metadata.lr, String(config.values.lr));
    // Another configuration: the same prompt, of whose training nothing more is known.
    const other = configOf(method, { ...at, path: folder("mine") });
    assertEquals([other.metadata.preset, other.metadata.lr, other.unknown.includes("lr")], [
      undefined,
      undefined,
      true,
    ]);
    // What the paper fixes is known.
    if (method === cocoop) assertEquals(other.metadata["class-token-position"], "end");
    assertEquals([other.metadata.epochs, other.unknown.includes("epochs")], [String(at.epoch), false]);
  }
});

Deno.test("what tensors tell goes over the preset; as many layers as the model has are what a deeper preset means", () => {
  const six = configOf(prometar, { shapes: TOWERS, epoch: 10 });
  assertEquals([six.config.values.textDepth, six.config.changed], [9, []]);
  const { "image_encoder.transformer.resblocks.5.VPT_shallow": _last, ...five } = TOWERS;
  assertEquals(
    settingsPart(configOf(prometar, { shapes: five, epoch: 12 }).config),
    "prometar-cvpr24+epochs=12+image-depth=5",
  );
  const text = Object.fromEntries(Object.entries(TOWERS).filter(([name]) => !name.startsWith("image")));
  assertEquals(configOf(ivlp, { shapes: text, epoch: 20 }).config.changed, ["imageDepth"]);
  assertEquals(configOf(coop, { shapes: { ctx: [3, 16, 128] }, epoch: 100 }).config.changed, ["classSpecific"]);
  // MaPLe's code keeps tokens of layers that are not there; its number is that of the configuration.
  assertEquals(configOf(maple, { shapes: compound(10), epoch: 5, wordsAfter: "of a" }).config.changed, []);
});

Deno.test("the words that stay are part of the prompt, and the others are not made up", () => {
  const words = (wordsAfter: string, M = 2) => {
    const { config, metadata } = configOf(maple, { shapes: { ...compound(8), ctx: [M, 128] }, epoch: 5, wordsAfter });
    return [config.values.initWords, metadata["init-words"]];
  };
  assertEquals(words("of a"), ["a photo of a", "a photo of a"]);
  assertEquals(words(""), ["", ""]);
  assertEquals(words("of the"), ["X X of the", "X X of the"]);
  assertEquals(words("a", 3), ["a photo of a", "a photo of a"]);
  // Four tokens take the place of all words: which these were, nothing tells.
  assertEquals(words("", 4), ["a photo of a", undefined]);
});
