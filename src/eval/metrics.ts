/**
 * What predictions are worth: the numbers of the published evaluator (Dassl, evaluation/evaluator.py), at full precision.
 * Accuracies, errors and F1 are percentages.
 */

/** What an evaluation of one set of classes gives. */
export interface Metrics {
  /** Images evaluated. */
  total: number;
  /** Images whose prediction is their label. */
  correct: number;
  /** 100 · correct / total. */
  accuracy: number;
  /** 100 − accuracy. */
  error: number;
  /** Mean F1 over the classes that have images, in percent; a class that is never right counts 0. */
  macroF1: number;
  /** Mean of the accuracies of the classes that have images, in percent. */
  meanClassAccuracy: number;
  /** Each class by itself, in label order. */
  perClass: ClassMetrics[];
  /** `confusion[label][prediction]` counts images. */
  confusion: number[][];
}

/** One class of an evaluation. */
export interface ClassMetrics {
  /** The class name, as in prompts. */
  name: string;
  /** Images of this class. */
  total: number;
  /** Of these, predicted as this class. */
  correct: number;
  /** 100 · correct / total; null for a class without images. */
  accuracy: number | null;
  /** Harmonic mean of precision and recall, in percent; null for a class without images. */
  f1: number | null;
}

/**
 * Counts what predictions are worth. Macro-F1 is over the labels that occur, as in scikit-learn with
 * `labels=unique(y_true)` and `zero_division=0`.
 *
 * @throws {Error} when the lists differ in length, are empty, or name a class that does not exist
 */
export function evaluatePredictions(
  predictions: ArrayLike<number>,
  options: { labels: ArrayLike<number>; classNames: readonly string[] },
): Metrics {
  const { labels, classNames } = options;
  const confusion = confusionMatrix(predictions, { labels, classes: classNames.length });
  const perClass = classNames.map((name, label): ClassMetrics => {
    const total = sum(confusion[label]);
    const correct = confusion[label][label];
    if (total === 0) return { name, total, correct, accuracy: null, f1: null };
    const predicted = sum(confusion.map((row) => row[label]));
    return { name, total, correct, accuracy: 100 * correct / total, f1: 200 * correct / (total + predicted) };
  });
  const total = predictions.length;
  const correct = sum(perClass.map((one) => one.correct));
  const accuracy = 100 * correct / total;
  return {
    total,
    correct,
    accuracy,
    error: 100 * (total - correct) / total,
    macroF1: mean(perClass.flatMap((one) => one.f1 ?? [])),
    meanClassAccuracy: mean(perClass.flatMap((one) => one.accuracy ?? [])),
    perClass,
    confusion,
  };
}

/** Counts images by true class (row) and predicted class (column). */
function confusionMatrix(
  predictions: ArrayLike<number>,
  options: { labels: ArrayLike<number>; classes: number },
): number[][] {
  const { labels, classes } = options;
  if (predictions.length !== labels.length || labels.length === 0) {
    throw new Error(`There are ${predictions.length} predictions for ${labels.length} labels`);
  }
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) {
    const [label, prediction] = [labels[i], predictions[i]];
    if (!(label in confusion) || !(prediction in confusion)) {
      throw new Error(`Image ${i} has label ${label} and prediction ${prediction}, and there are ${classes} classes`);
    }
    confusion[label][prediction]++;
  }
  return confusion;
}

/**
 * H, the harmonic mean of the base and new accuracies: `2·base·new / (base + new)`, 0 when both are 0.
 *
 * @param base accuracy on the base classes, in percent
 * @param fresh accuracy on the new classes, in percent
 * @returns H in percent (Xian et al., CVPR 2017, as CoCoOp's tables have it)
 *
 * @example
 * ```ts
 * import { harmonicMean } from "@prompt-kit/clip-prompts";
 *
 * if (harmonicMean(90, 45) !== 60 || harmonicMean(0, 0) !== 0) throw new Error("unexpected");
 * ```
 */
export function harmonicMean(base: number, fresh: number): number {
  return base + fresh === 0 ? 0 : 2 * base * fresh / (base + fresh);
}

/** H of two halves; undefined without one of them, or where a half has one class, which is always right. */
export function hOf(base: Metrics | undefined, fresh: Metrics | undefined): number | undefined {
  const isWhole = (half: Metrics | undefined) => half !== undefined && half.perClass.length > 1;
  return isWhole(base) && isWhole(fresh) ? harmonicMean(base!.accuracy, fresh!.accuracy) : undefined;
}

/** The arithmetic mean. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The population standard deviation (divides by n), as the published scripts report it. */
export function populationStd(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
