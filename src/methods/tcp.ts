/**
 * TCP: a shared context, and from a later block of the text tower on tokens of each class (Yao et al., CVPR 2024;
 * TCP trainers/tcp.py).
 *
 * The class's tokens are made of its hand-written prompt's text feature h_c by a small net, `W2·QuickGELU(W1·h_c + b1) + b2`,
 * so that a new class has its own from its words alone. They replace the context's rows before block 8, counted from 0. The
 * loss is KgCoOp's: `CE + 8·(1 − mean_c cos(t_c, h_c))`. No image tower is touched.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import { META_NET } from "./cocoop.ts";
import { linearInit } from "./linear_init.ts";
import { KGCOOP_WEIGHT, kgcoopPrompt } from "./kgcoop.ts";
import type { PromptLearning, PromptTask } from "./method.ts";
import { handFeatures } from "./over_contexts.ts";
import { promptLoss, type PromptMethod } from "./prompt_method.ts";
import { epochWeights, type KeptSettings, lambda, type TrainingSettings } from "./prompt_settings.ts";
import { wholeNumber, withDefaults } from "./setting.ts";
import { normal, trainingSettings } from "./tower_prompts.ts";

/** The settings of TCP. */
export type TcpSettings = TrainingSettings & KeptSettings & {
  /** Learned tokens of the context, and of each class. */
  contextTokens: number;
  /** The text block, counted from 0, before which the classes' tokens come in. */
  classBlock: number;
  /** How strongly text features are held to the hand-written prompts'. */
  lambda: number;
};

/** The net's hidden width is the features' divided by this. */
const REDUCTION = 4;
/** Adam's epsilon; its default gives numbers that are not finite in half precision. */
const EPSILON = 1e-3;

/** The hand-written prompts of the published code, where they are not the data set's template. */
const HAND_WRITTEN: Readonly<Record<string, string>> = {
  "a photo of a {}, a type of aircraft.": "a photo of an aircraft {}.",
  "{} texture.": "a photo of a {}, a type of texture.",
  "a photo of {}, a type of food.": "a photo of a {}, a type of food.",
};

/** The text after the context: of the data set's template what follows "a photo of a", or the class name and what follows. */
export function tcpText({ template, dataset }: Pick<PromptTask, "template" | "dataset">): string {
  const [before, after] = template.split("{}");
  const wordsAfter = before.match(/^a photo of a (.*\S)/)?.[1];
  // As published, without a full stop.
  const ending = dataset === "StanfordCars" ? ", a type of car" : after;
  return `${wordsAfter === undefined ? "" : `${wordsAfter} `}{}${ending}`;
}

/** Tokens of each class [C, M, D], from its hand-written prompt's feature. */
function classTokens<T>(
  ops: Ops<T>,
  params: Record<string, T>,
  { hand_CE, contextTokens: M }: { hand_CE: HostTensor; contextTokens: number },
): T {
  const [w1, b1, w2, b2] = META_NET.map((name) => params[name]);
  const hidden = ops.add(ops.matMul(ops.constant(hand_CE), w1, { transposeB: true }), b1);
  const active = ops.mul(hidden, ops.sigmoid(ops.scale(hidden, 1.702)));
  const tokens = ops.add(ops.matMul(active, w2, { transposeB: true }), b2);
  const [C, width] = ops.shape(tokens);
  return ops.reshape(tokens, [C, M, width / M]);
}

async function tcpPrompt(task: PromptTask<TcpSettings>): Promise<PromptMethod> {
  const { model: { config }, settings, random, template } = task;
  const { contextTokens } = settings;
  const { layers, width: D } = config.text;
  const handWritten = HAND_WRITTEN[template] ?? template;
  const hand_CE = await handFeatures(task, handWritten);
  const hidden = Math.floor(config.embedding / REDUCTION);
  const net = random("meta-net-init");
  const weights = [
    ...linearInit([hidden, config.embedding], net),
    ...linearInit([contextTokens * D, hidden], net),
  ];
  const classBlock = Math.min(settings.classBlock, layers - 1);
  const base: PromptMethod = {
    name: "tcp",
    handWritten,
    shape: { contextTokens, classTokenPosition: "end", classSpecific: false, text: tcpText(task) },
    params: {
      ctx: normal([contextTokens, D], random("context-init")),
      ...Object.fromEntries(META_NET.map((name, i) => [name, weights[i]])),
    },
    imageConditioned: false,
    contexts: (ops, { params }) => ops.reshape(params.ctx, [1, contextTokens, D]),
    depth: { text: 0, image: 0 },
    classBlock,
    deeper: (ops, params) => ({ text: [], image: [], classes: classTokens(ops, params, { hand_CE, contextTokens }) }),
    optimizer: { name: "adam", epsilon: EPSILON },
    losses: (ops, inputs) => [promptLoss(ops, inputs)],
    ...(classBlock === settings.classBlock ? {} : {
      note:
        `The text tower has ${layers} blocks: tokens of the classes come in before the last, block ${classBlock}, ` +
        `and not before block ${settings.classBlock}.`,
    }),
  };
  return { ...kgcoopPrompt(base, { handFeatures_CE: hand_CE, weight: settings.lambda }), name: "tcp" };
}

const training = withDefaults(trainingSettings, { epochs: 50, batchSize: 32, lr: 0.002 });

/**
 * TCP as the kit runs it.
 *
 * Yao et al., TCP: Textual-based Class-aware Prompt Tuning for Visual-Language Model, CVPR 2024
 * (https://arxiv.org/abs/2311.18231).
 */
export const tcp: PromptLearning<TcpSettings> = {
  name: "tcp",
  label: "TCP",
  title: "TCP (Yao et al., CVPR 2024): CoOp whose context gives way to tokens of each class inside the text tower.",
  settings: {
    ...training,
    momentum: { ...training.momentum, help: "β₁ of Adam" },
    weightDecay: { ...training.weightDecay, help: "weight decay, in Adam's gradient" },
    contextTokens: wholeNumber({
      section: "Prompt",
      help: "learned tokens of the context, and tokens of each class",
      default: 4,
      least: 1,
      most: 76,
    }),
    classBlock: wholeNumber({
      section: "Prompt",
      help: "text block, from 0, before which the classes' tokens come in; the last where the tower has fewer",
      default: 8,
      least: 1,
    }),
    lambda: lambda(KGCOOP_WEIGHT),
  },
  check: epochWeights,
  readsTemplate: true,
  presets: {
    "tcp-cvpr24": {
      title: "TCP as published from base to new classes, 50 epochs of batch 32",
      source: "Yao et al., TCP: Textual-based Class-aware Prompt Tuning, CVPR 2024; TCP scripts/base2new_train.sh, " +
        "configs/trainers/TCP/vit_b16_ep100_ctxv1.yaml; for ImageNet and SUN397 25 epochs (--epochs 25)",
      expected: "ViT-B/16, 16 shots, mean of seeds 1-3: EuroSAT H 82.32, eleven data sets H 79.51",
      time: "100 steps of 32 images on EuroSAT at 16 shots",
      command: "deno task tcp --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
    "tcp-few-shot": {
      title: "TCP on all classes with few shots, 50 epochs of batch 32",
      source: "Yao et al., TCP, CVPR 2024; its base-to-new script without the choice of classes (TCP#7)",
      expected: "all ten EuroSAT classes; the paper has a table at 4 shots (--shots 4), of ViT-B/16",
      time: "50 steps of 32 images on EuroSAT at 4 shots, 250 at 16",
      command: "deno task tcp --preset tcp-few-shot --shots 4 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "all", eval: ["all"] },
      values: () => ({}),
    },
  },
  prompt: tcpPrompt,
};
