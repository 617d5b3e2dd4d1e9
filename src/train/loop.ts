/**
 * The training loop. It knows parameters, batches and the optimiser; towers, files and terminals are other people's work.
 *
 * `N` training images, `B` images of a batch, `E` embedding.
 */
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { epochBatches, type ShuffleStream, stepsPerEpoch } from "./batch_order.ts";
import { learningRate, type Schedule } from "./schedule.ts";
import { type Parameter, sgdStep, type Velocity } from "./sgd.ts";

/** A random stream that can be continued later. */
export interface OrderStream extends ShuffleStream {
  /** Everything that decides what comes next. */
  state(): number[];
  /** Continues from a {@linkcode OrderStream.state}. */
  restore(state: readonly number[]): void;
}

/** What the loop trains; `openPrompt` makes one. */
export interface Trainable {
  /** The learned tensors, updated in place. */
  readonly params: Record<string, Parameter>;
  /** Mean loss of a batch at the current parameters, and its gradients. */
  step(
    batch: { imageFeatures_BE: HostTensor; labels: Int32Array },
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
}

/** The training images, as features. */
export interface TrainingImages {
  /** The class of each image. */
  readonly labels: Int32Array;
  /** How many views of each image there are; epoch e uses view (e − 1) mod views. */
  readonly views: number;
  /** Features of all images in one view, L2-normalised, [N, E]. */
  view(index: number): Promise<HostTensor>;
}

/** One line of `metrics.jsonl`. */
export interface StepRecord {
  /** Counted from 1 over the whole run. */
  step: number;
  /** Counted from 1. */
  epoch: number;
  /** The learning rate of this step. */
  lr: number;
  /** Mean cross-entropy of the batch, before the step. */
  loss: number;
}

/** Everything that decides how a run goes on: what a checkpoint holds. */
export interface TrainingState {
  /** Steps done. */
  step: number;
  /** The loss of each step done. */
  losses: number[];
  /** Learned tensors after {@linkcode TrainingState.step} steps. */
  params: Record<string, Parameter>;
  /** Momentum buffers. */
  velocity: Velocity;
  /** The batch-order stream at the start of the epoch in which the next step lies. */
  order: number[];
}

/** How to train. */
export interface TrainOptions {
  images: TrainingImages;
  batchSize: number;
  schedule: Schedule;
  momentum: number;
  weightDecay: number;
  /** Decides the batches. */
  order: OrderStream;
  /** Continue from here instead of from the prompt's parameters. */
  resume?: TrainingState;
  /** Steps between two calls of {@linkcode TrainOptions.save}; one epoch when left out. */
  checkpointEvery?: number;
  /** Gets a state to keep; what it gets may change once it returns. */
  save?: (state: TrainingState) => Promise<void>;
  /** Hears of each step. */
  onStep?: (record: StepRecord) => void;
}

/** Steps of a whole run. */
export function totalSteps(options: Pick<TrainOptions, "images" | "batchSize" | "schedule">): number {
  return options.schedule.epochs * stepsPerEpoch(options.images.labels.length, options.batchSize);
}

/**
 * Trains a prompt. The parameters of the prompt are those of the last step afterwards.
 *
 * Resuming from any saved state gives the bits of the uninterrupted run: the state holds all that the steps read.
 *
 * @returns the state after the last step
 * @throws {UserError} when a loss or gradient is not finite; names the step and the tensor, and nothing is saved any more
 */
export async function train(prompt: Trainable, options: TrainOptions): Promise<TrainingState> {
  const { images, batchSize, schedule, momentum, weightDecay, order } = options;
  const perEpoch = stepsPerEpoch(images.labels.length, batchSize);
  const last = totalSteps(options);
  const checkpointEvery = options.checkpointEvery ?? perEpoch;
  const state: TrainingState = {
    step: options.resume?.step ?? 0,
    losses: [...options.resume?.losses ?? []],
    params: prompt.params,
    velocity: copyVelocity(options.resume?.velocity ?? {}),
    order: order.state(),
  };
  if (options.resume) {
    copyParameters(options.resume.params, prompt.params);
    order.restore(options.resume.order);
    state.order = options.resume.order;
  }

  while (state.step < last) {
    const epoch = Math.floor(state.step / perEpoch) + 1;
    const batches = epochBatches(images.labels.length, { batchSize, random: order });
    const features_NE = await images.view((epoch - 1) % images.views);
    const lr = learningRate(epoch, schedule);

    for (const indices of batches.slice(state.step % perEpoch)) {
      const { loss, gradients } = await prompt.step(takeBatch(features_NE, { labels: images.labels, indices }));
      const at = { step: state.step + 1, epoch, lr, loss };
      requireFinite(at, gradients);
      sgdStep(prompt.params, gradients, { learningRate: lr, momentum, weightDecay, velocity: state.velocity });
      state.step = at.step;
      state.losses.push(loss);
      if (state.step % perEpoch === 0) state.order = order.state();
      options.onStep?.(at);
      if (state.step % checkpointEvery === 0 || state.step === last) await options.save?.(state);
    }
  }
  return state;
}

/** Mean loss of each epoch, from the losses of its steps. */
export function epochMeans(losses: readonly number[], perEpoch: number): number[] {
  const means: number[] = [];
  for (let start = 0; start < losses.length; start += perEpoch) {
    const epoch = losses.slice(start, start + perEpoch);
    means.push(epoch.reduce((sum, loss) => sum + loss, 0) / epoch.length);
  }
  return means;
}

/** Copies values, and refuses parameters of another method or size. */
export function copyParameters(from: Record<string, Parameter>, to: Record<string, Parameter>): void {
  const describe = (params: Record<string, Parameter>) =>
    Object.keys(params).sort().map((name) => `${name} [${params[name].shape.join(", ")}]`).join(", ");
  if (describe(from) !== describe(to)) {
    throw new UserError(
      `The stored prompt holds ${describe(from)} and this method learns ${describe(to)}: ` +
        "use the method, model and context length that it was trained with.",
    );
  }
  for (const name of Object.keys(to)) to[name].data.set(from[name].data);
}

function copyVelocity(velocity: Velocity): Velocity {
  return Object.fromEntries(Object.entries(velocity).map(([name, data]) => [name, data.slice()]));
}

function takeBatch(
  features_NE: HostTensor,
  options: { labels: Int32Array; indices: readonly number[] },
): { imageFeatures_BE: HostTensor; labels: Int32Array } {
  const [, E] = features_NE.shape;
  const data = new Float32Array(options.indices.length * E);
  options.indices.forEach((index, row) => data.set(features_NE.data.subarray(index * E, (index + 1) * E), row * E));
  return {
    imageFeatures_BE: { shape: [options.indices.length, E], data },
    labels: Int32Array.from(options.indices, (index) => options.labels[index]),
  };
}

function requireFinite(at: StepRecord, gradients: Record<string, Float32Array>): void {
  const stop = (what: string) => {
    throw new UserError(
      `Training stopped at step ${at.step} (epoch ${at.epoch}): ${what} is not finite. The last checkpoint is kept. ` +
        "Lower the learning rate with --lr, or try another --engine.",
    );
  };
  if (!Number.isFinite(at.loss)) stop(`the loss (${at.loss})`);
  for (const [name, gradient] of Object.entries(gradients)) {
    if (!gradient.every(Number.isFinite)) stop(`the gradient of ${name}`);
  }
}
