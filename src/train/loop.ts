/**
 * The training loop. It knows batches, rates, averages and checkpoints; steps, files and terminals are elsewhere.
 *
 * `N` training images, `B` images of a batch, `E` embedding.
 */
import { prefetch } from "../data/prefetch.ts";
import { rowsAt } from "../engine/host_tensor.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { oneOf } from "../methods/setting.ts";
import { epochBatches, stepsPerEpoch } from "../optim/batch_order.ts";
import { addToAverage, interpolate } from "../optim/prompt_average.ts";
import { learningRate } from "../optim/schedule.ts";
import type { Parameter } from "../optim/sgd.ts";
import { deviceSteps } from "./device_steps.ts";
import { hostSteps } from "./host_steps.ts";
import { copyParameters } from "./parameters.ts";
import type { Trainable, TrainingBatch, TrainingImages, TrainingState, TrainOptions } from "./training.ts";

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
  if (options.optimizer && Object.keys(options.rates ?? {}).length > 0) {
    throw new Error("Rates of single parameters go with SGD");
  }
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
  const { onDevice } = prompt;
  const isApart = onDevice !== undefined && onDevice.obstacle(Math.min(batchSize, images.labels.length)) === undefined;
  const steps = isApart ? deviceSteps(onDevice, state, options) : hostSteps(prompt, state, options);

  try {
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
      let { step } = state;
      const left = batches.slice(step % perEpoch);
      // The next step's images are read and cropped while this step computes.
      for await (const { indices, patches_BNK } of prefetch(imagesOf(images, left, view))) {
        const batch = takeBatch(features_NE, { labels: images.labels, indices });
        step++;
        const isSaved = step % checkpointEvery === 0 || step === last;
        const due = isSaved || step % perEpoch === 0;
        const records = await steps.step({ ...batch, patches_BNK }, { step, epoch, lr, rates }, { due });
        if (records.length === 0) continue;
        state.step = step;
        state.losses.push(...records.map(({ loss }) => loss));
        if (step % perEpoch === 0) {
          state.order = order.state();
          if (options.average) addToAverage(state.average ??= {}, prompt.params, options.average[epoch - 1]);
        }
        if (step === last) delete state.meta;
        if (step === last) keep(state, { start, share: options.share ?? 1 });
        for (const record of records) options.onStep?.(record);
        if (isSaved) await options.save?.(state);
      }
    }
  } finally {
    await steps.close();
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
