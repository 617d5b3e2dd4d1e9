/** A prompt small enough to reason about: softmax regression on three numbers, with exact gradients. For tests of the loop. */
import type { HostTensor } from "../../src/engine/ops.ts";
import { namedStream } from "../../src/data/random.ts";
import type { Trainable, TrainOptions } from "../../src/train/training.ts";

const E = 3;

/** Two classes that three numbers tell apart; `brokenAt` makes that step's loss or gradient NaN. */
export function toyPrompt(
  options: { classes?: number; brokenAt?: number; broken?: "loss" | "gradient" } = {},
): Trainable {
  const C = options.classes ?? 2;
  let steps = 0;
  const params = {
    weight: { shape: [C, E], data: new Float32Array(C * E).fill(0.01) },
    bias: { shape: [C], data: new Float32Array(C) },
  };
  return {
    params,
    step({ imageFeatures_BE, labels }) {
      steps++;
      const weight = new Float32Array(C * E);
      const bias = new Float32Array(C);
      let loss = 0;
      labels.forEach((label, b) => {
        const x = imageFeatures_BE!.data.subarray(b * E, (b + 1) * E);
        const scores = Array.from(
          { length: C },
          (_, c) => x.reduce((sum, value, e) => sum + value * params.weight.data[c * E + e], params.bias.data[c]),
        );
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        loss -= Math.log(Math.exp(scores[label]) / total) / labels.length;
        scores.forEach((score, c) => {
          const d = (Math.exp(score) / total - (c === label ? 1 : 0)) / labels.length;
          bias[c] += d;
          for (let e = 0; e < E; e++) weight[c * E + e] += d * x[e];
        });
      });
      if (steps === options.brokenAt) {
        if (options.broken === "loss") loss = NaN;
        else weight[1] = NaN;
      }
      return Promise.resolve({ loss: Math.fround(loss), gradients: { weight, bias } });
    },
  };
}

/** Five epochs of four steps on eighteen images. */
export function toyRun(options: { views?: number; onView?: (view: number) => void } = {}): TrainOptions {
  const N = 18;
  const labels = Int32Array.from({ length: N }, (_, i) => i % 2);
  const view = (index: number): Promise<HostTensor> => {
    options.onView?.(index);
    const random = namedStream(7, "toy", index);
    const data = Float32Array.from({ length: N * E }, (_, i) => random.normal() + (labels[Math.floor(i / E)] ? 1 : -1));
    return Promise.resolve({ shape: [N, E], data });
  };
  return {
    images: { labels, views: options.views ?? 5, view },
    batchSize: 4,
    schedule: { rate: 0.1, epochs: 5, warmupEpochs: 1, warmupRate: 0.001 },
    momentum: 0.9,
    weightDecay: 5e-4,
    order: namedStream(1, "batch-order"),
  };
}
