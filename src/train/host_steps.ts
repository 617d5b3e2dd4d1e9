/** Steps whose optimiser runs on the host, to PyTorch's bits; and the second step of a meta-learned method. */
import { UserError } from "../errors.ts";
import { adamStep } from "../optim/adam.ts";
import { divergence } from "../optim/divergence.ts";
import { type Parameter, sgdStep, type Velocity } from "../optim/sgd.ts";
import { drawMeta } from "./meta_draw.ts";
import { areFinite, copyParameters, notFinite } from "./parameters.ts";
import type {
  MetaState,
  StepRecord,
  Steps,
  Trainable,
  TrainingBatch,
  TrainingState,
  TrainOptions,
} from "./training.ts";

/** Steps of a prompt; each is known at once. */
export function hostSteps(prompt: Trainable, state: TrainingState, options: TrainOptions): Steps {
  const second = options.meta && prompt.meta && secondStep(prompt.meta, options);
  return {
    async step(batch, { rates, ...record }) {
      const { loss, gradients } = await prompt.step(batch);
      const at: StepRecord = { ...record, loss };
      requireFinite(at, `the loss (${loss})`, [loss]);
      for (const [name, gradient] of Object.entries(gradients)) requireFinite(at, `the gradient of ${name}`, gradient);
      descend(state, gradients, { ...options, learningRate: at.lr, rates });
      if (second) {
        state.meta = await second.step(batch, { at, params: prompt.params, velocity: state.velocity });
      }
      // A finite gradient can still throw a parameter out of float32's range; such a state must not become a checkpoint.
      for (const [name, { data }] of Object.entries(prompt.params)) {
        requireSound(at, `the learned ${name} after it`, data);
      }
      for (const [name, { data }] of Object.entries(state.meta?.maps ?? {})) {
        requireSound(at, `the learned ${name} after it`, data);
      }
      for (const [name, data] of Object.entries(state.squares ?? {})) {
        requireFinite(at, `Adam's mean of the squared gradients of ${name}`, data);
      }
      return [at];
    },
    close: () => Promise.resolve(),
  };
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

function requireSound({ step, epoch }: StepRecord, what: string, learned: Float32Array): void {
  const fault = divergence(learned);
  if (fault !== undefined) throw notFinite(`at step ${step} (epoch ${epoch})`, what, fault);
}

function requireFinite({ step, epoch }: StepRecord, what: string, values: number[] | Float32Array): void {
  if (!areFinite(values)) throw notFinite(`at step ${step} (epoch ${epoch})`, what);
}
