/**
 * MMRL: tokens of one shared space, mapped into the upper layers of both towers, and a second image feature from their rows
 * (Guo and Gu, CVPR 2025; trainers/mmrl.py, clip/model_mmrl.py, trainers/config.py).
 *
 * loss = α·CE(100·f·t) + (1 − α)·CE(100·f_r·t) + λ·(1 − mean cos(f, f₀)) + λ·(1 − mean cos(t, t₀)), with the class row's
 * feature f, f_r = mean(ln_post(token rows))·P, the text features t of hand-written prompts under the tokens, and f₀ and t₀
 * of frozen CLIP. Classes that were learned from get α·100·f·t + (1 − α)·100·f_r·t, others 100·f·t. 100 is a literal of the
 * published code, whatever the model's own scale.
 */
import { sameName } from "../data/same_name.ts";
import type { HostTensor, Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { linearInit } from "./linear_init.ts";
import type { PromptLearning, PromptTask } from "./method.ts";
import { handFeatures } from "./over_contexts.ts";
import { cosineLogits, crossEntropy, l2Normalize, type LossInputs, type PromptMethod } from "./prompt_method.ts";
import type { KeptSettings, TrainingSettings } from "./prompt_settings.ts";
import { decimal, type Setting, wholeNumber, withDefaults } from "./setting.ts";
import { normal, trainingSettings } from "./tower_prompts.ts";

/** The settings of MMRL. */
export type MmrlSettings = TrainingSettings & KeptSettings & {
  /** Tokens of the shared space. */
  contextTokens: number;
  /** Numbers of each; what was published for the data set, or 512. */
  tokenWidth: "published" | number;
  /** First layer with tokens, of twelve. */
  firstLayer: number;
  /** GiB that the output of the blocks below all tokens may take on disk, for one set of images. */
  lowerStore: number;
  /** α, the share of the class row's feature. */
  alpha: number;
  /** λ, the weight of the distances from frozen CLIP; what was published for the data set, or 1. */
  lambda: "published" | number;
};

/** Layers of the published model's towers. */
const PUBLISHED_LAYERS = 12;
const LOGIT_SCALE = 100;
const TOKENS = "compound_rep_tokens";
const PROJECTION = "image_encoder.proj_rep";

/** trainers/config.py, by the names that the kit's descriptions give; MMRL/vit_b16.yaml has λ 1 and 512 numbers. */
const PUBLISHED: Readonly<Record<string, { lambda: number; tokenWidth?: number }>> = {
  StanfordCars: { lambda: 7 },
  FGVCAircraft: { lambda: 6 },
  SUN397: { lambda: 6 },
  DescribableTextures: { lambda: 6 },
  Food101: { lambda: 5 },
  OxfordFlowers: { lambda: 4 },
  UCF101: { lambda: 3 },
  ImageNet: { lambda: 0.5 },
  Caltech101: { lambda: 0.5 },
  OxfordPets: { lambda: 0.2 },
  EuroSAT: { lambda: 0.01, tokenWidth: 2048 },
};

/** What a loss of MMRL is made of, each a tensor of one number and before its weight. */
export interface MmrlTerms<T> {
  /** Cross-entropy of the class row's feature. */
  ce: T;
  /** Cross-entropy of the tokens' feature. */
  tokenCe: T;
  /** 1 − mean cos(f, f₀) */
  imageAway: T;
  /** 1 − mean cos(t, t₀) */
  textAway: T;
}

/** Logits [B, C] of both features. */
function bothLogits<T>(
  ops: Ops<T>,
  inputs: Pick<LossInputs<T>, "params" | "textFeatures_GCE" | "imageFeatures_BE" | "tokenFeatures_BD">,
): { logits: T; tokenLogits: T } {
  const { textFeatures_GCE, imageFeatures_BE, tokenFeatures_BD, params } = inputs;
  const ofTokens = l2Normalize(ops, ops.matMul(tokenFeatures_BD!, params[PROJECTION]));
  const scaled = (imageFeatures_BE: T) =>
    cosineLogits(ops, { textFeatures_GCE, imageFeatures_BE, logitScale: LOGIT_SCALE });
  return { logits: scaled(imageFeatures_BE), tokenLogits: scaled(ofTokens) };
}

/** The parts of the loss. */
export function mmrlTerms<T>(ops: Ops<T>, inputs: LossInputs<T>): MmrlTerms<T> {
  const { logits, tokenLogits } = bothLogits(ops, inputs);
  const ce = crossEntropy(ops, logits, inputs.labels_BC);
  const [, C, E] = ops.shape(inputs.textFeatures_GCE);
  const away = (a: T, b: T) => {
    const cosine = ops.mean(ops.sum(ops.mul(a, b), 1), 0);
    return ops.reshape(ops.shift(ops.scale(cosine, -1), 1), ops.shape(ce));
  };
  return {
    ce,
    tokenCe: crossEntropy(ops, tokenLogits, inputs.labels_BC),
    imageAway: away(inputs.imageFeatures_BE, inputs.storedFeatures_BE),
    textAway: away(
      l2Normalize(ops, ops.reshape(inputs.textFeatures_GCE, [C, E])),
      inputs.frozen.hand_features,
    ),
  };
}

/** The learned numbers of MMRL, how they enter the towers, and its loss. */
async function mmrlPrompt(task: PromptTask<MmrlSettings>): Promise<PromptMethod> {
  const { model: { config }, settings, template, random } = task;
  const { contextTokens: M, firstLayer, alpha } = settings;
  const published = Object.entries(PUBLISHED).find(([name]) => sameName(name, task.learnedOn ?? ""))?.[1];
  const lambda = settings.lambda === "published" ? published?.lambda ?? 1 : settings.lambda;
  const width = settings.tokenWidth === "published" ? published?.tokenWidth ?? 512 : settings.tokenWidth;
  const below = {
    text: blocksBelow(firstLayer, config.text.layers),
    image: blocksBelow(firstLayer, config.image.layers),
  };
  const isPublished = [config.text, config.image].every(({ layers }) => layers === PUBLISHED_LAYERS);
  const V = config.image.width;
  const params: Record<string, HostTensor> = { [TOKENS]: normal([M, width], random("tower-prompts")) };
  const maps = (letter: "v" | "t", out: number, layers: number) => {
    // As published: one map is drawn, and each layer starts from a copy of it.
    const [weight, bias] = linearInit([out, width], random(`${letter}-projection-init`));
    return Array.from({ length: layers }, (_, j) => {
      const name = `${TOKENS}_r2${letter}proj.${j}`;
      params[`${name}.weight`] = { ...weight, data: weight.data.slice() };
      params[`${name}.bias`] = { ...bias, data: bias.data.slice() };
      return name;
    });
  };
  const imageMaps = maps("v", V, config.image.layers - below.image);
  const textMaps = maps("t", config.text.width, config.text.layers - below.text);
  params[PROJECTION] = normal([V, config.embedding], random("projection-init"), 1 / Math.sqrt(V));
  const mapped = <T>(ops: Ops<T>, params: Record<string, T>, name: string) => {
    const tokens = ops.matMul(params[TOKENS], params[`${name}.weight`], { transposeB: true });
    const shifted = ops.add(tokens, params[`${name}.bias`]);
    return ops.reshape(shifted, [1, ...ops.shape(shifted)]);
  };
  return {
    name: "mmrl",
    shape: { contextTokens: M, classTokenPosition: "end", classSpecific: false, text: template, below },
    params,
    frozen: task.trains === false ? undefined : { hand_features: await handFeatures(task, template) },
    note: isPublished ? undefined : `The published towers have ${PUBLISHED_LAYERS} layers: tokens come in at layer ` +
      `${below.image + 1} of ${config.image.layers} for images and ${
        below.text + 1
      } of ${config.text.layers} for text.`,
    given: { lambdaTaken: lambda, tokenWidthTaken: width, logitScale: LOGIT_SCALE },
    optimizer: { name: "adamw", epsilon: 1e-8 },
    imageConditioned: false,
    contexts: (ops, { params }) => mapped(ops, params, textMaps[0]),
    depth: { text: textMaps.length - 1, image: imageMaps.length },
    deeper: (ops, params) => ({
      text: textMaps.slice(1).map((name) => mapped(ops, params, name)),
      image: imageMaps.map((name) => mapped(ops, params, name)),
    }),
    losses(ops, inputs) {
      const { ce, tokenCe, imageAway, textAway } = mmrlTerms(ops, inputs);
      const both = ops.add(ops.scale(ce, alpha), ops.scale(tokenCe, 1 - alpha));
      return [ops.add(both, ops.scale(ops.add(imageAway, textAway), lambda))];
    },
    scores: {
      params: [PROJECTION],
      logits(ops, inputs) {
        if (!inputs.learnedFrom) return cosineLogits(ops, { ...inputs, logitScale: LOGIT_SCALE });
        const { logits, tokenLogits } = bothLogits(ops, inputs);
        return ops.add(ops.scale(logits, alpha), ops.scale(tokenLogits, 1 - alpha));
      },
    },
  };
}

/** How many blocks of a tower come before the first with tokens: the same share of it as of the published one. */
function blocksBelow(firstLayer: number, layers: number): number {
  return Math.floor((firstLayer - 1) * layers / PUBLISHED_LAYERS);
}

/** A number, or what was published for the data set. */
function published(
  number: Setting<number>,
  { section, defaultWords }: Pick<Setting<number>, "section" | "defaultWords">,
): Setting<"published" | number> {
  return {
    ...number,
    section,
    placeholder: `published|${number.placeholder}`,
    default: "published",
    defaultWords,
    parse: (text, label) => text === "published" ? text : number.parse(text, `${label} (published, or a number)`),
  };
}

/**
 * MMRL as the kit runs it.
 *
 * Guo and Gu, MMRL: Multi-Modal Representation Learning for Vision-Language Models, CVPR 2025
 * (https://arxiv.org/abs/2503.08497).
 */
export const mmrl: PromptLearning<MmrlSettings> = {
  name: "mmrl",
  label: "MMRL",
  title: "MMRL (Guo and Gu, CVPR 2025): tokens of one shared space in the upper layers of both towers.",
  settings: {
    ...withDefaults(trainingSettings, { epochs: 10, lr: 0.001 }),
    contextTokens: wholeNumber({
      section: "Prompt",
      help: "learned tokens of each tower",
      default: 5,
      least: 1,
      most: 76,
    }),
    tokenWidth: published(
      wholeNumber({ help: "numbers of a token before it is mapped to a tower", least: 1, most: 16_384 }),
      {
        section: "Prompt",
        defaultWords: "as published: 2048 for EuroSAT, 512 for others",
      },
    ),
    firstLayer: wholeNumber({
      section: "Prompt",
      help: "first layer with tokens, of twelve; in a tower of another depth the one at the same share of it",
      default: 6,
      least: 1,
    }),
    lowerStore: decimal({
      section: "Computing",
      changesNumbers: false,
      placeholder: "GIB",
      help:
        "disk for the output of the first blocks, which is the same in each epoch and for each prompt: the most that " +
        "one set of images may take, 0 for none",
      default: 4,
    }),
    alpha: decimal({
      help: "α: share of the class row's feature, of loss and logits; the tokens' has the rest",
      default: 0.7,
    }),
    lambda: published(decimal({ help: "λ: weight of the distances from frozen features" }), {
      section: "Training",
      defaultWords: "as published for the data set, from 0.01 for EuroSAT to 7 for StanfordCars; 1 for others",
    }),
  },
  check({ firstLayer, alpha }) {
    if (firstLayer > PUBLISHED_LAYERS) {
      throw new UserError(
        `--first-layer is ${firstLayer}, and must be a layer of ${PUBLISHED_LAYERS}: 6 as published.`,
      );
    }
    if (alpha > 1) throw new UserError(`--alpha is ${alpha}, and must be a share: 0.7 as published.`);
  },
  presets: {
    "mmrl-cvpr25": {
      title: "MMRL as published from base to new classes, 10 epochs of batch 4",
      source: "Guo and Gu, MMRL, CVPR 2025; configs/trainers/MMRL/vit_b16.yaml and trainers/config.py " +
        "(ImageNet has --epochs 5 --batch-size 32)",
      expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 95.60 base / 80.17 new, re-run by a user at 95.7 to " +
        "97.4 / 69.9 to 74.9 (MMRL issue 14); mean H of eleven data sets 81.20",
      time: "200 steps of 4 images on EuroSAT at 16 shots, through the upper seven of twelve layers",
      command: "deno task mmrl --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => ({}),
    },
  },
  leastArea: 0.5,
  needsImages: () => true,
  readsTemplate: true,
  prompt: mmrlPrompt,
};
