/**
 * LP++: a linear probe that blends each class's visual weights with its text feature (Huang et al., CVPR 2024;
 * FewShot-CLIP-Strong-Baseline methods/linear_probe_p2.py).
 *
 * logits_c = f·w_c + b_c + α_c·(f·t_c). Step sizes come from the data: 4N/λ_max(FᵀF) for w, N/(4·max_c Σ(f·t_c)²) for α,
 * and no learning rate is tuned. The epoch is the last of those that do best on the validation images.
 *
 * The original never clears the gradient of α, so its steps add up all former gradients; here, as in its `alphaGradient`
 * option's default, a step takes the present gradient.
 */
import { EigenvalueDecomposition, Matrix } from "../deps.ts";
import { namedStream } from "../data/random.ts";
import {
  affine,
  countCorrect,
  crossEntropyGradient,
  type FeatureClassifier,
  type FeatureTask,
  toHost,
  toUnitRows,
  viewOf,
} from "./feature_method.ts";
import { LEAST_AREA_OF_FEATURE_METHODS } from "../data/views.ts";
import {
  type FeatureSettings,
  MOST_EPOCHS,
  templates,
  type TextSettings,
  tuneOn,
  views,
  withFullValidation,
} from "./feature_settings.ts";
import type { FeatureLearning } from "./method.ts";
import { l2Normalize } from "./prompt_method.ts";
import { product } from "./product.ts";
import { wholeNumber } from "./setting.ts";

/** Why there is no classifier of classes without training images. */
const NO_WEIGHTS = "its visual weights are learned from images of each class";

/** The options of {@linkcode learnLpPlusPlus}. */
export interface LpPlusPlusOptions {
  /** Full-batch steps; 300 when left out, as published. */
  epochs?: number;
  /** `present` takes the gradient of the step; `accumulated` sums those of all former steps, as the published code does. */
  alphaGradient?: "present" | "accumulated";
}

/** What LP++ learns. */
export interface LpHead {
  weights_CE: Matrix;
  bias_C: number[];
  alpha_C: number[];
}

const MOMENTUM = 0.9;
/** α moves once in so many epochs. */
const ALPHA_EVERY = 10;
/** α starts at this many times the mean cosine of images and texts. */
const ALPHA_START = 250;

/** LP++ on the first augmented view of each image. */
export function learnLpPlusPlus(task: FeatureTask, options: LpPlusPlusOptions = {}): FeatureClassifier {
  const random = namedStream(task.seed, "lp-plus-plus-bias");
  const bound = 1 / Math.sqrt(task.textFeatures_CE.shape[1]);
  const bias_C = task.classNames.map(() => random.uniform(-bound, bound));
  const { head, epoch } = fitLpPlusPlus(task, { ...options, bias_C });
  const text_CE = toUnitRows(task.textFeatures_CE);
  return {
    chosen: { epoch, alpha: head.alpha_C.reduce((sum, a) => sum + a, 0) / head.alpha_C.length },
    logits: (features_NE) => toHost(lpLogits(head, toUnitRows(features_NE), text_CE)),
    graph: (ops, features_NE) =>
      affine(ops, l2Normalize(ops, features_NE), {
        weights_EC: text_CE.transpose().mulRowVector(head.alpha_C).add(head.weights_CE.transpose()),
        bias_C: head.bias_C,
      }),
    newClasses: { impossible: NO_WEIGHTS },
  };
}

/** LP++ from a given bias. */
export function fitLpPlusPlus(
  task: FeatureTask,
  options: LpPlusPlusOptions & { bias_C: number[] },
): { head: LpHead; epoch: number } {
  const { epochs = 300, alphaGradient = "present" } = options;
  const { labels } = task.train;
  const unit_NE = toUnitRows(viewOf(task.train.views_VNE, 0));
  const validation_NE = toUnitRows(task.val.features_NE);
  const text_CE = toUnitRows(task.textFeatures_CE);
  const cosines_NC = product(unit_NE, text_CE, { transposed: "right" });
  const ofValidation_NC = product(validation_NE, text_CE, { transposed: "right" });
  const [N, C] = [cosines_NC.rows, cosines_NC.columns];
  const rates = stepSizes(unit_NE, cosines_NC);

  let head: LpHead = {
    weights_CE: classSums(unit_NE, labels, C),
    bias_C: options.bias_C,
    alpha_C: new Array<number>(C).fill(startAlpha(cosines_NC, labels)),
  };
  let weightVelocity = Matrix.zeros(C, text_CE.columns);
  let biasVelocity = new Array<number>(C).fill(0);
  let alphaSlope = new Array<number>(C).fill(0);
  let best = { head, epoch: 0, correct: -1 };

  for (let epoch = 1; epoch <= epochs; epoch++) {
    const { gradient_NC } = crossEntropyGradient(headLogits(head, unit_NE, cosines_NC), labels);
    gradient_NC.mul(1 / N);
    const present = columnProducts(gradient_NC, cosines_NC);
    alphaSlope = alphaGradient === "present" ? present : alphaSlope.map((sum, c) => sum + present[c]);
    weightVelocity = weightVelocity.mul(MOMENTUM).add(product(gradient_NC, unit_NE, { transposed: "left" }));
    const biasSlope = gradient_NC.sum("column");
    biasVelocity = biasVelocity.map((v, c) => MOMENTUM * v + biasSlope[c]);
    const moves = epoch % ALPHA_EVERY === 0;
    head = {
      weights_CE: Matrix.sub(head.weights_CE, Matrix.mul(weightVelocity, rates.weights)),
      bias_C: head.bias_C.map((b, c) => b - rates.weights * biasVelocity[c]),
      alpha_C: moves ? head.alpha_C.map((a, c) => a - rates.alpha * alphaSlope[c]) : head.alpha_C,
    };
    const correct = countCorrect(headLogits(head, validation_NE, ofValidation_NC), task.val.labels);
    if (correct >= best.correct) best = { head, epoch, correct };
  }
  return best;
}

/** Logits [N, C] of normalised features. */
export function lpLogits(head: LpHead, unit_NE: Matrix, text_CE: Matrix): Matrix {
  return headLogits(head, unit_NE, product(unit_NE, text_CE, { transposed: "right" }));
}

/** The same from the cosines of features and texts, which no step changes. */
function headLogits(head: LpHead, unit_NE: Matrix, cosines_NC: Matrix): Matrix {
  const logits_NC = product(unit_NE, head.weights_CE, { transposed: "right" });
  for (let n = 0; n < logits_NC.rows; n++) {
    for (let c = 0; c < logits_NC.columns; c++) {
      const text = cosines_NC.get(n, c) * head.alpha_C[c];
      logits_NC.set(n, c, logits_NC.get(n, c) + head.bias_C[c] + text);
    }
  }
  return logits_NC;
}

/** The sum of each column of `a ∘ b`. */
function columnProducts(a: Matrix, b: Matrix): number[] {
  const sums = new Array<number>(a.columns).fill(0);
  for (let r = 0; r < a.rows; r++) {
    for (let c = 0; c < a.columns; c++) sums[c] += a.get(r, c) * b.get(r, c);
  }
  return sums;
}

function stepSizes(unit_NE: Matrix, cosines_NC: Matrix): { weights: number; alpha: number } {
  const N = unit_NE.rows;
  // FᵀF and FFᵀ share their largest eigenvalue; the smaller is the quicker.
  const gram = product(unit_NE, unit_NE, { transposed: N < unit_NE.columns ? "right" : "left" });
  const { realEigenvalues } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const largest = realEigenvalues.reduce((a, b) => Math.max(a, b));
  return { weights: 4 * N / largest, alpha: N / (4 * Math.max(...columnProducts(cosines_NC, cosines_NC))) };
}

/** The sum of each class's features, with which its weights start. */
function classSums(unit_NE: Matrix, labels: Int32Array, classes: number): Matrix {
  const sums = Matrix.zeros(classes, unit_NE.columns);
  labels.forEach((label, n) => {
    for (let e = 0; e < unit_NE.columns; e++) sums.set(label, e, sums.get(label, e) + unit_NE.get(n, e));
  });
  return sums;
}

/** 250 times the mean over classes of the mean cosine of their images with their text. */
function startAlpha(cosines_NC: Matrix, labels: Int32Array): number {
  const C = cosines_NC.columns;
  const counts = new Array<number>(C).fill(0);
  labels.forEach((label) => counts[label]++);
  let mean = 0;
  labels.forEach((label, n) => mean += cosines_NC.get(n, label) / counts[label] / C);
  return ALPHA_START * mean;
}

/**
 * LP++ as the kit runs it.
 *
 * Huang et al., LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, CVPR 2024 (https://arxiv.org/abs/2404.02285).
 */
export const lpPlusPlus: FeatureLearning<FeatureSettings & TextSettings & { views: number; epochs: number }> =
  withFullValidation({
    name: "lp++",
    label: "LP++",
    title: "LP++ (Huang et al., CVPR 2024): a linear probe blended with the class names' features; evaluates, reports.",
    settings: {
      templates,
      tuneOn,
      // It learns from one augmented view of each image.
      views: views(1),
      epochs: wholeNumber({ help: "passes over the training images", default: 300, least: 1, most: MOST_EPOCHS }),
    },
    presets: {},
    leastArea: LEAST_AREA_OF_FEATURE_METHODS,
    noNewClasses: NO_WEIGHTS,
    learn: (task, { settings: { epochs } }) => learnLpPlusPlus(task, { epochs }),
    // Visual weights, a bias and a blend for each class.
    learnedNumbers: ({ C, E }) => C * (E + 2),
  });
