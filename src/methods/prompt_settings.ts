/**
 * The settings that methods of learned prompts share. Their defaults are those of the kit's first run: CoOp and CoCoOp side
 * by side on EuroSAT, 100 epochs of batch 4; what Dassl's configurations inherit is in them.
 */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { UserError } from "../errors.ts";
import { gaussianWeights } from "../optim/prompt_average.ts";
import { MOST_VIEWS } from "./feature_settings.ts";
import type { Preset } from "./method.ts";
import { choice, decimal, numberOf, type Setting, type SettingsOf, toggle, wholeNumber } from "./setting.ts";

/** How a prompt is trained. */
export type TrainingSettings = {
  /** Passes over the few-shot images. */
  epochs: number;
  /** Images a step. */
  batchSize: number;
  /** Learning rate that the cosine starts from. */
  lr: number;
  /** SGD's momentum. */
  momentum: number;
  /** SGD's weight decay, on all learned numbers. */
  weightDecay: number;
  /** Epochs at the warm-up rate. */
  warmupEpochs: number;
  /** The warm-up's constant rate. */
  warmupLr: number;
  /** Training views of an image: one fresh random crop an epoch, a fixed number, or 0 for the test transform. */
  views: "epochs" | number;
};

/** What a prompt looks like. */
export type ContextSettings = {
  /** Context tokens, where {@linkcode ContextSettings.initWords} is empty. */
  contextTokens: number;
  /** Words that the context starts from; empty for random numbers. */
  initWords: string;
  /** Where the class name stands. */
  classTokenPosition: ClassTokenPosition;
  /** One context for each class. */
  classSpecific: boolean;
};

/** What becomes of the prompts of a run's epochs. */
export type KeptSettings = {
  /** `MEAN,DEVIATION` of the Gaussian that weighs the epochs' prompts in the one that is kept; empty for the last prompt. */
  promptAverage: string;
  /** Share of the learned prompt in the one that is kept; the rest is its start. */
  wise: number;
};

/** All settings of a learned prompt. */
export type PromptSettings = TrainingSettings & ContextSettings & KeptSettings;

/** The settings of CoOp, and of methods that are CoOp with another loss. */
export const promptSettings: SettingsOf<PromptSettings> = {
  epochs: wholeNumber({ help: "passes over the training images", default: 100, least: 1 }),
  batchSize: wholeNumber({ help: "images a step", default: 4, least: 1 }),
  lr: decimal({ help: "learning rate that the cosine starts from", default: 0.0025 }),
  momentum: decimal({ help: "momentum of SGD", default: 0.9, most: 1 }),
  weightDecay: decimal({ help: "weight decay of SGD", default: 5e-4 }),
  warmupEpochs: wholeNumber({ help: "epochs at the warm-up rate", default: 1 }),
  warmupLr: decimal({ help: "learning rate of the warm-up", default: 1e-5 }),
  views: {
    section: "On what",
    placeholder: "epochs|N|0",
    help: "training views of an image: a fresh crop each epoch, N crops, or the test transform",
    default: "epochs",
    parse: (value, label) =>
      value === "epochs"
        ? value
        : wholeNumber({ help: "", most: MOST_VIEWS }).parse(value, `${label} (epochs, or a number)`),
  },
  contextTokens: {
    ...wholeNumber({
      help: "random context tokens (words of the preset are dropped then)",
      default: 16,
      least: 1,
      most: 76,
    }),
    section: "Prompt",
    // The original lets the words win over the number in silence.
    resets: ["initWords"],
  },
  initWords: {
    section: "Prompt",
    placeholder: "TEXT",
    help: 'words that the context starts from, counted in tokens; "" for random numbers',
    default: "",
    parse: (value) => value,
  },
  classTokenPosition: choice(["end", "middle", "front"], {
    section: "Prompt",
    help: "where the class name stands among the context tokens",
    default: "end",
  }),
  classSpecific: toggle({ section: "Prompt", help: "one context for each class", default: false }),
  promptAverage: {
    section: "Training",
    placeholder: "MEAN,DEVIATION",
    help: "keep the average of the prompts after each epoch, in Gaussian weights around epoch MEAN",
    default: "",
    defaultWords: "keep the last prompt",
    parse: gaussian,
  },
  wise: {
    section: "Training",
    placeholder: "SHARE",
    help: "keep (1 - SHARE) of the initial prompt and SHARE of the learned one",
    default: 1,
    parse: share,
  },
};

/** λ of a method that adds a term to the loss or to the gradient. */
export function lambda(published: number): Setting<number> {
  return decimal({
    help: "λ: how much the method's own term counts beside the cross-entropy",
    default: published,
  });
}

/** `a photo of a`, the published start of CoCoOp and of CoOp's base-to-new runs. */
export const PHOTO = { initWords: "a photo of a", contextTokens: 4 } as const;

/** What the methods of the kit's first run say of it; the numbers are the settings' defaults. */
export const SEED_NOTEBOOK: Preset = {
  title: "CoOp and CoCoOp side by side on EuroSAT, 100 epochs of batch 4",
  source: "a public notebook that runs the published CoOp and CoCoOp code on EuroSAT, one T4 in half precision, seed 1",
  expected: "ViT-B/16, 16 shots, seed 1: CoOp 91.4 base / 51.5 new, CoCoOp 90.8 base / 43.3 new; new classes move by " +
    "tens of points from seed to seed",
  time: "6 min 15 s on a T4 in PyTorch; with the sample model under 3 minutes on 2 cores",
  command: "deno task cocoop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
  protocol: { train: "base", eval: ["base", "new"] },
  values: () => ({}),
};

/** 200 epochs with 8 or 16 shots, 100 with 2 to 7, 50 with one (CoOp COOP.md). */
export function epochsByShots(shots: number): number {
  return shots >= 8 ? 200 : shots >= 2 ? 100 : 50;
}

/**
 * The weight of each epoch in the average of prompts; undefined where the last prompt is kept.
 *
 * @throws {UserError} when the Gaussian lies outside the run
 */
export function epochWeights({ promptAverage, epochs }: Pick<PromptSettings, "promptAverage" | "epochs">):
  | number[]
  | undefined {
  if (promptAverage === "") return undefined;
  const [mean, deviation] = promptAverage.split(",").map(Number);
  return gaussianWeights(epochs, { mean, deviation });
}

/** `15,1` as it came; empty for none. */
function gaussian(value: string, label: string): string {
  if (value === "") return value;
  const numbers = value.split(",").map(numberOf);
  if (numbers.length === 2 && Number.isFinite(numbers[0]) && numbers[1] > 0) return numbers.join(",");
  throw new UserError(
    `${label} is "${value}", and must be the epoch that counts most and how many around it count, such as 15,1.`,
  );
}

function share(value: string, label: string): number {
  const number = numberOf(value);
  if (number >= 0 && number <= 1) return number;
  throw new UserError(
    `${label} is "${value}", and must be a number from 0 (the initial words) to 1 (the learned prompt).`,
  );
}
