/** Which images a training step sees. */

/** The part of a random stream that an order needs. */
export interface ShuffleStream {
  /** Shuffles in place, all orders equally likely. */
  shuffle(items: number[]): void;
}

/**
 * Steps in an epoch: the last, smaller batch is left out when there is at least one full one (Dassl's `drop_last`).
 *
 * @param count number of training images
 * @param batchSize images a step
 *
 * @example
 * ```ts
 * import { stepsPerEpoch } from "./batch_order.ts";
 *
 * if (stepsPerEpoch(80, 32) !== 2 || stepsPerEpoch(5, 32) !== 1) throw new Error("unexpected");
 * ```
 */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.max(1, Math.floor(count / batchSize));
}

/**
 * Draws the batches of one epoch: every image at most once, in random order. When there are fewer images than a batch holds,
 * they form one smaller batch.
 *
 * @param count number of training images
 * @param options the batch size, and the stream that decides the order
 * @returns image indices, one array a step
 */
export function epochBatches(count: number, options: { batchSize: number; random: ShuffleStream }): number[][] {
  const order = Array.from({ length: count }, (_, index) => index);
  options.random.shuffle(order);
  return Array.from(
    { length: stepsPerEpoch(count, options.batchSize) },
    (_, step) => order.slice(step * options.batchSize, (step + 1) * options.batchSize),
  );
}
