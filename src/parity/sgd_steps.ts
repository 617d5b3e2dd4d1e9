/** SGD as an engine's runs do it, step by step: on its device where that is apart from the host, or on the host. */
import { sgdStep } from "../optim/sgd.ts";
import type { Batch, PromptSession } from "../prompt/session.ts";

/** Steps of a session's prompt, whose parameters are up to date after each. */
export interface SgdSteps {
  /** Gives the loss before the step. */
  step(batch: Batch, learningRate: number): Promise<number>;
  close(): Promise<void>;
}

/** Starts at the session's present parameters; `images` are those of a step. */
export function sgdSteps(
  session: PromptSession,
  { images, ...options }: { images: number; momentum: number; weightDecay: number },
): SgdSteps {
  const velocity = {};
  const { onDevice, params } = session;
  if (onDevice === undefined || onDevice.obstacle(images) !== undefined) {
    return {
      async step(batch, learningRate) {
        const { loss, gradients } = await session.step(batch);
        sgdStep(params, gradients, { ...options, learningRate, velocity });
        return loss;
      },
      close: () => Promise.resolve(),
    };
  }
  const training = onDevice.open({ ...options, velocity });
  let steps = 0;
  return {
    async step(batch, learningRate) {
      await training.step(batch, { steps: steps++, learningRate, rates: {} });
      const { losses: [loss], params: after } = await training.read();
      for (const [name, { data }] of Object.entries(params)) data.set(after[name]);
      return loss;
    },
    close: () => training.close(),
  };
}
