/**
 * IVLP: independent learned tokens in both towers, with the plain cross-entropy (the baseline of Khattak et al., MaPLe,
 * CVPR 2023, and PromptSRC, ICCV 2023; trainers/independentVL.py).
 */
import type { PromptLearning } from "./method.ts";
import { promptLoss } from "./prompt_method.ts";
import { towerPrompts, type TowerSettings, towerSettings } from "./tower_prompts.ts";
import { withDefaults } from "./setting.ts";

/**
 * IVLP as the kit runs it.
 *
 * Khattak et al., Self-regulating Prompts, ICCV 2023 (https://arxiv.org/abs/2307.06948), its table of ablations.
 */
export const ivlp: PromptLearning<TowerSettings> = {
  name: "ivlp",
  label: "IVLP",
  title: "IVLP (Khattak et al., CVPR 2023): independent learned tokens inside both towers; trains, evaluates, reports.",
  settings: withDefaults(towerSettings, { epochs: 20 }),
  presets: {
    "promptsrc-iccv23": {
      title: "IVLP as PromptSRC's repository trains it, 20 epochs of batch 4",
      source: "Khattak et al., PromptSRC, ICCV 2023; configs/trainers/IVLP/vit_b16_c2_ep20_batch4_4+4ctx.yaml",
      expected: "ViT-B/16, 16 shots: no table of the data sets is printed for it",
      time: "400 steps of 4 images on EuroSAT at 16 shots",
      command: "deno task ivlp --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
    "maple-cvpr23": {
      title: "IVLP as MaPLe's repository trains it, 5 epochs of batch 4, 2 tokens in 12 layers",
      source: "Khattak et al., MaPLe, CVPR 2023; configs/trainers/IVLP/vit_b16_c2_ep5_batch4_2+2ctx.yaml",
      expected: "ViT-B/16, 16 shots: no table of the data sets is printed for it",
      time: "100 steps of 4 images on EuroSAT at 16 shots",
      command: "deno task ivlp --preset maple-cvpr23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({ epochs: 5, lr: 0.0035, textTokens: 2, imageTokens: 2, textDepth: 12, imageDepth: 12 }),
    },
  },
  needsImages: ({ imageDepth }) => imageDepth > 0,
  readsFrozenImages: false,
  prompt: (task) => ({ ...towerPrompts(task), name: "ivlp", losses: (ops, inputs) => [promptLoss(ops, inputs)] }),
};
