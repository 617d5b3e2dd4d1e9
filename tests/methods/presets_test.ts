/** Every preset beside the numbers of the scripts and configurations that its words cite. */
import { assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import { publishedValues, withVariants } from "../../src/methods/method.ts";

/** What Dassl's configurations inherit, and what no published script changes. */
const INHERITED = {
  momentum: 0.9,
  weightDecay: 5e-4,
  warmupEpochs: 1,
  warmupLr: 1e-5,
  views: "epochs",
  classTokenPosition: "end",
  classSpecific: false,
  promptAverage: "",
  wise: 1,
};
const RANDOM = { contextTokens: 16, initWords: "" };
const PHOTO = { contextTokens: 4, initWords: "a photo of a" };
const NOTEBOOK = { epochs: 100, batchSize: 4, lr: 0.0025 };
const LEARNED = { batchSize: 32, lr: 0.002 };
const BASE_TO_NEW = ["base", "base,new"];

interface Published {
  /** Files that the preset's words must cite. */
  cites: string[];
  /** Classes to train on, and to evaluate on. */
  protocol: string[];
  /** By training images a class. */
  values: Record<number, Record<string, unknown>>;
}

const notebook = (values: Record<string, unknown>): Published => ({
  cites: ["notebook"],
  protocol: BASE_TO_NEW,
  values: { 4: { ...NOTEBOOK, ...values }, 16: { ...NOTEBOOK, ...values } },
});

const PUBLISHED: Record<string, Record<string, Published>> = {
  coop: {
    "seed-notebook": notebook(RANDOM),
    "coop-ijcv22": {
      cites: ["COOP.md", "scripts/coop/main.sh"],
      protocol: ["all", "all"],
      values: {
        1: { ...RANDOM, ...LEARNED, epochs: 50 },
        2: { ...RANDOM, ...LEARNED, epochs: 100 },
        4: { ...RANDOM, ...LEARNED, epochs: 100 },
        8: { ...RANDOM, ...LEARNED, epochs: 200 },
        16: { ...RANDOM, ...LEARNED, epochs: 200 },
      },
    },
    "coop-base2new": {
      cites: ["scripts/cocoop/base2new_train.sh", "configs/trainers/CoOp/vit_b16_ctxv1.yaml"],
      protocol: BASE_TO_NEW,
      values: { 16: { ...PHOTO, ...LEARNED, epochs: 200 } },
    },
  },
  cocoop: {
    "seed-notebook": notebook(PHOTO),
    "cocoop-cvpr22": {
      cites: ["scripts/cocoop/base2new_train.sh", "configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml"],
      protocol: BASE_TO_NEW,
      values: { 16: { ...PHOTO, epochs: 10, batchSize: 1, lr: 0.002 } },
    },
  },
  kgcoop: {
    "seed-notebook": notebook({ ...RANDOM, lambda: 8, over: "coop" }),
    "kgcoop-cvpr23": {
      cites: ["scripts/base2new_train.sh", "configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml"],
      protocol: BASE_TO_NEW,
      values: { 16: { ...PHOTO, epochs: 100, batchSize: 128, lr: 0.002, lambda: 8, over: "coop" } },
    },
  },
  "kgcoop-cocoop": { "seed-notebook": notebook({ ...PHOTO, lambda: 8, over: "cocoop" }) },
  prograd: {
    "seed-notebook": notebook({ ...RANDOM, lambda: 1, contextStart: "words", over: "coop" }),
    "prograd-iccv23": {
      cites: ["scripts/base2new_train_prograd.sh", "configs/trainers/ProGrad/rn50_ep100.yaml", "RN50", "--shots 4"],
      protocol: BASE_TO_NEW,
      values: Object.fromEntries([4, 16].map((shots) => [
        shots,
        { ...RANDOM, ...LEARNED, epochs: 100, lambda: 1, contextStart: "template", over: "coop" },
      ])),
    },
  },
  "prograd-cocoop": {
    "seed-notebook": notebook({ ...PHOTO, lambda: 1, contextStart: "words", over: "cocoop" }),
  },
};

Deno.test("every preset has the published numbers, and cites the script of its own protocol", () => {
  const methods = KIT_METHODS.flatMap(withVariants).filter(({ presets }) => Object.keys(presets).length > 0);
  assertEquals(methods.map(({ name }) => name).sort(), Object.keys(PUBLISHED).sort());
  for (const method of methods) {
    assertEquals(Object.keys(method.presets), Object.keys(PUBLISHED[method.name]), method.name);
    for (const [name, { cites, protocol, values }] of Object.entries(PUBLISHED[method.name])) {
      const { protocol: own, source } = method.presets[name];
      for (const file of cites) assertStringIncludes(source, file, name);
      assertEquals([own.train, own.eval.join()], protocol, name);
      for (const [shots, expected] of Object.entries(values)) {
        assertEquals(publishedValues(method, name, Number(shots)), { ...INHERITED, ...expected }, `${name}, ${shots}`);
      }
    }
  }
});
