/**
 * The training loop. It knows parameters, batches and the optimiser; towers, files and terminals are elsewhere.
 *
 * `N` training images, `B` images of a batch, `E` embedding.
 */
import type { RandomStream } from "../data/random.ts";
import { prefetch } from "../data/prefetch.ts";
import { rowsAt } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { oneOf } from "../methods/setting.ts";
import { adamStep } from "../optim/adam.ts";
import { addToAverage, interpolate } from "../optim/prompt_average.ts";
import { epochBatches, stepsPerEpoch } from "../optim/batch_order.ts";
import type { BatchDraw } from "../prompt/session.ts";
import { drawMeta, type MetaStream } from "./meta_draw.ts";
import { learningRate, type Schedule } from "../optim/schedule.ts";
import { type Parameter, sgdStep, type Velocity } from "../optim/sgd.ts";

/** What the loop trains: numbers, and their gradients. `openPrompt` makes one. */
export interface Trainable {
  /** The learned tensors, updated in place. */
  readonly params: Record<string, Parameter>;
  /** Mean loss of a batch at the current parameters, and its gradients. */
  step(
    batch: TrainingBatch,
  ): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
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
  /** Steps between two calls of {@linkcode TrainOptions.save}; one epoch when left out. */
  checkpointEvery?: number;
  /** Gets a state to keep; what it gets may change once it returns. */
  save?: (state: TrainingState) => Promise<void>;
  /** Called after each step. */
  onStep?: (record: StepRecord) => void;
}

/**
 * Trains a prompt, in place: afterwards its parameters are those of the last step, or the average or blend asked for.
 *
 * Gradient descent as in the published runs (Dassl's `TrainerX`): batches drawn without replacement, an
 * incomplete last batch left out, one learning rate an epoch.
 * Resuming from any saved state gives the bits of the uninterrupted run: the state holds all that the steps read.
 *
 * @throws {UserError} when a loss, gradient or learned number is not finite; names the step and the tensor, and nothing is saved any
 * more. Also when the state to resume from holds other tensors than the prompt.
 */
export async function train(prompt: Trainable, options: TrainOptions): Promise<TrainingState> {
  const { images, batchSize, schedule, order } = options;
  if (options.optimizer) oneOf(["adam", "adamw"], options.optimizer.name, "The method's optimizer");
  if (options.optimizer && options.meta) throw new Error("A meta-learned second step goes with SGD");
  const perEpoch = stepsPerEpoch(images.labels.length, batchSize);
  const last = schedule.epochs * perEpoch;
  const checkpointEvery = options.checkpointEvery ?? perEpoch;
  const start = structuredClone(prompt.params);
  const state: TrainingState = {
    step: options.resume?.step ?? 0,
    losses: [...options.resume?.losses ?? []],
    params: prompt.params,
    velocity: structuredClone(options.resume?.velocity ?? {}),
    order: order.state(),
  };
  if (options.resume) {
    copyParameters(options.resume.params, prompt.params);
    order.restore(options.resume.order);
    state.order = options.resume.order;
    if (options.optimizer) state.squares = resumedSquares(options.resume);
    if (options.average && state.step < last) state.average = resumedAverage(options.resume, perEpoch);
  }
  const second = options.meta && prompt.meta && secondStep(prompt.meta, options);

  while (state.step < last) {
    const epoch = Math.floor(state.step / perEpoch) + 1;
    const batches = epochBatches(images.labels.length, { batchSize, random: order });
    const view = (epoch - 1) % images.views;
    const features_NE = await images.view?.(view);
    const lr = learningRate(epoch, schedule);
    const rates = Object.fromEntries(
      Object.entries(options.rates ?? {}).map(([name, factor]) => [
        name,
        learningRate(epoch, { ...schedule, rate: factor * schedule.rate }),
      ]),
    );
    const left = batches.slice(state.step % perEpoch);
    // The next step's images are read and cropped while this step computes.
    for await (const { indices, patches_BNK } of prefetch(imagesOf(images, left, view))) {
      const batch = takeBatch(features_NE, { labels: images.labels, indices });
      const { loss, gradients } = await prompt.step({ ...batch, patches_BNK });
      const at = { step: state.step + 1, epoch, lr, loss };
      requireFinite(at, `the loss (${loss})`, [loss]);
      for (const [name, gradient] of Object.entries(gradients)) requireFinite(at, `the gradient of ${name}`, gradient);
      descend(state, gradients, { ...options, learningRate: lr, rates });
      if (second) {
        state.meta = await second.step({ ...batch, patches_BNK }, {
          at,
          params: prompt.params,
          velocity: state.velocity,
        });
      }
      // A finite gradient can still throw a parameter out of float32's range; such a state must not become a checkpoint.
      for (const [name, { data }] of Object.entries(prompt.params)) {
        requireFinite(at, `the learned ${name} after it`, data);
      }
      for (const [name, data] of Object.entries(state.squares ?? {})) {
        requireFinite(at, `Adam's mean of the squared gradients of ${name}`, data);
      }
      state.step = at.step;
      state.losses.push(loss);
      if (state.step % perEpoch === 0) {
        state.order = order.state();
        if (options.average) addToAverage(state.average ??= {}, prompt.params, options.average[epoch - 1]);
      }
      if (state.step === last) delete state.meta;
      if (state.step === last) keep(state, { start, share: options.share ?? 1 });
      options.onStep?.(at);
      if (state.step % checkpointEvery === 0 || state.step === last) await options.save?.(state);
    }
  }
  return state;
}

/** Mean loss of each epoch, from the losses of all steps; the last may be of an unfinished epoch. */
export function epochMeans(losses: readonly number[], perEpoch: number): number[] {
  const means: number[] = [];
  for (let start = 0; start < losses.length; start += perEpoch) {
    const epoch = losses.slice(start, start + perEpoch);
    means.push(epoch.reduce((sum, loss) => sum + loss, 0) / epoch.length);
  }
  return means;
}

/**
 * Copies values into parameters, in place, and refuses those of another method or size.
 *
 * @throws {UserError} when names or shapes differ
 */
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

/** One step of the optimiser, in place; the state's own step count is not touched. */
function descend(
  state: TrainingState,
  gradients: Record<string, Float32Array>,
  options: Pick<TrainOptions, "optimizer" | "rates" | "momentum" | "weightDecay"> & { learningRate: number },
): void {
  const { params, velocity, step: steps } = state;
  const { optimizer, learningRate, rates = {}, momentum, weightDecay } = options;
  if (!optimizer) return sgdStep(params, gradients, { learningRate, rates, momentum, weightDecay, velocity });
  if (Object.keys(rates).length > 0) throw new Error("Rates of single parameters go with SGD");
  const values = Object.fromEntries(Object.entries(params).map(([name, { data }]) => [name, data]));
  adamStep(values, gradients, {
    learningRate,
    steps,
    momentum,
    weightDecay,
    first: velocity,
    second: state.squares ??= {},
    epsilon: optimizer.epsilon,
    decoupled: optimizer.name === "adamw",
  });
}

/** Puts the average, and its blend with the start, in the place of the last step's parameters. */
function keep(state: TrainingState, { start, share }: { start: Record<string, Parameter>; share: number }): void {
  for (const [name, sum] of Object.entries(state.average ?? {})) state.params[name].data.set(sum);
  delete state.average;
  if (share === 1) return;
  const blend = interpolate(start, state.params, share);
  for (const [name, data] of Object.entries(blend)) state.params[name].data.set(data);
}

function resumedAverage({ step, average }: TrainingState, perEpoch: number): TrainingState["average"] {
  if (average === undefined && step >= perEpoch) {
    throw new UserError("The checkpoint holds no average of prompts: start over with --fresh.");
  }
  return structuredClone(average);
}

function resumedSquares({ step, squares }: TrainingState): TrainingState["squares"] {
  if (squares === undefined && step > 0) {
    throw new UserError("The checkpoint holds no squares of Adam's gradients: start over with --fresh.");
  }
  return structuredClone(squares);
}

/** The second step of a meta-learned method: the same SGD of the prompts with the outer gradient, and one of the net. */
function secondStep({ maps, outer }: NonNullable<Trainable["meta"]>, options: TrainOptions) {
  const { random, rate } = options.meta!;
  const resumed = options.resume?.meta;
  if (options.resume && options.resume.step > 0 && resumed === undefined) {
    throw new UserError("The checkpoint holds no regulariser net: start over with --fresh.");
  }
  const velocity = structuredClone(resumed?.velocity ?? {});
  if (resumed) {
    copyParameters(resumed.maps, maps);
    random.restore(resumed.stream);
  }
  const { momentum, weightDecay } = options;
  return {
    async step(
      batch: TrainingBatch,
      { at, params, velocity: promptVelocity }: {
        at: StepRecord;
        params: Record<string, Parameter>;
        velocity: Velocity;
      },
    ): Promise<MetaState> {
      const draw = drawMeta(batch.labels, random);
      if (draw) {
        const { gradients, mapGradients } = await outer(batch, draw);
        for (const [name, gradient] of Object.entries({ ...gradients, ...mapGradients })) {
          requireFinite(at, `the gradient of ${name}`, gradient);
        }
        sgdStep(params, gradients, { learningRate: at.lr, momentum, weightDecay, velocity: promptVelocity });
        sgdStep(maps, mapGradients, { learningRate: rate, momentum, weightDecay, velocity });
      }
      return { maps, velocity, stream: random.state() };
    },
  };
}

/** The images of each step, with their patches where the method prompts the image tower. */
async function* imagesOf(
  images: TrainingImages,
  steps: readonly (readonly number[])[],
  view: number,
): AsyncGenerator<{ indices: readonly number[]; patches_BNK?: HostTensor }> {
  for (const indices of steps) yield { indices, patches_BNK: await images.patches?.(indices, view) };
}

function takeBatch(
  features_NE: HostTensor | undefined,
  options: { labels: Int32Array; indices: readonly number[] },
): Pick<TrainingBatch, "imageFeatures_BE" | "labels"> {
  return {
    ...(features_NE && { imageFeatures_BE: rowsAt(features_NE, options.indices) }),
    labels: Int32Array.from(options.indices, (index) => options.labels[index]),
  };
}

function requireFinite(at: StepRecord, what: string, values: number[] | Float32Array): void {
  if (values.every(Number.isFinite)) return;
  throw new UserError(
    `Training stopped at step ${at.step} (epoch ${at.epoch}): ${what} is not finite. The last checkpoint is kept. ` +
      "Lower the learning rate with --lr, or try another --engine.",
  );
}
