/** What the kit's methods say of themselves: the published numbers, written out, and who is a variant of whom. */
import { assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import {
  drawsImages,
  type FeatureLearning,
  learnsPrompts,
  methodFault,
  publishedValues,
  type Values,
  withVariants,
} from "../../src/methods/method.ts";

const SHOTS = [1, 2, 4, 8, 16];
const ALL = KIT_METHODS.flatMap(withVariants);
const found = (name: string) => ALL.find((method) => method.name === name)!;

/** Dassl's defaults, and CoOp's place for the class name. */
const INHERITED = {
  momentum: 0.9,
  weightDecay: 0.0005,
  warmupEpochs: 1,
  warmupLr: 0.00001,
  views: "epochs",
  promptAverage: "",
  wise: 1,
};

/** CoOp's place for the class name. */
const ONE_CONTEXT = { classTokenPosition: "end", classSpecific: false };

const RANDOM = { ...ONE_CONTEXT, contextTokens: 16, initWords: "", head: "none" };
const PHOTO = { ...ONE_CONTEXT, contextTokens: 4, initWords: "a photo of a", head: "none" };
const NOTEBOOK = { batchSize: 4, lr: 0.0025 };

/** Four tokens of both towers in nine layers, as PromptSRC has them. */
const TOWERS = { textTokens: 4, imageTokens: 4, textDepth: 9, imageDepth: 9, initWords: "a photo of a", ...NOTEBOOK };
const SOURCE = { ...TOWERS, textWeight: 25, imageWeight: 10 };
/** DePT's numbers, but for CoCoOp's. */
const DEPT = { batchSize: 4, lr: 0.0035, head: "dept" };
const MAPLE = { contextTokens: 2, initWords: "a photo of a", batchSize: 4 };

/** Method, preset, epochs with 1, 2, 4, 8 and 16 shots, and the other numbers. */
const PROMPTS: [string, string, number[], Values][] = [
  ["coop", "seed-notebook", [100, 100, 100, 100, 100], { ...RANDOM, ...NOTEBOOK }],
  ["coop", "coop-ijcv22", [50, 100, 100, 200, 200], { ...RANDOM, batchSize: 32, lr: 0.002 }],
  ["coop", "coop-base2new", [200, 200, 200, 200, 200], { ...PHOTO, batchSize: 32, lr: 0.002 }],
  ["coop-dept", "seed-notebook", [100, 100, 100, 100, 100], { ...RANDOM, ...NOTEBOOK, head: "dept" }],
  ["coop-dept", "dept-cvpr24", [10, 10, 10, 10, 10], { ...RANDOM, ...DEPT }],
  ["cocoop", "seed-notebook", [100, 100, 100, 100, 100], { ...PHOTO, ...NOTEBOOK }],
  ["cocoop", "cocoop-cvpr22", [10, 10, 10, 10, 10], { ...PHOTO, batchSize: 1, lr: 0.002 }],
  ["cocoop-dept", "seed-notebook", [100, 100, 100, 100, 100], { ...PHOTO, ...NOTEBOOK, head: "dept" }],
  ["cocoop-dept", "dept-cvpr24", [10, 10, 10, 10, 10], { ...PHOTO, batchSize: 1, lr: 0.002, head: "dept" }],
  ["kgcoop", "seed-notebook", [100, 100, 100, 100, 100], { ...RANDOM, ...NOTEBOOK, lambda: 8, over: "coop" }],
  ["kgcoop", "kgcoop-cvpr23", [100, 100, 100, 100, 100], {
    ...PHOTO,
    batchSize: 128,
    lr: 0.002,
    lambda: 8,
    over: "coop",
  }],
  ["kgcoop-cocoop", "seed-notebook", [100, 100, 100, 100, 100], { ...PHOTO, ...NOTEBOOK, lambda: 8, over: "cocoop" }],
  ["kgcoop-dept", "seed-notebook", [100, 100, 100, 100, 100], {
    ...RANDOM,
    ...NOTEBOOK,
    lambda: 8,
    over: "coop",
    head: "dept",
  }],
  ["kgcoop-dept", "dept-cvpr24", [10, 10, 10, 10, 10], { ...PHOTO, ...DEPT, lambda: 2, over: "coop" }],
  ["prograd", "seed-notebook", [100, 100, 100, 100, 100], {
    ...RANDOM,
    ...NOTEBOOK,
    lambda: 1,
    contextStart: "words",
    over: "coop",
  }],
  // Its base-to-new script: 100 epochs whatever the shots, 16 tokens from the data set's template.
  ["prograd", "prograd-iccv23", [100, 100, 100, 100, 100], {
    ...RANDOM,
    batchSize: 32,
    lr: 0.002,
    lambda: 1,
    contextStart: "template",
    over: "coop",
  }],
  ["prograd-cocoop", "seed-notebook", [100, 100, 100, 100, 100], {
    ...PHOTO,
    ...NOTEBOOK,
    lambda: 1,
    contextStart: "words",
    over: "cocoop",
  }],
  ...["tcp-cvpr24", "tcp-few-shot"].map((preset): typeof PROMPTS[number] => [
    "tcp",
    preset,
    [50, 50, 50, 50, 50],
    { contextTokens: 4, classBlock: 8, lambda: 8, batchSize: 32, lr: 0.002 },
  ]),
  ["ivlp", "promptsrc-iccv23", [20, 20, 20, 20, 20], TOWERS],
  ["ivlp", "maple-cvpr23", [5, 5, 5, 5, 5], {
    ...TOWERS,
    lr: 0.0035,
    textTokens: 2,
    imageTokens: 2,
    textDepth: 12,
    imageDepth: 12,
  }],
  ["maple", "maple-cvpr23", [5, 5, 5, 5, 5], { ...MAPLE, lr: 0.0035, depth: 9 }],
  ["maple", "maple-cross", [2, 2, 2, 2, 2], { ...MAPLE, lr: 0.0026, depth: 3 }],
  ["promptsrc", "promptsrc-iccv23", [20, 20, 20, 20, 20], { ...SOURCE, promptAverage: "15,1" }],
  ["promptsrc", "promptsrc-cross", [20, 20, 20, 20, 20], {
    ...SOURCE,
    textDepth: 3,
    imageDepth: 3,
    promptAverage: "6,10",
  }],
  ["promptsrc", "promptsrc-few-shot", [50, 50, 50, 50, 50], { ...SOURCE, promptAverage: "30,30" }],
  ["prometar", "prometar-cvpr24", [10, 10, 10, 10, 10], { ...TOWERS, meta: "second" }],
  ["mmrl", "mmrl-cvpr25", [10, 10, 10, 10, 10], {
    ...{ contextTokens: 5, tokenWidth: "published", firstLayer: 6, lowerStore: 4 },
    ...{ alpha: 0.7, lambda: "published", batchSize: 4, lr: 0.001 },
  }],
];

/** The script and the configuration that a preset's numbers stand in. */
const CITED: Record<string, string[]> = {
  "coop-ijcv22": ["COOP.md", "scripts/coop/main.sh"],
  "coop-base2new": ["scripts/cocoop/base2new_train.sh", "configs/trainers/CoOp/vit_b16_ctxv1.yaml"],
  "cocoop-cvpr22": ["scripts/cocoop/base2new_train.sh", "configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml"],
  "dept-cvpr24": ["DePT train.py", "ep10"],
  "kgcoop-cvpr23": ["scripts/base2new_train.sh", "configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml"],
  "promptsrc-iccv23": ["configs/trainers/", "vit_b16_c2_ep20_batch4_4+4ctx.yaml"],
  // IVLP's file says the tokens of both towers: 2+2ctx.
  "maple-cvpr23": ["configs/trainers/", "/vit_b16_c2_ep5_batch4_2", "ctx.yaml"],
  "maple-cross": ["configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets.yaml"],
  "promptsrc-cross": ["configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets.yaml"],
  "promptsrc-few-shot": ["configs/trainers/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot.yaml"],
  "prometar-cvpr24": ["configs/trainers/ProMetaR/vit_b16_c2_ep10_batch4_4+4ctx.yaml"],
  "mmrl-cvpr25": ["configs/trainers/MMRL/vit_b16.yaml", "trainers/config.py"],
  "tcp-cvpr24": ["scripts/base2new_train.sh", "configs/trainers/TCP/vit_b16_ep100_ctxv1.yaml", "--epochs 25"],
  "tcp-few-shot": ["base-to-new script", "TCP#7"],
  "prograd-iccv23": ["scripts/base2new_train_prograd.sh", "configs/trainers/ProGrad/rn50_ep100.yaml", "--shots 4"],
};

Deno.test("every preset of every prompt method has the published numbers, with any shots", () => {
  for (const [name, preset, epochs, values] of PROMPTS) {
    SHOTS.forEach((shots, i) =>
      assertEquals(publishedValues(found(name), preset, shots), { ...INHERITED, ...values, epochs: epochs[i] }, preset)
    );
  }
  assertEquals(
    ALL.filter(learnsPrompts).flatMap(({ name, presets }) => Object.keys(presets).map((preset) => [name, preset])),
    PROMPTS.map(([name, preset]) => [name, preset]),
  );
});

Deno.test("presets cite the script of their own protocol", () => {
  const published = ALL.flatMap(({ presets }) => Object.entries(presets)).filter(([name]) => name !== "seed-notebook");
  assertEquals(new Set(published.map(([name]) => name)), new Set(Object.keys(CITED)));
  for (const [name, { source }] of published) {
    for (const file of CITED[name]) assertStringIncludes(source, file, name);
  }
});

Deno.test("presets train on what their papers train on; the first is the default", () => {
  for (const { name, presets } of ALL) {
    for (const [preset, { protocol }] of Object.entries(presets)) {
      const expected =
        ["coop-ijcv22", "maple-cross", "promptsrc-cross", "promptsrc-few-shot", "tcp-few-shot"].includes(preset)
          ? { train: "all", eval: ["all"] }
          : { train: "base", eval: ["base", "new"] };
      assertEquals(protocol as unknown, expected, `${name} ${preset}`);
    }
  }
  assertEquals(
    ALL.filter(learnsPrompts).map(({ presets }) => Object.keys(presets)[0]),
    [
      ...Array(9).fill("seed-notebook"),
      "tcp-cvpr24",
      "promptsrc-iccv23",
      "maple-cvpr23",
      "promptsrc-iccv23",
      "prometar-cvpr24",
      "mmrl-cvpr25",
    ],
  );
});

const IN_TEXT = { templates: "single", tuneOn: "few-shot" };

/** Method, values, epochs by shots where it has epochs, learned numbers of 3 classes, 8 images and 128 features, least area. */
const ON_FEATURES: [string, Values, number[] | undefined, number, number | undefined][] = [
  ["gda", { ...IN_TEXT, views: 10 }, undefined, 3 * 129, 0.5],
  ["tip-adapter", { ...IN_TEXT, views: 10 }, undefined, 0, 0.5],
  ["tip-adapter-f", { ...IN_TEXT, views: 10, batchSize: 256, lr: 0.001 }, [100, 100, 100, 100, 100], 8 * 128, 0.5],
  [
    "clip-adapter",
    { ...IN_TEXT, views: 10, batchSize: 32, lr: 0.002 },
    [50, 100, 100, 200, 200],
    2 * 128 * 32,
    undefined,
  ],
  ["lp++", { ...IN_TEXT, views: 1 }, [300, 300, 300, 300, 300], 3 * 130, 0.5],
  ["linear-probe", { tuneOn: "few-shot" }, undefined, 3 * 129, undefined],
];

Deno.test("every method on features has its published numbers, and a variant that chooses on all validation images", () => {
  for (const [name, values, epochs, learned, leastArea] of ON_FEATURES) {
    const method = found(name) as FeatureLearning;
    const full = found(`${name}-full-val`) as FeatureLearning;
    SHOTS.forEach((shots, i) => {
      const expected = { ...values, ...(epochs === undefined ? {} : { epochs: epochs[i] }) };
      assertEquals(publishedValues(method, null, shots), expected, name);
      assertEquals(publishedValues(full, null, shots), { ...expected, tuneOn: "full" }, name);
    });
    assertEquals([method.learnedNumbers({ C: 3, N: 8, E: 128 }), method.leastArea], [learned, leastArea], name);
    assertEquals([full.label, full.leastArea], [`${method.label}, full validation`, leastArea]);
  }
  // Of two classes one has a row of weights.
  assertEquals((found("linear-probe") as FeatureLearning).learnedNumbers({ C: 2, N: 8, E: 128 }), 129);
  assertEquals(publishedValues(found("zeroshot"), null, 16), { templates: "single" });
});

Deno.test("names are told apart, and which methods draw images and learn prompts", () => {
  assertEquals(new Set(ALL.map(({ name }) => name)).size, ALL.length);
  assertEquals(new Set(ALL.map(({ label }) => label)).size, ALL.length);
  assertEquals(ALL.filter((method) => !drawsImages(method)).map(({ name }) => name), ["zeroshot"]);
  assertEquals(
    KIT_METHODS.filter(learnsPrompts).map(({ name }) => name),
    ["coop", "cocoop", "kgcoop", "prograd", "tcp", "ivlp", "maple", "promptsrc", "prometar", "mmrl"],
  );
  assertEquals(
    ALL.map((method) => methodFault(method)).filter((fault) => fault !== undefined),
    [],
  );
});

Deno.test("what is no method is told by what it lacks", () => {
  const whole = { name: "mine", label: "Mine", title: "My method.", settings: {}, presets: {} };
  const prompt = () => {};
  for (
    const [value, fault] of [
      [undefined, "it is no object"],
      [prompt, "it is no object"],
      [{ ...whole, name: "", prompt }, 'its "name" is no text'],
      ...["../x", "my method", "a,b", ".", "a/b"].map((name) =>
        [{ ...whole, name, prompt }, 'its "name" is not one word, as in cocoop or lp++'] as const
      ),
      [{ ...whole, name: "日本-2", prompt }, undefined],
      [{ ...whole, title: 3, prompt }, 'its "title" is no text'],
      [{ ...whole, settings: null, prompt }, 'its "settings" is missing'],
      [{ ...whole, presets: undefined, prompt }, 'its "presets" is missing'],
      [whole, 'it has neither "prompt" nor "learn"'],
      [{ ...whole, learn: prompt }, 'its "learnedNumbers" is no function'],
      [{ ...whole, prompt }, undefined],
      [{ ...whole, learn: prompt, learnedNumbers: prompt }, undefined],
    ] as const
  ) assertEquals(methodFault(value), fault);
});
