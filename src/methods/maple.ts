/**
 * MaPLe: learned text tokens in both towers, the image tower's being linear maps of the text tower's (Khattak et al.,
 * CVPR 2023; multimodal-prompt-learning trainers/maple.py).
 *
 * Both towers' gradients add up in the text tokens; the maps get the image tower's alone.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import { linearInit } from "./linear_init.ts";
import type { PromptLearning, PromptTask } from "./method.ts";
import { promptLoss, type PromptMethod } from "./prompt_method.ts";
import type { KeptSettings, TrainingSettings } from "./prompt_settings.ts";
import { promptSettings } from "./prompt_settings.ts";
import { wholeNumber, withDefaults } from "./setting.ts";
import { normal, trainingSettings, wordedContext } from "./tower_prompts.ts";

/** The settings of MaPLe. */
export type MapleSettings = TrainingSettings & KeptSettings & {
  /** Words that the first tokens start from. */
  initWords: string;
  /** Learned tokens of each tower. */
  contextTokens: number;
  /** Layers of each tower with learned tokens. */
  depth: number;
};

const FIRST = "proj";
const textName = (j: number) => `compound_prompts_text.${j}`;
const mapName = (j: number) => `compound_prompt_projections.${j}`;

/** The learned numbers of MaPLe, and how they enter the towers. */
function maplePrompt(task: PromptTask<MapleSettings>): PromptMethod {
  const { model: { config }, settings, random } = task;
  const { ctx, text } = wordedContext(task, { initWords: settings.initWords, tokens: settings.contextTokens });
  // As published: tokens of layers that a tower does not have get no gradient.
  const depth = Math.min(settings.depth, config.text.layers, config.image.layers);
  const [Dt, Dv] = [config.text.width, config.image.width];
  const draw = random("tower-prompts");
  const params: Record<string, HostTensor> = { ctx };
  const put = (name: string, [weight, bias]: [HostTensor, HostTensor]) => {
    params[`${name}.weight`] = weight;
    params[`${name}.bias`] = bias;
  };
  put(FIRST, linearInit([Dv, Dt], random("projection-init")));
  // As published: one map is drawn, and every deeper layer starts from a copy of it.
  const drawn = linearInit([Dv, Dt], random("deep-projection-init"));
  const deeper = Array.from({ length: depth - 1 }, (_, j) => j);
  for (const j of deeper) params[textName(j)] = normal(ctx.shape, draw);
  for (const j of deeper) {
    put(mapName(j), drawn.map(({ shape, data }) => ({ shape, data: data.slice() })) as typeof drawn);
  }
  const leading = <T>(ops: Ops<T>, x: T) => ops.reshape(x, [1, ...ops.shape(x)]);
  const mapped = <T>(ops: Ops<T>, params: Record<string, T>, text: T, name: string) =>
    leading(ops, ops.add(ops.matMul(text, params[`${name}.weight`], { transposeB: true }), params[`${name}.bias`]));
  return {
    name: "maple",
    shape: { contextTokens: ctx.shape[0], classTokenPosition: "end", classSpecific: false, text },
    params,
    imageConditioned: false,
    contexts: (ops, { params }) => leading(ops, params.ctx),
    depth: { text: depth - 1, image: depth },
    deeper: (ops, params) => ({
      text: deeper.map((j) => leading(ops, params[textName(j)])),
      image: [
        mapped(ops, params, params.ctx, FIRST),
        ...deeper.map((j) => mapped(ops, params, params[textName(j)], mapName(j))),
      ],
    }),
    losses: (ops, inputs) => [promptLoss(ops, inputs)],
  };
}

/**
 * MaPLe as the kit runs it.
 *
 * Khattak et al., MaPLe: Multi-modal Prompt Learning, CVPR 2023 (https://arxiv.org/abs/2210.03117).
 */
export const maple: PromptLearning<MapleSettings> = {
  name: "maple",
  label: "MaPLe",
  title: "MaPLe (Khattak et al., CVPR 2023): tokens inside both towers, the image's mapped from the text's.",
  settings: {
    ...withDefaults(trainingSettings, { epochs: 5, lr: 0.0035 }),
    initWords: { ...promptSettings.initWords, default: "a photo of a" },
    contextTokens: wholeNumber({
      section: "Prompt",
      help: "learned tokens of each tower",
      default: 2,
      least: 1,
      most: 76,
    }),
    depth: wholeNumber({
      section: "Prompt",
      help: "layers of each tower with learned tokens, as far as both have them",
      default: 9,
      least: 1,
    }),
  },
  presets: {
    "maple-cvpr23": {
      title: "MaPLe as published from base to new classes, 5 epochs of batch 4",
      source: "Khattak et al., MaPLe, CVPR 2023; configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 94.07 base / 73.23 new / H 82.35",
      time: "100 steps of 4 images on EuroSAT at 16 shots",
      command: "deno task maple --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
    "maple-cross": {
      title: "MaPLe as published across data sets, 2 epochs of batch 4, 3 layers",
      source: "Khattak et al., MaPLe, CVPR 2023; configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets.yaml",
      expected: "trained on all classes of ImageNet and evaluated on other data sets: mean 66.30 over ten",
      time: "8,000 steps of 4 images on ImageNet at 16 shots",
      command: "deno task maple --preset maple-cross --model ViT-B/16 --data data/imagenet --eval eurosat:all",
      protocol: { train: "all", eval: ["all"] },
      values: () => ({ epochs: 2, lr: 0.0026, depth: 3 }),
    },
  },
  needsImages: () => true,
  readsFrozenImages: false,
  prompt: maplePrompt,
};
