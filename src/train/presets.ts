/**
 * Published configurations as data. A preset is where a run's numbers come from; a YAML file and flags go over it.
 *
 * | name | methods | source |
 * |---|---|---|
 * | `seed-notebook` | all | a public EuroSAT notebook around the published code |
 * | `cocoop-cvpr22` | cocoop | Zhou et al., Conditional Prompt Learning, CVPR 2022 |
 * | `coop-ijcv22` | coop | Zhou et al., Learning to Prompt, IJCV 2022 |
 * | `coop-base2new` | coop | CoOp as the baseline of the CVPR 2022 paper |
 * | `kgcoop-cvpr23` | kgcoop | Yao et al., CVPR 2023 |
 * | `prograd-iccv23` | prograd | Zhu et al., ICCV 2023 |
 */
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import type { ClassSubset } from "../data/few_shot.ts";

/** What a preset decides; the keys are those of a YAML configuration and, with dashes, of the flags. */
export interface Hyperparameters {
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
  /** Training views an image: one fresh random crop an epoch, a fixed number, or 0 for the test transform. */
  views: "epochs" | number;
  /** Context tokens, where {@linkcode Hyperparameters.initWords} is empty. */
  contextTokens: number;
  /** Words that the context starts from; empty for random numbers. */
  initWords: string;
  /** Where the class name stands. */
  classTokenPosition: ClassTokenPosition;
  /** One context a class. */
  classSpecific: boolean;
  /** `MEAN,DEVIATION` of the Gaussian that weighs the epochs' prompts in the one that is kept; empty for the last prompt. */
  promptAverage: string;
  /** Share of the learned prompt in the one that is kept; the rest is its start. */
  wise: number;
  /** λ of methods that add a term to the loss or to the gradient. */
  lambda?: number;
}

/** A published configuration. */
export interface Preset {
  /** One line for menus. */
  title: string;
  /** Where the numbers come from. */
  source: string;
  /** What its authors, or we, got with it. */
  expected: string;
  /** How long it takes, and where. */
  time: string;
  /** The exact command. */
  command: string;
  /** Classes that are trained on and evaluated when the command line does not say. */
  protocol: { train: ClassSubset; eval: readonly ClassSubset[] };
  /** The numbers of each method that it is for; epochs may depend on the shots. */
  methods: Record<string, (shots: number) => Hyperparameters>;
}

/** Dassl's defaults, which every published configuration inherits, with CoOp's place for the class name. */
const inherited = {
  momentum: 0.9,
  weightDecay: 5e-4,
  warmupEpochs: 1,
  warmupLr: 1e-5,
  views: "epochs",
  contextTokens: 16,
  initWords: "",
  classTokenPosition: "end",
  classSpecific: false,
  promptAverage: "",
  wise: 1,
} as const;

const photo = { initWords: "a photo of a", contextTokens: 4 } as const;

const notebook = { ...inherited, epochs: 100, batchSize: 4, lr: 0.0025 };

/** 200 epochs with 8 or 16 shots, 100 with 2 or 4, 50 with one (CoOp scripts/coop/main.sh, COOP.md). */
const epochsByShots = (shots: number) => shots >= 8 ? 200 : shots >= 2 ? 100 : 50;

/**
 * All presets by name; the first is the default.
 *
 * @example
 * ```ts
 * import { PRESETS } from "@prompt-kit/clip-prompts";
 *
 * const { epochs, batchSize, lr } = PRESETS["cocoop-cvpr22"].methods.cocoop(16);
 * if (epochs !== 10 || batchSize !== 1 || lr !== 0.002) throw new Error("unexpected");
 * ```
 */
export const PRESETS: Readonly<Record<string, Preset>> = {
  "seed-notebook": {
    title: "CoOp and CoCoOp side by side on EuroSAT, 100 epochs of batch 4",
    source:
      "a public notebook that runs the published CoOp and CoCoOp code on EuroSAT, one T4 in half precision, seed 1",
    expected:
      "ViT-B/16, 16 shots, seed 1: CoOp 91.4 base / 51.5 new, CoCoOp 90.8 base / 43.3 new; new classes move by " +
      "tens of points from seed to seed",
    time: "6 min 15 s on a T4 in PyTorch; with the sample model under 3 minutes on 2 cores",
    command: "deno task cocoop --train base --eval base,new --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "base", eval: ["base", "new"] },
    methods: {
      coop: () => notebook,
      cocoop: () => ({ ...notebook, ...photo }),
      kgcoop: () => ({ ...notebook, lambda: 8 }),
      "kgcoop-cocoop": () => ({ ...notebook, ...photo, lambda: 8 }),
      prograd: () => ({ ...notebook, lambda: 1 }),
      "prograd-cocoop": () => ({ ...notebook, ...photo, lambda: 1 }),
    },
  },
  "cocoop-cvpr22": {
    title: "CoCoOp as published, 10 epochs of batch 1",
    source: "Zhou et al., Conditional Prompt Learning for Vision-Language Models, CVPR 2022; " +
      "CoOp configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml",
    expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 87.49 base / 60.04 new / H 71.21",
    time: "800 steps on EuroSAT; a batch of 1 image, so steps are short",
    command: "deno task cocoop --preset cocoop-cvpr22 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "base", eval: ["base", "new"] },
    methods: {
      cocoop: () => ({ ...inherited, ...photo, epochs: 10, batchSize: 1, lr: 0.002 }),
    },
  },
  "coop-ijcv22": {
    title: "CoOp as published, few-shot on all classes, batch 32",
    source:
      "Zhou et al., Learning to Prompt for Vision-Language Models, IJCV 2022; CoOp configs/trainers/CoOp/*.yaml, COOP.md",
    expected: "all ten EuroSAT classes; the paper's figure 3 has the curves, the tables of its repository the numbers",
    time: "1,000 steps of 32 images on EuroSAT at 16 shots",
    command: "deno task coop --preset coop-ijcv22 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "all", eval: ["all"] },
    methods: {
      coop: (shots) => ({ ...inherited, epochs: epochsByShots(shots), batchSize: 32, lr: 0.002 }),
    },
  },
  "coop-base2new": {
    title: "CoOp as the CVPR 2022 paper's baseline: trained on base classes, batch 32, 200 epochs",
    source: "Zhou et al., CVPR 2022, table of base-to-new generalisation; CoOp scripts/coop/main.sh with ctxv1",
    expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 92.19 base / 54.74 new / H 68.69",
    time: "400 steps of 32 images on EuroSAT at 16 shots",
    command: "deno task coop --preset coop-base2new --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "base", eval: ["base", "new"] },
    methods: {
      coop: () => ({ ...inherited, ...photo, epochs: 200, batchSize: 32, lr: 0.002 }),
    },
  },
  "kgcoop-cvpr23": {
    title: "KgCoOp as published, 100 epochs of up to 128 images",
    source: "Yao et al., Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, CVPR 2023; " +
      "KgCoOp configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml, λ of scripts/xd_train.sh",
    expected: "ViT-B/16, EuroSAT, 16 shots, mean of seeds 1-3: 85.64 base / 64.34 new / H 73.48",
    time: "100 steps on EuroSAT: the few-shot images are one batch",
    command: "deno task kgcoop --preset kgcoop-cvpr23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "base", eval: ["base", "new"] },
    methods: {
      kgcoop: () => ({ ...inherited, ...photo, epochs: 100, batchSize: 128, lr: 0.002, lambda: 8 }),
    },
  },
  "prograd-iccv23": {
    title: "ProGrad as published: CoOp's schedule, batch 32",
    source:
      "Zhu et al., Prompt-aligned Gradient for Prompt Tuning, ICCV 2023; ProGrad trainers/prograd.py with CoOp's settings",
    expected: "ViT-B/16, 16 shots, mean of 11 data sets: 82.48 base / 70.75 new / H 76.16",
    time: "400 steps of 32 images on EuroSAT at 16 shots",
    command: "deno task prograd --preset prograd-iccv23 --model ViT-B/16 --data data/eurosat --seeds 1,2,3",
    protocol: { train: "base", eval: ["base", "new"] },
    methods: {
      prograd: (shots) => ({
        ...inherited,
        ...photo,
        epochs: epochsByShots(shots),
        batchSize: 32,
        lr: 0.002,
        lambda: 1,
      }),
    },
  },
};
