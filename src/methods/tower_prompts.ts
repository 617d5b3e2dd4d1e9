/**
 * Prompts inside both towers, as IVLP, PromptSRC and ProMetaR have them: independent learned tokens in the first layers of
 * each (Khattak et al., PromptSRC, ICCV 2023; its `clip/model.py`, whose names the learned tensors have).
 */
import { spokenName } from "../clip/spoken_name.ts";
import type { HostTensor, Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { CONTEXT_INIT_STD } from "./coop.ts";
import type { PromptTask } from "./method.ts";
import type { PromptMethod, TowerPrompts } from "./prompt_method.ts";
import { type KeptSettings, promptSettings, type TrainingSettings } from "./prompt_settings.ts";
import { type SettingsOf, wholeNumber } from "./setting.ts";

/** How many learned tokens each tower has, and in how many of its layers. */
export type TowerSettings = TrainingSettings & KeptSettings & {
  /** Words that the first text tokens start from; those after the learned ones stay. */
  initWords: string;
  /** Learned tokens of the text tower. */
  textTokens: number;
  /** Learned tokens of the image tower. */
  imageTokens: number;
  /** Layers of the text tower with learned tokens. */
  textDepth: number;
  /** Layers of the image tower with learned tokens; 0 leaves that tower as it is. */
  imageDepth: number;
};

const { contextTokens: _contexts, classTokenPosition: _place, classSpecific: _csc, initWords, ...training } =
  promptSettings;

/** The settings of how tower prompts are trained and which of them are kept. */
export const trainingSettings: SettingsOf<TrainingSettings & KeptSettings> = training;

/** The settings that IVLP, PromptSRC and ProMetaR share, with PromptSRC's numbers as defaults. */
export const towerSettings: SettingsOf<TowerSettings> = {
  ...training,
  initWords: { ...initWords, default: "a photo of a" },
  textTokens: wholeNumber({
    section: "Prompt",
    help: "learned tokens of the text tower",
    default: 4,
    least: 1,
    most: 76,
  }),
  imageTokens: wholeNumber({
    section: "Prompt",
    help: "learned tokens of the image tower",
    default: 4,
    least: 1,
    most: 1000,
  }),
  textDepth: wholeNumber({
    section: "Prompt",
    help: "layers of the text tower with learned tokens, as far as it has them",
    default: 9,
    least: 1,
  }),
  imageDepth: wholeNumber({
    section: "Prompt",
    help: "layers of the image tower with learned tokens, as far as it has them; 0 leaves the tower as it is",
    default: 9,
  }),
};

/** The context that a text prompt starts from, and the text that follows it. */
export interface WordedContext {
  /** [M, D] */
  ctx: HostTensor;
  /** Words of the start that are not learned, and the class name. */
  text?: string;
}

/**
 * A context of `tokens` learned tokens. Words give the first of them, and the rest of the words stays; more tokens than
 * the words have, or no words, start from random numbers (MaPLe trainers/maple.py:62-90).
 *
 * @throws {UserError} for a word that is not one token
 */
export function wordedContext(
  { model, random }: Pick<PromptTask, "model" | "random">,
  { initWords, tokens }: { initWords: string; tokens: number },
): WordedContext {
  const D = model.config.text.width;
  const words = spokenName(initWords).split(/\s+/).filter((word) => word !== "");
  if (tokens > words.length) return { ctx: normal([tokens, D], random("context-init")) };
  const data = new Float32Array(tokens * D);
  for (const [m, word] of words.slice(0, tokens).entries()) {
    const ids = model.tokenizer.encode(word);
    if (ids.length !== 1) {
      throw new UserError(`The initial word "${word}" is ${ids.length} tokens: give words of one token each.`);
    }
    data.set(model.tokenEmbedding(ids[0]), m * D);
  }
  const after = words.slice(tokens).join(" ");
  return { ctx: { shape: [tokens, D], data }, ...(after === "" ? {} : { text: `${after} {}.` }) };
}

/** Random learned numbers, normal; tokens have the deviation 0.02. */
export function normal(
  shape: readonly number[],
  random: { normal(): number },
  deviation: number = CONTEXT_INIT_STD,
): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length: size }, () => deviation * random.normal()) };
}

const FIRST_IMAGE = "image_encoder.VPT";
const deepName = (tower: "text" | "image", block: number) =>
  `${tower}_encoder.transformer.resblocks.${block}.VPT_shallow`;

/** The learned tokens of both towers, and how they enter them. */
export function towerPrompts(task: PromptTask<TowerSettings>): Omit<PromptMethod, "name" | "losses"> {
  const { model: { config }, settings, random } = task;
  const { ctx, text } = wordedContext(task, { initWords: settings.initWords, tokens: settings.textTokens });
  const textDepth = Math.min(settings.textDepth, config.text.layers);
  const imageDepth = Math.min(settings.imageDepth, config.image.layers);
  const draw = random("tower-prompts");
  const params: Record<string, HostTensor> = { ctx };
  const textNames: string[] = [];
  for (let i = 1; i < textDepth; i++) textNames.push(deepName("text", i));
  const imageNames = imageDepth === 0 ? [] : [FIRST_IMAGE];
  for (let i = 1; i < imageDepth; i++) imageNames.push(deepName("image", i));
  for (const name of textNames) params[name] = normal(ctx.shape, draw);
  for (const name of imageNames) params[name] = normal([settings.imageTokens, config.image.width], draw);
  const leading = <T>(ops: Ops<T>, x: T) => ops.reshape(x, [1, ...ops.shape(x)]);
  return {
    shape: { contextTokens: ctx.shape[0], classTokenPosition: "end", classSpecific: false, text },
    params,
    imageConditioned: false,
    contexts: (ops, { params }) => leading(ops, params.ctx),
    depth: { text: textNames.length, image: imageNames.length },
    deeper: (ops, params): TowerPrompts<typeof params[string]> => ({
      text: textNames.map((name) => leading(ops, params[name])),
      image: imageNames.map((name) => leading(ops, params[name])),
    }),
  };
}
