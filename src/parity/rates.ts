/**
 * Parity of the learning-rate law, to the digits that the published logs print (`{:.4e}`).
 */
import { learningRate } from "../optim/schedule.ts";
import { KIT_METHODS } from "../methods/kit.ts";
import { learnsPrompts, publishedValues } from "../methods/method.ts";
import { type ParityRow, parityRow } from "./row.ts";

/** Digits of a log's lr column. */
const printed = (rate: number) => rate.toExponential(4);

/** What the log of the published CoCoOp run on EuroSAT shows: the first, the second and the last epoch's rate. */
const LOG: readonly [epoch: number, rate: string][] = [[1, "1.0000e-5"], [2, "2.5000e-3"], [100, "2.4666e-6"]];

/**
 * PyTorch's `CosineAnnealingLR` as it runs: each rate from the one before, not from the closed form. One warm-up epoch
 * stands before it, and the cosine starts at 0 after that.
 */
export function recursiveRates(schedule: { rate: number; epochs: number; warmupRate: number }): number[] {
  const { rate, epochs, warmupRate } = schedule;
  const rates = [warmupRate, rate];
  for (let t = 1; rates.length < epochs; t++) {
    const ratio = (1 + Math.cos(Math.PI * t / epochs)) / (1 + Math.cos(Math.PI * (t - 1) / epochs));
    rates.push(ratio * rates[rates.length - 1]);
  }
  return rates;
}

/** The row of the learning rates: the log's digits, and all epochs of every published configuration. */
export function rateRow(): ParityRow {
  const law = (lr: number, epochs: number) => ({ rate: lr, epochs, warmupEpochs: 1, warmupRate: 1e-5 });
  const cases = LOG.map(([epoch, wanted]) => ({
    name: `log, epoch ${epoch}`,
    difference: Number(printed(learningRate(epoch, law(0.0025, 100))) !== wanted),
  }));
  for (const method of KIT_METHODS.filter(learnsPrompts)) {
    for (const preset of Object.keys(method.presets)) {
      const { lr, epochs } = publishedValues(method, preset, 16) as { lr: number; epochs: number };
      recursiveRates(law(lr, epochs)).forEach((rate, i) => {
        const got = learningRate(i + 1, law(lr, epochs));
        cases.push({
          name: `${preset} ${method.name} epoch ${i + 1}`,
          difference: Number(printed(got) !== printed(rate)),
        });
      });
    }
  }
  return parityRow(
    { stage: "learning rates, printed digits", engine: "-", tolerance: 0, unit: "different rates" },
    cases,
  );
}
