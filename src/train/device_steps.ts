/**
 * Steps whose optimiser runs on the engine's device: what is learned and the losses come back where the loop needs them (at
 * the end of an epoch, for a checkpoint), and every other second, so that a run shows how it goes. Reading changes nothing.
 */
import { divergence } from "../optim/divergence.ts";
import { areFinite, notFinite } from "./parameters.ts";
import type { StepAt, StepRecord, Steps, Trainable, TrainingState, TrainOptions } from "./training.ts";

const PATIENCE = { ms: 2000, steps: 500 };

/** Steps from the state on. */
export function deviceSteps(
  onDevice: NonNullable<Trainable["onDevice"]>,
  state: TrainingState,
  { momentum, weightDecay, optimizer, rates, patience = PATIENCE }: Pick<
    TrainOptions,
    "momentum" | "weightDecay" | "optimizer" | "rates" | "patience"
  >,
): Steps {
  const { velocity, squares } = state;
  const training = onDevice.open({ momentum, weightDecay, optimizer, rates, velocity, squares });
  let waiting: Omit<StepAt, "rates">[] = [];
  let readAt = performance.now();

  async function read(): Promise<StepRecord[]> {
    const { losses, params, velocity, squares } = await training.read();
    const records = waiting.map((at, i) => ({ ...at, loss: losses[i] }));
    const wrong = records.find(({ loss }) => !Number.isFinite(loss));
    if (wrong) throw notFinite(`at step ${wrong.step} (epoch ${wrong.epoch})`, `the loss (${wrong.loss})`);
    const where = between(waiting[0], waiting.at(-1)!);
    const requireFinite = (what: string, values: Record<string, Float32Array>) => {
      for (const [name, data] of Object.entries(values)) {
        if (!areFinite(data)) throw notFinite(where, `${what} ${name}`);
      }
    };
    // A gradient that is not finite leaves the optimiser's memory so for good.
    requireFinite(optimizer ? "Adam's mean of the gradients of" : "the momentum of", velocity);
    requireFinite("Adam's mean of the squared gradients of", squares ?? {});
    for (const [name, data] of Object.entries(params)) {
      const fault = divergence(data);
      if (fault !== undefined) throw notFinite(where, `the learned ${name}`, fault);
    }
    for (const [name, { data }] of Object.entries(state.params)) data.set(params[name]);
    Object.assign(state.velocity, velocity);
    if (squares) state.squares = squares;
    waiting = [];
    readAt = performance.now();
    return records;
  }

  return {
    async step(batch, { rates, ...at }, { due }) {
      await training.step(batch, { steps: at.step - 1, learningRate: at.lr, rates });
      waiting.push(at);
      const isLate = waiting.length >= patience.steps || performance.now() - readAt >= patience.ms;
      return due || isLate ? await read() : [];
    },
    close: () => training.close(),
  };
}

function between(first: Omit<StepAt, "rates">, last: Omit<StepAt, "rates">): string {
  if (first.step === last.step) return `at step ${last.step} (epoch ${last.epoch})`;
  return `in steps ${first.step} to ${last.step} (epoch ${last.epoch})`;
}
