/** Learning-rate schedules: one rate an epoch, as the published configurations have it. */

/** A learning-rate law. */
export interface Schedule {
  /** The rate that the cosine starts from. */
  rate: number;
  /** Epochs of the run, which are also the cosine's half period. */
  epochs: number;
  /** Epochs at {@linkcode Schedule.warmupRate} before the cosine starts. */
  warmupEpochs: number;
  /** The constant rate of the warm-up. */
  warmupRate: number;
}

/**
 * The learning rate of an epoch: constant while warming up, then a cosine whose clock starts at 0 after the warm-up but runs
 * over all epochs, so that the last epoch's rate is small and not zero (Dassl's `ConstantWarmupScheduler` with `WARMUP_RECOUNT`).
 *
 * @param epoch counted from 1
 * @param schedule the law
 * @returns the rate of all steps of this epoch
 *
 * @example
 * ```ts
 * import { learningRate } from "./schedule.ts";
 *
 * const schedule = { rate: 0.0025, epochs: 100, warmupEpochs: 1, warmupRate: 1e-5 };
 * if (learningRate(1, schedule) !== 1e-5 || learningRate(2, schedule) !== 0.0025) throw new Error("unexpected");
 * ```
 */
export function learningRate(epoch: number, schedule: Schedule): number {
  if (epoch <= schedule.warmupEpochs) return schedule.warmupRate;
  const elapsed = (epoch - 1 - schedule.warmupEpochs) / schedule.epochs;
  return schedule.rate * (1 + Math.cos(Math.PI * elapsed)) / 2;
}
