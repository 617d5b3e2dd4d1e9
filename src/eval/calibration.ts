/**
 * Whether probabilities can be taken at their word: of the images that a model is 80 % sure of, 80 % should be right.
 *
 * Expected calibration error of Guo et al., On Calibration of Modern Neural Networks (ICML 2017): 15 bins of equal width over
 * the probability of the predicted class, each closed above.
 */

/** Lists with an entry a bin. */
interface Bins {
  images: number[];
  correct: number[];
  confidence: (number | null)[];
}

/** Bins, as usual. */
const BINS = 15;

/** Of means: logits are float32. */
const DIGITS = 8;

/** Sorts images into bins by the confidence of their prediction. */
export function calibrate(
  confidences: ArrayLike<number>,
  { labels, predictions }: { labels: ArrayLike<number>; predictions: ArrayLike<number> },
): Bins & { ece: number } {
  const [images, correct, sums] = [zeros(), zeros(), zeros()];
  for (let i = 0; i < confidences.length; i++) {
    const bin = Math.min(BINS, Math.max(1, Math.ceil(confidences[i] * BINS))) - 1;
    images[bin]++;
    sums[bin] += confidences[i];
    if (predictions[i] === labels[i]) correct[bin]++;
  }
  const confidence = sums.map((sum, i) => images[i] === 0 ? null : Number((sum / images[i]).toPrecision(DIGITS)));
  return { ece: expectedError({ images, correct, confidence }), images, correct, confidence };
}

/** Expected calibration error, in percent: the mean over images of how far their bin's confidence is from its accuracy. */
export function expectedError({ images, correct, confidence }: Bins): number {
  const total = images.reduce((sum, count) => sum + count, 0);
  const apart = images.reduce((sum, count, i) => sum + Math.abs(count * (confidence[i] ?? 0) - correct[i]), 0);
  return 100 * apart / total;
}

function zeros(): number[] {
  return new Array<number>(BINS).fill(0);
}
