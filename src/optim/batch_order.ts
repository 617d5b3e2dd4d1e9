/** Which images a training step sees. */
import type { RandomStream } from "../data/random.ts";

/**
 * Steps in an epoch: the last, smaller batch is left out when there is at least one full one (Dassl's `drop_last`).
 */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.max(1, Math.floor(count / batchSize));
}

/**
 * Draws the batches of one epoch, image indices of each step: every image at most once, in random order. When there are
 * fewer images than a batch holds, they form one smaller batch.
 */
export function epochBatches(
  count: number,
  options: { batchSize: number; random: Pick<RandomStream, "shuffle"> },
): number[][] {
  const order = Array.from({ length: count }, (_, index) => index);
  options.random.shuffle(order);
  return Array.from(
    { length: stepsPerEpoch(count, options.batchSize) },
    (_, step) => order.slice(step * options.batchSize, (step + 1) * options.batchSize),
  );
}
