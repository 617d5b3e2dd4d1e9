/**
 * ProMetaR: prompts inside both towers whose regularisation is learned (Park et al., Prompt Learning via Meta-Regularization,
 * CVPR 2024; trainers/prometar.py). The published EuroSAT run behind this kit is of its code base.
 *
 * A step is two. First SGD with the modulated gradient of the batch (`modulation.ts`). Then, unless the batch has a single
 * label, the images of one drawn label are the query and the others the support: an inner step on the support, an outer
 * loss on mixtures of query and support features at the adapted prompts, and SGD with its gradient, of the prompts with the
 * same momentum and of the net that modulates.
 */
import type { PromptLearning } from "./method.ts";
import { initialMaps } from "./modulation.ts";
import { frozenText, regularisedTerms } from "./promptsrc.ts";
import { choice, withDefaults } from "./setting.ts";
import { towerPrompts, type TowerSettings, towerSettings } from "./tower_prompts.ts";

/** The settings of ProMetaR. */
export type PrometarSettings = TowerSettings & {
  /** How far the outer gradient goes. */
  meta: "second" | "first" | "off";
};

/** Weights of the regulariser; literals in the published code. */
const TEXT_WEIGHT = 50;
const IMAGE_WEIGHT = 20;
/** Rate of the inner step, and weight of the outer loss. */
const META_RATE = 5e-4;
/** The net's rate stays where its warm-up starts, since its schedule is never stepped. */
const MAPS_RATE = 1e-6;

/**
 * ProMetaR as the kit runs it.
 *
 * Park et al., Prompt Learning via Meta-Regularization, CVPR 2024 (https://arxiv.org/abs/2404.00851).
 */
export const prometar: PromptLearning<PrometarSettings> = {
  name: "prometar",
  label: "ProMetaR",
  title: "ProMetaR (Park et al., CVPR 2024): tokens inside both towers whose regularisation is meta-learned.",
  settings: {
    ...withDefaults(towerSettings, { epochs: 10 }),
    meta: choice(["second", "first", "off"], {
      help: "outer gradient through the inner step's own gradient, stopping there, or no second step",
      default: "second",
    }),
  },
  presets: {
    "prometar-cvpr24": {
      title: "ProMetaR as published from base to new classes, 10 epochs of batch 4",
      source: "Park et al., ProMetaR, CVPR 2024; configs/trainers/ProMetaR/vit_b16_c2_ep10_batch4_4+4ctx.yaml",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: H 85.30",
      time: "200 double steps of 4 images on EuroSAT at 16 shots",
      command: "deno task prometar --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
  },
  needsImages: ({ imageDepth }) => imageDepth > 0,
  async prompt(task) {
    const prompts = towerPrompts(task);
    return {
      ...prompts,
      name: "prometar",
      frozen: task.trains === false ? undefined : { frozen_text: await frozenText(task) },
      meta: {
        maps: initialMaps(prompts.params, task.random("regulariser-init")),
        adaptRate: META_RATE,
        outerRatio: META_RATE,
        order: task.settings.meta,
        rate: MAPS_RATE,
      },
      losses(ops, inputs) {
        const { ce, textL1, imageL1 } = regularisedTerms(ops, inputs);
        return [ce, ops.add(ops.scale(textL1, TEXT_WEIGHT), ops.scale(imageL1, IMAGE_WEIGHT))];
      },
    };
  },
};
