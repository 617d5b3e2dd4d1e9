/**
 * What training takes and gives, and what a way of doing its steps is.
 *
 * `N` training images, `B` images of a batch, `E` embedding.
 */
import type { RandomStream } from "../data/random.ts";
import type { HostTensor } from "../engine/ops.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import type { Schedule } from "../optim/schedule.ts";
import type { Parameter, Velocity } from "../optim/sgd.ts";
import type { DeviceSteps, DeviceStepsOptions } from "../prompt/device_steps.ts";
import type { BatchDraw } from "../prompt/session.ts";
import type { MetaStream } from "./meta_draw.ts";

/** What the loop trains: numbers, and their gradients. `openPrompt` makes one. */
export interface Trainable {
  /** The learned tensors, updated in place. */
  readonly params: Record<string, Parameter>;
  /** Mean loss of a batch at the current parameters, and its gradients. */
  step(
    batch: TrainingBatch,
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
  /** Steps whose optimiser runs on the engine's device, where that is apart from the host. */
  readonly onDevice?: {
    /** Why steps of so many images go back to the host all the same; undefined where they stay. */
    obstacle(images: number): string | undefined;
    open(options: DeviceStepsOptions): DeviceSteps<TrainingBatch>;
  };
  /** A second step after each step, with what is learned about regularising; none when absent. */
  readonly meta?: {
    readonly maps: Record<string, Parameter>;
    outer(
      batch: TrainingBatch,
      draw: BatchDraw,
    ): Promise<{ gradients: Record<string, Float32Array>; mapGradients: Record<string, Float32Array> }>;
  };
}

/** Images of a step. */
export interface TrainingBatch {
  /** [B, E], L2-normalised; as the tower gives them for a method with a head; absent where the loss reads none. */
  imageFeatures_BE?: HostTensor;
  /** [B, N, K], where the method prompts the image tower. */
  patches_BNK?: HostTensor;
  /** [B] */
  labels: Int32Array;
}

/** How the second step of a meta-learned method goes. */
export interface MetaOptions {
  /** Draws query, support and mixtures. */
  random: MetaStream;
  /** The constant rate of the regulariser net. */
  rate: number;
}

/** What the second step's state is: the regulariser net, its momentum, and where its draws are. */
export interface MetaState {
  maps: Record<string, Parameter>;
  velocity: Velocity;
  stream: number[];
}

/** The training images, as features and patches. */
export interface TrainingImages {
  /** The class of each image. */
  readonly labels: Int32Array;
  /** How many views of each image there are; epoch e uses view (e − 1) mod views. */
  readonly views: number;
  /** Features of all images in one view, [N, E]; L2-normalised but for a method with a head. Absent where the loss reads none. */
  view?(index: number): Promise<HostTensor>;
  /** Patches of some images in one view, [B, N, K], where the method prompts the image tower. */
  patches?(indices: readonly number[], view: number): Promise<HostTensor>;
}

/** One line of `metrics.jsonl`. */
export interface StepRecord {
  /** Counted from 1 over the whole run. */
  step: number;
  /** Counted from 1. */
  epoch: number;
  lr: number;
  /** Mean cross-entropy of the batch, before the step. */
  loss: number;
}

/** Everything that decides how a run goes on after `step` steps: what a checkpoint holds. */
export interface TrainingState {
  step: number;
  losses: number[];
  params: Record<string, Parameter>;
  /** SGD's momentum, or Adam's running mean of the gradients. */
  velocity: Velocity;
  /** Adam's running mean of the gradients' squares; absent for SGD. */
  squares?: Velocity;
  /** The batch-order stream at the start of the epoch in which the next step lies. */
  order: number[];
  /** The weighted sum of the prompts after each epoch so far, where an average is kept; absent before the first and after the last. */
  average?: Record<string, Float64Array>;
  /** Of the second step, while it is needed: absent for other methods, and after the last step. */
  meta?: MetaState;
}

export interface TrainOptions {
  images: TrainingImages;
  /** Images a step. With fewer images in all there is one smaller step an epoch; an incomplete last batch is left out. */
  batchSize: number;
  /** The learning rate of each epoch, and how many there are. */
  schedule: Schedule;
  /** Parameters whose cosine starts from another rate, as a factor of the schedule's. The warm-up's rate is for all. */
  rates?: Readonly<Record<string, number>>;
  momentum: number;
  /** The L2 penalty, on all learned numbers. */
  weightDecay: number;
  /** In place of SGD, see {@linkcode PromptMethod.optimizer}. */
  optimizer?: PromptMethod["optimizer"];
  order: Pick<RandomStream, "shuffle" | "state" | "restore">;
  /** The weight of each epoch's prompt in the average that is kept in the end; left out, the last prompt is kept. */
  average?: readonly number[];
  /** The share of what was learned in the prompt that is kept, the rest being its start; 1 when left out. */
  share?: number;
  /** For a method with a second step, see {@linkcode Trainable.meta}; left out, no second step is made. */
  meta?: MetaOptions;
  /** Continue from here instead of from the prompt's parameters, which are then still the start of {@linkcode TrainOptions.share}. */
  resume?: TrainingState;
  /** For how long and for how many steps losses may wait on a device; two seconds and 500 when left out. */
  patience?: { ms: number; steps: number };
  /** Steps between two calls of {@linkcode TrainOptions.save}; one epoch when left out. */
  checkpointEvery?: number;
  /** Gets a state to keep; what it gets may change once it returns. */
  save?: (state: TrainingState) => Promise<void>;
  /** Called after each step. */
  onStep?: (record: StepRecord) => void;
}

/** A step that is about to be done. */
export interface StepAt extends Omit<StepRecord, "loss"> {
  /** The rates of single parameters, by name, where they are another. */
  rates: Readonly<Record<string, number>>;
}

/** A way of doing steps: on the host, or on the engine's device. */
export interface Steps {
  /**
   * Does a step. Gives the records of all steps since the last time that it gave some, where they are known, and then the
   * state holds what these steps made; the caller counts them. Where `due`, they are known.
   *
   * @throws {UserError} when a loss, gradient or learned number is not finite
   */
  step(batch: TrainingBatch, at: StepAt, options: { due: boolean }): Promise<StepRecord[]>;
  close(): Promise<void>;
}
