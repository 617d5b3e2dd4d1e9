/**
 * Linear probe: logistic regression on image features, without any text (Radford et al., 2021; CoOp
 * lpclip/linear_probe.py, which has scikit-learn's `LogisticRegression(solver="lbfgs", max_iter=1000)`).
 *
 * Features are those of the test transform, not normalised. The strength C is swept from 10⁶ to 10⁻⁶ on the validation
 * images, then halved in on in eight steps.
 */
import { Matrix } from "../deps.ts";
import { minimize } from "../optim/lbfgs.ts";
import {
  affine,
  countCorrect,
  crossEntropyGradient,
  type FeatureClassifier,
  type FeatureTask,
  toHost,
  toMatrix,
} from "./feature_method.ts";
import { type FeatureSettings, tuneOn, withFullValidation } from "./feature_settings.ts";
import type { FeatureLearning } from "./method.ts";
import { product } from "./product.ts";

/** Why there is no classifier of classes without training images. */
const NO_TEXT = "its weights are learned from images of each class, and no text is used";

/** Weights and bias of a linear classifier. */
export interface LinearHead {
  weights_CE: Matrix;
  bias_C: number[];
}

/** The published sweep. */
const SWEEP = [1e6, 1e4, 1e2, 1, 1e-2, 1e-4, 1e-6];

/** Linear probe with the published search for C. */
export function learnLinearProbe(task: FeatureTask): FeatureClassifier {
  const images_NE = toMatrix(task.train.features_NE);
  const validation_NE = toMatrix(task.val.features_NE);
  const classes = task.classNames.length;
  const fit = (strength: number) => {
    const head = logisticRegression(images_NE, { labels: task.train.labels, classes, strength });
    return { head, strength, correct: countCorrect(headLogits(head, validation_NE), task.val.labels) };
  };
  const { head, strength } = searchStrength(fit);
  return {
    chosen: { C: strength },
    logits: (features_NE) => toHost(headLogits(head, toMatrix(features_NE))),
    graph: (ops, features_NE) =>
      affine(ops, features_NE, { weights_EC: head.weights_CE.transpose(), bias_C: head.bias_C }),
    newClasses: { impossible: NO_TEXT },
  };
}

/** Logits [N, C]. */
export function headLogits(head: LinearHead, features_NE: Matrix): Matrix {
  return product(features_NE, head.weights_CE, { transposed: "right" }).addRowVector(head.bias_C);
}

/**
 * The published search: the first best C of a sweep, then eight times the better of two ends, a decade to each side of it
 * at first; the better end stays, the other moves to the middle of their logarithms.
 */
export function searchStrength<T extends { correct: number; strength: number }>(fit: (strength: number) => T): T {
  const swept = SWEEP.map(fit);
  const peak = swept.reduce((best, now) => now.correct > best.correct ? now : best);
  let [left, right] = [Math.log10(peak.strength) - 1, Math.log10(peak.strength) + 1];
  let final = peak;
  for (let step = 0; step < 8; step++) {
    const [low, high] = [fit(10 ** left), fit(10 ** right)];
    const middle = (left + right) / 2;
    if (low.correct < high.correct) [final, left] = [high, middle];
    else [final, right] = [low, middle];
  }
  return final;
}

/**
 * Multinomial logistic regression as scikit-learn fits it: mean cross-entropy + ‖W‖²/(2·C·N), bias not penalised, stopped
 * at its default tolerance. With two classes it has one row of weights, that of the second.
 */
export function logisticRegression(
  images_NE: Matrix,
  options: { labels: Int32Array; classes: number; strength: number },
): LinearHead {
  const { labels, classes, strength } = options;
  const [N, E] = [images_NE.rows, images_NE.columns];
  const skipped = classes === 2 ? 1 : 0;
  const free = classes - skipped;
  const penalty = 1 / (strength * N);

  const headOf = (x: Float64Array): LinearHead => {
    const weights_CE = Matrix.zeros(classes, E);
    for (let c = 0; c < free; c++) weights_CE.setRow(c + skipped, x.subarray(c * E, (c + 1) * E));
    const bias_C = [...new Array<number>(skipped).fill(0), ...x.subarray(free * E)];
    return { weights_CE, bias_C };
  };

  const { x } = minimize(
    (x) => {
      const { loss, gradient_NC } = crossEntropyGradient(headLogits(headOf(x), images_NE), labels);
      const slope_CE = product(gradient_NC, images_NE, { transposed: "left" });
      const gradient = new Float64Array(x.length);
      let squares = 0;
      for (let c = 0; c < free; c++) {
        for (let e = 0; e < E; e++) {
          const i = c * E + e;
          squares += x[i] * x[i];
          gradient[i] = slope_CE.get(c + skipped, e) / N + penalty * x[i];
        }
      }
      gradient_NC.sum("column").slice(skipped).forEach((sum, c) => gradient[free * E + c] = sum / N);
      return { value: loss / N + penalty * squares / 2, gradient };
    },
    new Float64Array(free * (E + 1)),
    { maxIterations: 1000, gradientTolerance: 1e-4, valueTolerance: 64 * 2 ** -52, maxEvaluations: 50 },
  );
  return headOf(x);
}

/**
 * The linear probe as the kit runs it. The published code shows it each image once, under the test transform.
 *
 * Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
 */
export const linearProbe: FeatureLearning<FeatureSettings> = withFullValidation({
  name: "linear-probe",
  label: "Linear probe",
  title: "Linear probe (Radford et al., ICML 2021): logistic regression on image features, without any text.",
  settings: { tuneOn },
  presets: {},
  noNewClasses: NO_TEXT,
  learn: (task) => learnLinearProbe(task),
  // Weights and a bias for each class; of two classes one has them.
  learnedNumbers: ({ C, E }) => (C === 2 ? 1 : C) * (E + 1),
});
