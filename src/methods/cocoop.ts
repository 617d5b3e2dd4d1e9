/**
 * CoCoOp: a context that a small meta-net moves for every image (Zhou et al., CVPR 2022; CoOp trainers/cocoop.py).
 */
import type { Ops } from "../engine/ops.ts";
import { type ContextInit, initialContext } from "./coop.ts";
import { withDept } from "./dept.ts";
import { linearInit } from "./linear_init.ts";
import { promptLoss, type PromptMethod } from "./prompt_method.ts";
import { contextInit } from "./coop.ts";
import type { PromptLearning } from "./method.ts";
import { epochWeights, PHOTO, type PromptSettings, promptSettings, SEED_NOTEBOOK } from "./prompt_settings.ts";
import { withDefaults } from "./setting.ts";

/** The options of {@linkcode cocoopPrompt}. */
export interface CocoopOptions extends ContextInit {
  /** The width of image features, E. */
  embedding: number;
  /** Gives the meta-net's start: uniform in [lo, hi). */
  metaNetRandom: { uniform(lo: number, hi: number): number };
}

/** The meta-net's hidden width is the features' divided by this. */
const REDUCTION = 16;

/** The names of the meta-net's parameters, in PyTorch's order. */
export const META_NET = [
  "meta_net.linear1.weight",
  "meta_net.linear1.bias",
  "meta_net.linear2.weight",
  "meta_net.linear2.bias",
] as const;

/** The meta-net: Linear(E → E/16), ReLU, Linear(E/16 → D); [B, D]. */
export function metaNet<T>(ops: Ops<T>, params: Record<string, T>, imageFeatures_BE: T): T {
  const [w1, b1, w2, b2] = META_NET.map((name) => params[name]);
  const hidden = ops.relu(ops.add(ops.matMul(imageFeatures_BE, w1, { transposeB: true }), b1));
  return ops.add(ops.matMul(hidden, w2, { transposeB: true }), b2);
}

/** Contexts [B, M, D]: every token of `ctx` moved by what the meta-net makes of the normalised image feature. */
export function conditionedContexts<T>(
  ops: Ops<T>,
  { params, imageFeatures_BE }: { params: Record<string, T>; imageFeatures_BE: T },
): T {
  const [M, D] = ops.shape(params.ctx);
  const bias_BD = metaNet(ops, params, imageFeatures_BE);
  const [B] = ops.shape(bias_BD);
  return ops.add(ops.reshape(params.ctx, [1, M, D]), ops.reshape(bias_BD, [B, 1, D]));
}

/**
 * CoCoOp. The class token stands at the end and the context is generic, as published.
 *
 * @throws {UserError} When the initial words hold no token.
 */
export function cocoopPrompt(options: CocoopOptions): PromptMethod {
  const ctx = initialContext(options);
  const [M, D] = ctx.shape;
  const hidden = Math.floor(options.embedding / REDUCTION);
  const [w1, b1] = linearInit([hidden, options.embedding], options.metaNetRandom);
  const [w2, b2] = linearInit([D, hidden], options.metaNetRandom);
  return {
    name: "cocoop",
    shape: { contextTokens: M, classTokenPosition: "end", classSpecific: false },
    params: { ctx, [META_NET[0]]: w1, [META_NET[1]]: b1, [META_NET[2]]: w2, [META_NET[3]]: b2 },
    imageConditioned: true,
    contexts: conditionedContexts,
    losses: (ops, inputs) => [promptLoss(ops, inputs)],
  };
}

const cosines: PromptLearning<PromptSettings> = {
  name: "cocoop",
  label: "CoCoOp",
  title:
    "CoCoOp (Zhou et al., CVPR 2022): context tokens moved for every image by a meta-net; trains, evaluates, reports.",
  settings: {
    ...withDefaults(promptSettings, PHOTO),
    // The published method has one context for all classes, and the class name at its end.
    classTokenPosition: { ...promptSettings.classTokenPosition, fixed: true },
    classSpecific: { ...promptSettings.classSpecific, fixed: true },
  },
  check: epochWeights,
  presets: {
    "seed-notebook": SEED_NOTEBOOK,
    "cocoop-cvpr22": {
      title: "CoCoOp as published, 10 epochs of batch 1",
      source: "Zhou et al., Conditional Prompt Learning for Vision-Language Models, CVPR 2022; " +
        "CoOp scripts/cocoop/base2new_train.sh, configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 87.49 base / 60.04 new / H 71.21",
      time: "800 steps on EuroSAT; a batch of 1 image, so steps are short",
      command: "deno task cocoop --preset cocoop-cvpr22 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({ epochs: 10, batchSize: 1, lr: 0.002 }),
    },
  },
  prompt: (task) =>
    cocoopPrompt({
      ...contextInit(task),
      embedding: task.model.config.embedding,
      metaNetRandom: task.random("meta-net-init"),
    }),
};

/**
 * CoCoOp as the kit runs it.
 *
 * Zhou et al., Conditional Prompt Learning for Vision-Language Models, CVPR 2022 (https://arxiv.org/abs/2203.05557).
 */
export const cocoop: PromptLearning<PromptSettings> = withDept(cosines, {
  expected: "83.80 base / 72.89 new / H 77.97",
  config: "CoCoOp's own configuration, vit_b16_c4_ep10_batch1_ctxv1",
  time: "800 steps of 1 image on EuroSAT at 16 shots",
  values: { epochs: 10, batchSize: 1, lr: 0.002 },
});
