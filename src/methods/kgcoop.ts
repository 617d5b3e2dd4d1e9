/**
 * KgCoOp: learned prompts that stay near the hand-written ones (Yao et al., CVPR 2023; KgCoOp trainers/kgcoop.py:238-310).
 *
 * loss = CE + λ·(1 − mean_c cos(t_c, h_c)) with the hand-written prompt's text feature h_c of each class. It is an addition
 * to CoOp's loss and says nothing about where contexts come from, so it goes over CoCoOp's contexts as well: the mean is
 * then over images too.
 */
import type { HostTensor } from "../engine/ops.ts";
import { l2Normalize, type PromptMethod } from "./prompt_method.ts";
import { handFeatures, nameOver, overContexts, type OverSettings } from "./over_contexts.ts";
import { deptPreset } from "./dept.ts";
import type { PromptLearning } from "./method.ts";
import { lambda, PHOTO } from "./prompt_settings.ts";

/** The options of {@linkcode kgcoopPrompt}. */
export interface KgcoopOptions {
  /** Text features [C, E] of the hand-written prompts of the trained classes, L2-normalised; from `zeroShotFeatures`. */
  handFeatures_CE: HostTensor;
  /** λ; 8 in the published runs. */
  weight?: number;
}

/** The published λ. */
export const KGCOOP_WEIGHT = 8;

/** Holds the text features of `base` to those of hand-written prompts. */
export function kgcoopPrompt(base: PromptMethod, options: KgcoopOptions): PromptMethod {
  const { handFeatures_CE, weight = KGCOOP_WEIGHT } = options;
  return {
    ...base,
    name: nameOver("kgcoop", base.name),
    frozen: { ...base.frozen, hand_features: handFeatures_CE },
    losses(ops, inputs) {
      const [loss] = base.losses(ops, inputs);
      const cosines_GC1 = ops.sum(
        ops.mul(l2Normalize(ops, inputs.textFeatures_GCE), inputs.frozen.hand_features),
        -1,
      );
      const mean = ops.reshape(ops.mean(ops.mean(cosines_GC1, 1), 0), ops.shape(loss));
      return [ops.add(loss, ops.scale(ops.shift(ops.scale(mean, -1), 1), weight))];
    },
  };
}

/**
 * KgCoOp as the kit runs it, over CoOp's contexts or, with `--over cocoop`, CoCoOp's.
 *
 * Yao et al., Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, CVPR 2023
 * (https://arxiv.org/abs/2303.13283).
 */
export const kgcoop: PromptLearning<OverSettings & { lambda: number }> = overContexts<{ lambda: number }>({
  name: "kgcoop",
  label: "KgCoOp",
  title:
    "KgCoOp (Yao et al., CVPR 2023): CoOp whose text features stay near the hand-written prompts'; trains, evaluates, reports.",
  settings: { lambda: lambda(KGCOOP_WEIGHT) },
  presets: {
    "kgcoop-cvpr23": {
      title: "KgCoOp as published, 100 epochs of up to 128 images",
      source: "Yao et al., Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, CVPR 2023; " +
        "KgCoOp scripts/base2new_train.sh (λ 8, 16 shots) with configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml, " +
        "the ViT-B/16 twin of the RN50 file that the script names",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 85.64 base / 64.34 new / H 73.48",
      time: "100 steps on EuroSAT: the few-shot images are one batch",
      command: "deno task kgcoop --preset kgcoop-cvpr23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({ ...PHOTO, epochs: 100, batchSize: 128, lr: 0.002 }),
    },
  },
  headPresets: deptPreset({ name: "kgcoop", label: "KgCoOp" }, {
    expected: "83.62 base / 75.04 new / H 79.10",
    config: "configs/trainers/KgCoOp/vit_b16_ep10_ctxv1_bs4_lr35.yaml (λ 2)",
    time: "200 steps of 4 images on EuroSAT at 16 shots",
    values: { ...PHOTO, epochs: 10, batchSize: 4, lr: 0.0035, lambda: 2 },
  }),
  add: async (base, task) =>
    kgcoopPrompt(base, {
      handFeatures_CE: await handFeatures(task, task.template),
      weight: task.settings.lambda,
    }),
});
