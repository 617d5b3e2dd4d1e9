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
 * The learning rate of an epoch, counted from 1: constant while warming up, then a cosine whose clock starts at 0 after the warm-up but runs
 * over all epochs, so that the last epoch's rate is small and not zero (Dassl's `ConstantWarmupScheduler` with `WARMUP_RECOUNT`).
 */
export function learningRate(epoch: number, schedule: Schedule): number {
  if (epoch <= schedule.warmupEpochs) return schedule.warmupRate;
  const elapsed = (epoch - 1 - schedule.warmupEpochs) / schedule.epochs;
  return schedule.rate * (1 + Math.cos(Math.PI * elapsed)) / 2;
}
