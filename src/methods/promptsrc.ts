/**
 * PromptSRC: prompts in both towers that stay near frozen CLIP (Khattak et al., ICCV 2023; trainers/promptsrc.py:200-330).
 *
 * loss = CE + w_t·mean|t − z| + w_i·mean|x − z_x| + KL(p_z ‖ p), with the unit features t and x of the prompted towers, z
 * and z_x of the frozen ones and their predictions p and p_z; means are over all numbers. z is the mean of the text
 * features of sixty templates, made to unit length after the mean. The prompt that is kept is the Gaussian average of
 * the epochs' prompts.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import templates from "../../data/templates.json" with { type: "json" };
import type { PromptLearning, PromptTask } from "./method.ts";
import { cosineLogits, crossEntropy, l2Normalize, type LossInputs } from "./prompt_method.ts";
import { epochWeights } from "./prompt_settings.ts";
import { decimal, withDefaults } from "./setting.ts";
import { towerPrompts, type TowerSettings, towerSettings } from "./tower_prompts.ts";
import { fillTemplate, normalizeRows } from "./zero_shot.ts";

/** The settings of PromptSRC. */
export type PromptsrcSettings = TowerSettings & {
  /** Weight of the distance between the towers' text features. */
  textWeight: number;
  /** Weight of the distance between the towers' image features. */
  imageWeight: number;
};

/** What a loss of PromptSRC and ProMetaR is made of, each a tensor of one number and before its weight. */
export interface RegularisedTerms<T> {
  /** Cross-entropy. */
  ce: T;
  /** mean |t − z| */
  textL1: T;
  /** mean |x − z_x| */
  imageL1: T;
}

/** `|x|`; its slope at 0 is 0, as PyTorch's. */
function absolute<T>(ops: Ops<T>, x: T): T {
  return ops.add(ops.relu(x), ops.relu(ops.scale(x, -1)));
}

/** The mean of all numbers, in the shape of the cross-entropy. */
function meanOfAll<T>(ops: Ops<T>, x: T, like: T): T {
  let mean = x;
  for (const axis of ops.shape(x).keys()) mean = ops.mean(mean, axis);
  return ops.reshape(mean, ops.shape(like));
}

/** The cross-entropy, and how far the prompted towers are from the frozen ones. */
export function regularisedTerms<T>(ops: Ops<T>, inputs: LossInputs<T>): RegularisedTerms<T> {
  const { textFeatures_GCE, imageFeatures_BE, storedFeatures_BE, frozen, labels_BC } = inputs;
  const ce = crossEntropy(ops, cosineLogits(ops, inputs), labels_BC);
  const dText = ops.sub(l2Normalize(ops, textFeatures_GCE), frozen.frozen_text);
  const dImage = ops.sub(imageFeatures_BE, storedFeatures_BE);
  return {
    ce,
    textL1: meanOfAll(ops, absolute(ops, dText), ce),
    imageL1: meanOfAll(ops, absolute(ops, dImage), ce),
  };
}

/** Σ p_z(ln p_z − ln p) / (B·C): frozen predictions p_z against the prompted ones p. */
export function divergence<T>(ops: Ops<T>, inputs: LossInputs<T>, like: T): T {
  const { storedFeatures_BE, frozen, logitScale } = inputs;
  const zeroShot_BC = ops.scale(ops.matMul(storedFeatures_BE, frozen.frozen_text, { transposeB: true }), logitScale);
  const apart = ops.sub(ops.logSoftmax(zeroShot_BC), ops.logSoftmax(cosineLogits(ops, inputs)));
  return meanOfAll(ops, ops.mul(ops.softmax(zeroShot_BC), apart), like);
}

/** The frozen text features [C, E] that prompts stay near: the mean over sixty templates, made to unit length. */
export async function frozenText({ model, classNames }: Pick<PromptTask, "model" | "classNames">): Promise<HostTensor> {
  const E = model.config.embedding;
  const features = new Map<string, Float32Array>();
  const tokens = (template: string) => model.tokenizer.encode(template).length;
  // Texts of one length after the other: the tower is prepared once for each.
  for (const template of templates.promptsrc.toSorted((a, b) => tokens(a) - tokens(b))) {
    features.set(template, (await model.encodeTexts(classNames.map((name) => fillTemplate(template, name)))).data);
  }
  const mean = new Float32Array(classNames.length * E);
  for (const template of templates.promptsrc) {
    const data = features.get(template)!;
    for (let i = 0; i < mean.length; i++) mean[i] += data[i] / templates.promptsrc.length;
  }
  return normalizeRows({ shape: [classNames.length, E], data: mean });
}

/**
 * PromptSRC as the kit runs it.
 *
 * Khattak et al., Self-regulating Prompts: Foundational Model Adaptation without Forgetting, ICCV 2023
 * (https://arxiv.org/abs/2307.06948).
 */
export const promptsrc: PromptLearning<PromptsrcSettings> = {
  name: "promptsrc",
  label: "PromptSRC",
  title: "PromptSRC (Khattak et al., ICCV 2023): tokens inside both towers that stay near frozen CLIP.",
  settings: {
    ...withDefaults(towerSettings, { epochs: 20, promptAverage: "15,1" }),
    textWeight: decimal({ help: "weight of the distance from frozen text features", default: 25 }),
    imageWeight: decimal({ help: "weight of the distance from frozen image features", default: 10 }),
  },
  check: epochWeights,
  presets: {
    "promptsrc-iccv23": {
      title: "PromptSRC as published from base to new classes, 20 epochs of batch 4",
      source: "Khattak et al., PromptSRC, ICCV 2023; configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx.yaml",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 92.90 base / 73.90 new / H 82.32",
      time: "400 steps of 4 images on EuroSAT at 16 shots",
      command: "deno task promptsrc --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
    "promptsrc-cross": {
      title: "PromptSRC as published across data sets, 20 epochs, 3 layers, average around epoch 6",
      source:
        "Khattak et al., PromptSRC, ICCV 2023; configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets.yaml",
      expected: "trained on all classes of ImageNet and evaluated on other data sets: mean 65.81 over ten",
      time: "80,000 steps of 4 images on ImageNet at 16 shots",
      command: "deno task promptsrc --preset promptsrc-cross --model ViT-B/16 --data data/imagenet --eval eurosat:all",
      protocol: { train: "all", eval: ["all"] },
      values: () => ({ textDepth: 3, imageDepth: 3, promptAverage: "6,10" }),
    },
    "promptsrc-few-shot": {
      title: "PromptSRC as published with few shots of all classes, 50 epochs",
      source:
        "Khattak et al., PromptSRC, ICCV 2023; configs/trainers/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot.yaml",
      expected: "all classes; the paper's figure has the curves",
      time: "2,000 steps of 4 images on EuroSAT at 16 shots",
      command: "deno task promptsrc --preset promptsrc-few-shot --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "all", eval: ["all"] },
      values: () => ({ epochs: 50, promptAverage: "30,30" }),
    },
  },
  needsImages: ({ imageDepth }) => imageDepth > 0,
  async prompt(task) {
    const { textWeight, imageWeight } = task.settings;
    return {
      ...towerPrompts(task),
      name: "promptsrc",
      frozen: task.trains === false ? undefined : { frozen_text: await frozenText(task) },
      losses(ops, inputs) {
        const { ce, textL1, imageL1 } = regularisedTerms(ops, inputs);
        const near = ops.add(ops.scale(textL1, textWeight), ops.scale(imageL1, imageWeight));
        return [ops.add(ops.add(ce, near), divergence(ops, inputs, ce))];
      },
    };
  },
};
