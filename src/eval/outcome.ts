/** What a model says of images. */
export interface Outcome {
  /** The class with the largest logit of each image. */
  predictions: number[];
  /** Its probability, 0 to 1. */
  confidences: number[];
  /** How far its probability is above that of the next class, 0 to 1. */
  margins: number[];
  /** The cross-entropy of each image: −log of the probability of its true class; only where labels are known. */
  losses?: number[];
}

/**
 * Reads scaled logits, B images × C classes: predictions (of equal logits the first, as in PyTorch) and their softmax
 * probabilities, and with the labels of the images the cross-entropies. Call it for each batch and put the pieces together
 * with {@linkcode joinOutcomes}.
 */
export function outcomeOf(
  logits_BC: { shape: readonly number[]; data: Float32Array },
  labels?: readonly number[],
): Outcome {
  const [B, C] = logits_BC.shape;
  const outcome: Outcome = { predictions: [], confidences: [], margins: [] };
  const losses: number[] = [];
  for (let b = 0; b < B; b++) {
    const row = logits_BC.data.subarray(b * C, (b + 1) * C);
    let best = 0;
    for (let c = 1; c < C; c++) if (row[c] > row[best]) best = c;
    let [sum, next] = [0, 0];
    for (let c = 0; c < C; c++) {
      const power = Math.exp(row[c] - row[best]);
      sum += power;
      if (c !== best) next = Math.max(next, power);
    }
    outcome.predictions.push(best);
    outcome.confidences.push(1 / sum);
    outcome.margins.push((1 - next) / sum);
    // Not through the probability, which underflows where a model is surely wrong.
    if (labels !== undefined) losses.push(Math.log(sum) + (row[best] - row[labels[b]]));
  }
  return labels === undefined ? outcome : { ...outcome, losses };
}

/** Puts the outcomes of batches together, in order. */
export function joinOutcomes(outcomes: readonly Outcome[]): Outcome {
  return {
    predictions: outcomes.flatMap(({ predictions }) => predictions),
    confidences: outcomes.flatMap(({ confidences }) => confidences),
    margins: outcomes.flatMap(({ margins }) => margins),
    ...outcomes.every(({ losses }) => losses !== undefined)
      ? { losses: outcomes.flatMap(({ losses }) => losses!) }
      : {},
  };
}
