/**
 * Gaussian discriminant analysis beside zero-shot CLIP, without training (Wang et al., A Hard-to-Beat Baseline for
 * Training-Free CLIP-based Adaptation, ICLR 2024; main_base2new.py:38-115, main_few_shots.py).
 *
 * Classes are Gaussians of one covariance Σ. With means μ_c, W = Σ⁻¹μ and b = log(1/C) − ½μᵀΣ⁻¹μ:
 * logits = scale·f·T + α·(f·W + b), and α is chosen on validation images. The scale is the model's own; the original has
 * the literal 100, which is that of OpenAI's weights.
 */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "../deps.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import {
  affine,
  countCorrect,
  type FeatureClassifier,
  type FeatureTask,
  repeatLabels,
  toHost,
  toUnitRows,
} from "./feature_method.ts";
import { LEAST_AREA_OF_FEATURE_METHODS } from "../data/views.ts";
import {
  type FeatureSettings,
  templates,
  type TextSettings,
  tuneOn,
  views,
  withFullValidation,
} from "./feature_settings.ts";
import type { FeatureLearning } from "./method.ts";
import { l2Normalize } from "./prompt_method.ts";
import { product } from "./product.ts";

/** The options of {@linkcode learnGda}. */
export interface GdaOptions {
  /**
   * How Σ⁻¹ is estimated: `base-to-new` by the pseudo-inverse of the mean of the classes' covariances, `few-shot` by
   * shrinkage of the covariance of all centred vectors.
   */
  variant: "base-to-new" | "few-shot";
}

/** The published grid of α. */
export const GDA_ALPHAS = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100] as const;

/** Training vectors that stand in for a class without images, and copies of its text feature among them. */
const NEIGHBOURS = 64;
const TEXT_COPIES = 16;
/** Classes whose similarities to all training vectors are in memory at once. */
const CLASSES_AT_ONCE = 64;

/** A linear head: logits of features [N, E] are `F·weights + bias`. */
interface Head {
  weights_EC: Matrix;
  bias_C: number[];
}

/**
 * GDA. New classes are made of the training vectors nearest to their text features and of copies of these.
 *
 * @throws {UserError} When a class has a single feature vector, which has no covariance.
 */
export function learnGda(task: FeatureTask, options: GdaOptions): FeatureClassifier {
  const vectors = toUnitRows(task.train.views_VNE);
  const labels = repeatLabels(task.train.labels, task.train.views_VNE.shape[0]);
  const counts = countPerClass(labels, task.classNames);
  const { means_CE, centred } = classMeans(vectors, { labels, counts });
  const precision = options.variant === "few-shot"
    ? shrunkPrecision(centred, traceOf(centred) / (centred.rows - 1))
    : pseudoInverse(pooledCovariance(centred, { labels, counts }));
  const text_EC = toUnitRows(task.textFeatures_CE).transpose();
  const head = gaussianHead(means_CE, precision);
  const alpha = chooseAlpha(task, { head, text_EC });

  const classifier = (at: { head: Head; text_EC: Matrix }): FeatureClassifier => ({
    chosen: { alpha },
    logits(features_NE) {
      const { gaussian_NC, texts_NC } = parts(toUnitRows(features_NE), { ...at, scale: task.logitScale });
      return toHost(gaussian_NC.mul(alpha).add(texts_NC));
    },
    graph: (ops, features_NE) =>
      affine(ops, l2Normalize(ops, features_NE), {
        weights_EC: Matrix.mul(at.text_EC, task.logitScale).add(Matrix.mul(at.head.weights_EC, alpha)),
        bias_C: at.head.bias_C.map((bias) => alpha * bias),
      }),
    newClasses: options.variant === "few-shot"
      ? { impossible: "the few-shot variant has no rule for classes without images; the base-to-new variant has" }
      : (textFeatures_CE: HostTensor) => {
        const text_CE = toUnitRows(textFeatures_CE);
        return classifier({ head: synthesizedHead(vectors, text_CE), text_EC: text_CE.transpose() });
      },
  });
  return classifier({ head, text_EC });
}

/** What the Gaussians and what the texts give: the same for all α. */
function parts(
  unit_NE: Matrix,
  at: { head: Head; text_EC: Matrix; scale: number },
): { gaussian_NC: Matrix; texts_NC: Matrix } {
  return {
    gaussian_NC: product(unit_NE, at.head.weights_EC).addRowVector(at.head.bias_C),
    texts_NC: product(unit_NE, at.text_EC).mul(at.scale),
  };
}

/** The first α of the grid that no other beats on the validation images. */
function chooseAlpha(task: FeatureTask, at: { head: Head; text_EC: Matrix }): number {
  const { gaussian_NC, texts_NC } = parts(toUnitRows(task.val.features_NE), { ...at, scale: task.logitScale });
  const logits_NC = Matrix.zeros(texts_NC.rows, texts_NC.columns);
  let best = { alpha: 0.1, correct: 0 };
  for (const alpha of GDA_ALPHAS) {
    for (let n = 0; n < logits_NC.rows; n++) {
      for (let c = 0; c < logits_NC.columns; c++) {
        logits_NC.set(n, c, gaussian_NC.get(n, c) * alpha + texts_NC.get(n, c));
      }
    }
    const correct = countCorrect(logits_NC, task.val.labels);
    if (correct > best.correct) best = { alpha, correct };
  }
  return best.alpha;
}

function gaussianHead(means_CE: Matrix, precision_EE: Matrix): Head {
  const weights_EC = product(precision_EE, means_CE, { transposed: "right" });
  const C = means_CE.rows;
  const bias_C = Array.from({ length: C }, (_, c) => {
    let quadratic = 0;
    for (let e = 0; e < means_CE.columns; e++) quadratic += means_CE.get(c, e) * weights_EC.get(e, c);
    return -Math.log(C) - quadratic / 2;
  });
  return { weights_EC, bias_C };
}

function classMeans(
  vectors: Matrix,
  { labels, counts }: { labels: Int32Array; counts: readonly number[] },
): { means_CE: Matrix; centred: Matrix } {
  const means_CE = Matrix.zeros(counts.length, vectors.columns);
  labels.forEach((label, n) => {
    for (let e = 0; e < vectors.columns; e++) {
      means_CE.set(label, e, means_CE.get(label, e) + vectors.get(n, e) / counts[label]);
    }
  });
  const centred = vectors.clone();
  labels.forEach((label, n) => {
    for (let e = 0; e < vectors.columns; e++) centred.set(n, e, vectors.get(n, e) - means_CE.get(label, e));
  });
  return { means_CE, centred };
}

/** The mean of the classes' covariances, each divided by its count less one. */
function pooledCovariance(
  centred: Matrix,
  { labels, counts }: { labels: Int32Array; counts: readonly number[] },
): Matrix {
  const weighted = centred.clone();
  labels.forEach((label, n) => weighted.mulRow(n, 1 / ((counts[label] - 1) * counts.length)));
  return product(centred, weighted, { transposed: "left" });
}

/** The head of classes that have no images: their neighbours among the training vectors, and their text features. */
function synthesizedHead(vectors: Matrix, text_CE: Matrix): Head {
  const [C, E] = [text_CE.rows, text_CE.columns];
  const k = Math.min(NEIGHBOURS, vectors.rows);
  const nearest = nearestVectors(vectors, text_CE, k);
  const means_CE = Matrix.zeros(C, E);
  const precision_EE = Matrix.zeros(E, E);
  for (let c = 0; c < C; c++) {
    const text = text_CE.getRow(c);
    const spread = vectors.subMatrixRow(nearest[c]).subRowVector(text);
    const mean = spread.sum("column").map((sum, e) => text[e] + sum / (k + TEXT_COPIES));
    means_CE.setRow(c, mean);
    precision_EE.add(shrunkPrecision(spread, traceOf(spread) / (k - 1)).mul(1 / C));
  }
  return gaussianHead(means_CE, precision_EE);
}

/** For each text the numbers of the `k` vectors that are nearest to it, nearest first. */
function nearestVectors(vectors: Matrix, text_CE: Matrix, k: number): number[][] {
  const [C, E] = [text_CE.rows, text_CE.columns];
  const found: number[][] = [];
  for (let from = 0; from < C; from += CLASSES_AT_ONCE) {
    const texts = text_CE.subMatrix(from, Math.min(C, from + CLASSES_AT_ONCE) - 1, 0, E - 1);
    const similarities_CN = product(texts, vectors, { transposed: "right" });
    for (let c = 0; c < texts.rows; c++) found.push(largestAt(similarities_CN.getRow(c), k));
  }
  return found;
}

/** Where the largest values are, largest first, and of equals the first. */
function largestAt(values: readonly number[], count: number): number[] {
  const best: number[] = [];
  values.forEach((value, n) => {
    if (best.length === count && value <= values[best[count - 1]]) return;
    let at = best.length;
    while (at > 0 && values[best[at - 1]] < value) at--;
    best.splice(at, 0, n);
    if (best.length > count) best.pop();
  });
  return best;
}

/** `E·(YᵀY + ridge·I)⁻¹`, through the smaller of YᵀY and YYᵀ (Woodbury). */
function shrunkPrecision(rows_NE: Matrix, ridge: number): Matrix {
  const [N, E] = [rows_NE.rows, rows_NE.columns];
  const inverse = (gram: Matrix) =>
    new CholeskyDecomposition(gram.add(Matrix.eye(gram.rows).mul(ridge))).solve(Matrix.eye(gram.rows));
  if (N >= E) return inverse(product(rows_NE, rows_NE, { transposed: "left" })).mul(E);
  const inner = inverse(product(rows_NE, rows_NE, { transposed: "right" }));
  const outer = product(rows_NE, product(inner, rows_NE), { transposed: "left" });
  return Matrix.eye(E).sub(outer).mul(E / ridge);
}

/** The trace of YᵀY. */
function traceOf(rows_NE: Matrix): number {
  let sum = 0;
  for (let n = 0; n < rows_NE.rows; n++) for (let e = 0; e < rows_NE.columns; e++) sum += rows_NE.get(n, e) ** 2;
  return sum;
}

/**
 * The pseudo-inverse of a covariance. Directions below the share `E·2⁻²³` of the largest eigenvalue count as absent:
 * the rule of PyTorch for float32, which the published numbers were made with.
 */
function pseudoInverse(symmetric: Matrix): Matrix {
  const { eigenvectorMatrix: vectors, realEigenvalues: values } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const least = symmetric.rows * 2 ** -23 * values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const scaled = vectors.clone();
  values.forEach((value, i) => scaled.mulColumn(i, Math.abs(value) > least ? 1 / value : 0));
  return product(scaled, vectors, { transposed: "right" });
}

function countPerClass(labels: Int32Array, classNames: readonly string[]): number[] {
  const counts = classNames.map(() => 0);
  labels.forEach((label) => counts[label]++);
  const lonely = counts.findIndex((count) => count < 2);
  if (lonely >= 0) {
    throw new UserError(
      `GDA needs at least 2 feature vectors of class "${classNames[lonely]}" for a covariance and has ` +
        `${counts[lonely]}: use more shots, or several training views with --views 10.`,
    );
  }
  return counts;
}

/**
 * GDA as the kit runs it.
 *
 * Wang et al., A Hard-to-Beat Baseline for Training-Free CLIP-based Adaptation, ICLR 2024
 * (https://arxiv.org/abs/2402.04087).
 */
export const gda: FeatureLearning<FeatureSettings & TextSettings & { views: number }> = withFullValidation({
  name: "gda",
  label: "GDA",
  title: "GDA (Wang et al., ICLR 2024): Gaussian classes beside zero-shot CLIP, without training; evaluates, reports.",
  settings: { templates, tuneOn, views: views(10) },
  presets: {},
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  publishedScale: 100,
  // Trained on half of the classes, it must also tell apart the others; trained on all, it is the paper's few-shot classifier.
  learn: (task, { trainedOn }) => learnGda(task, { variant: trainedOn === "all" ? "few-shot" : "base-to-new" }),
  // W and b, both by formula.
  learnedNumbers: ({ C, E }) => C * (E + 1),
});
