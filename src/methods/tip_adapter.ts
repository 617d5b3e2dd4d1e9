/**
 * Tip-Adapter: a cache of few-shot features beside zero-shot CLIP, as it stands or with keys that are tuned
 * (Zhang et al., ECCV 2022; Tip-Adapter main.py, utils.py).
 *
 * logits = scale·f·T + α·exp(−β(1 − f·K))·onehot. The keys K are the means of each image's augmented views, normalised.
 * The scale is the model's own; the original has the literal 100, which is that of OpenAI's weights.
 * Unlike the original, which reports the best epoch on the test set, the tuned keys are those of the epoch that does best
 * on the validation images, the first of equals as there.
 *
 * Shapes: `K` keys (the training images), others as in `feature_method.ts`.
 */
import { Matrix } from "../deps.ts";
import { namedStream } from "../data/random.ts";
import type { HostTensor } from "../engine/ops.ts";
import { adamStep } from "../optim/adam.ts";
import {
  affine,
  countCorrect,
  crossEntropyGradient,
  type FeatureClassifier,
  type FeatureTask,
  requireSound,
  toHost,
  toMatrix,
  toUnitRows,
  unitRowsOf,
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
import { decimal, wholeNumber } from "./setting.ts";

/** Why there is no classifier of classes without training images. */
const NO_KEYS = "the cache has no keys of classes without training images, so this would be zero-shot CLIP";

/** The options of {@linkcode learnTipAdapter}; the defaults are those published for EuroSAT. */
export interface TipAdapterOptions {
  /** β is searched from 0.1 up to below this, α likewise. */
  searchScale?: { beta: number; alpha: number };
  /** How many values of each are tried. */
  searchSteps?: { beta: number; alpha: number };
}

/** The options of {@linkcode learnTipAdapterF}. */
export interface TipAdapterFOptions extends TipAdapterOptions {
  /** Passes over the training images; published: 100 for EuroSAT, 20 for others. */
  epochs?: number;
  /** Images a step; 256 when left out. */
  batchSize?: number;
  /** Learning rate that the cosine starts from; 0.001 when left out. */
  lr?: number;
  /** The sharpness and weight that the keys are tuned with. */
  initial?: { beta: number; alpha: number };
}

/** Sharpness β and weight α of the cache. */
interface Mix {
  beta: number;
  alpha: number;
}

interface Cache {
  keys_KE: Matrix;
  labels: Int32Array;
  text_CE: Matrix;
  scale: number;
}

/** Tip-Adapter without training. */
export function learnTipAdapter(task: FeatureTask, options: TipAdapterOptions = {}): FeatureClassifier {
  const cache = cacheOf(task);
  return classifier(cache, searchMix(cache, task, options));
}

/** Tip-Adapter-F: the keys are tuned by AdamW with a cosine over all steps, then α and β are searched again. */
export function learnTipAdapterF(task: FeatureTask, options: TipAdapterFOptions = {}): FeatureClassifier {
  const cache = cacheOf(task);
  const { keys_KE, epoch } = tuneKeys(cache, task, options);
  const tuned = { ...cache, keys_KE };
  return classifier(tuned, { ...searchMix(tuned, task, options), epoch });
}

function classifier(cache: Cache, chosen: Mix & { epoch?: number }): FeatureClassifier {
  return {
    chosen: { ...chosen },
    logits: (features_NE) => toHost(tipLogits(cache, toUnitRows(features_NE), chosen)),
    graph(ops, features_NE) {
      const unit_NE = l2Normalize(ops, features_NE);
      const zeroShot_NC = affine(ops, unit_NE, { weights_EC: cache.text_CE.transpose().mul(cache.scale) });
      const affinities_NK = affine(ops, unit_NE, { weights_EC: cache.keys_KE.transpose() });
      const weights_NK = ops.exp(ops.scale(ops.shift(affinities_NK, -1), chosen.beta));
      const votes_KC = Matrix.zeros(cache.labels.length, cache.text_CE.rows);
      cache.labels.forEach((label, k) => votes_KC.set(k, label, chosen.alpha));
      return ops.add(zeroShot_NC, affine(ops, weights_NK, { weights_EC: votes_KC }));
    },
    newClasses: { impossible: NO_KEYS },
  };
}

function cacheOf(task: FeatureTask): Cache {
  const [V, N, E] = task.train.views_VNE.shape;
  const mean: HostTensor = { shape: [N, E], data: new Float32Array(N * E) };
  const keys_KE = toMatrix(mean);
  for (let v = 0; v < V; v++) keys_KE.add(toMatrix(viewOf(task.train.views_VNE, v)));
  return {
    keys_KE: unitRowsOf(keys_KE),
    labels: task.train.labels,
    text_CE: toUnitRows(task.textFeatures_CE),
    scale: task.logitScale,
  };
}

function affinities(cache: Cache, unit_NE: Matrix): Matrix {
  return product(unit_NE, cache.keys_KE, { transposed: "right" });
}

function zeroShotLogits(cache: Cache, unit_NE: Matrix): Matrix {
  return product(unit_NE, cache.text_CE, { transposed: "right" }).mul(cache.scale);
}

function tipLogits(cache: Cache, unit_NE: Matrix, { beta, alpha }: Mix): Matrix {
  const logits_NC = zeroShotLogits(cache, unit_NE);
  const affinities_NK = affinities(cache, unit_NE);
  for (let n = 0; n < logits_NC.rows; n++) {
    cache.labels.forEach((label, k) => {
      const weight = alpha * Math.exp(-beta * (1 - affinities_NK.get(n, k)));
      logits_NC.set(n, label, logits_NC.get(n, label) + weight);
    });
  }
  return logits_NC;
}

/** The grid `0.1 + i·(scale − 0.1)/steps`, i = 0 … steps − 1, as published. */
function grid(scale: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => 0.1 + i * (scale - 0.1) / steps);
}

/** The first pair, β by β, that no other beats on the validation images. */
function searchMix(cache: Cache, task: FeatureTask, options: TipAdapterOptions): Mix {
  const { searchScale = { beta: 12, alpha: 10 }, searchSteps = { beta: 200, alpha: 20 } } = options;
  const betas = grid(searchScale.beta, searchSteps.beta);
  const alphas = grid(searchScale.alpha, searchSteps.alpha);
  const unit_NE = toUnitRows(task.val.features_NE);
  const zeroShot_NC = zeroShotLogits(cache, unit_NE);
  const affinities_NK = affinities(cache, unit_NE);
  const C = cache.text_CE.rows;
  const K = cache.labels.length;
  const correct = new Int32Array(betas.length * alphas.length);
  const weights_K = new Float64Array(K);
  const ratios_K = new Float64Array(K);
  const sums_C = new Float64Array(C);
  for (let n = 0; n < unit_NE.rows; n++) {
    // The β are evenly spaced: each key's weight is the former one times a ratio, 200 products for one exponential.
    for (let k = 0; k < K; k++) {
      const distance = 1 - affinities_NK.get(n, k);
      weights_K[k] = Math.exp(-betas[0] * distance);
      ratios_K[k] = betas.length > 1 ? Math.exp(-(betas[1] - betas[0]) * distance) : 1;
    }
    const zeroShot_C = zeroShot_NC.getRow(n);
    for (let b = 0; b < betas.length; b++) {
      sums_C.fill(0);
      for (let k = 0; k < K; k++) {
        sums_C[cache.labels[k]] += weights_K[k];
        weights_K[k] *= ratios_K[k];
      }
      for (let a = 0; a < alphas.length; a++) {
        let best = 0;
        let top = -Infinity;
        for (let c = 0; c < C; c++) {
          const logit = zeroShot_C[c] + alphas[a] * sums_C[c];
          if (logit > top) [top, best] = [logit, c];
        }
        if (best === task.val.labels[n]) correct[b * alphas.length + a]++;
      }
    }
  }
  const found = correct.reduce((best, count, i) => count > correct[best] ? i : best, 0);
  return { beta: betas[Math.floor(found / alphas.length)], alpha: alphas[found % alphas.length] };
}

function tuneKeys(
  cache: Cache,
  task: FeatureTask,
  options: TipAdapterFOptions,
): { keys_KE: Matrix; epoch: number } {
  const { epochs = 100, batchSize = 256, lr = 1e-3, initial = { beta: 1, alpha: 2 } } = options;
  const [V, N] = task.train.views_VNE.shape;
  const [K, E] = [cache.keys_KE.rows, cache.keys_KE.columns];
  const views = Array.from({ length: V }, (_, v) => toUnitRows(viewOf(task.train.views_VNE, v)));
  const validation_NE = toUnitRows(task.val.features_NE);
  const random = namedStream(task.seed, "batch-order");
  const adamw = { first: {}, second: {}, epsilon: 1e-4, weightDecay: 0.01, decoupled: true };
  let steps = 0;
  const total = epochs * Math.ceil(N / batchSize);
  const keys = Float64Array.from(cache.keys_KE.to1DArray());
  let best = { keys_KE: cache.keys_KE, epoch: 0, correct: -1 };

  for (let epoch = 1; epoch <= epochs; epoch++) {
    const order = Array.from({ length: N }, (_, n) => n);
    random.shuffle(order);
    for (let from = 0; from < N; from += batchSize) {
      const batch = order.slice(from, from + batchSize);
      const now = { ...cache, keys_KE: Matrix.from1DArray(K, E, keys) };
      const gradient = keysGradient(now, {
        unit_NE: views[(epoch - 1) % V].subMatrixRow(batch),
        labels: Int32Array.from(batch, (n) => task.train.labels[n]),
        mix: initial,
      });
      const learningRate = lr * (1 + Math.cos(Math.PI * steps / total)) / 2;
      adamStep({ keys }, { keys: Float64Array.from(gradient.to1DArray()) }, { ...adamw, learningRate, steps });
      steps++;
    }
    requireSound({ keys }, { label: "Tip-Adapter-F", epoch });
    const keys_KE = Matrix.from1DArray(K, E, keys);
    const correct = countCorrect(tipLogits({ ...cache, keys_KE }, validation_NE, initial), task.val.labels);
    // The first of equals, as published: later epochs that tie on few validation images fit the training images closer.
    if (correct > best.correct) best = { keys_KE, epoch, correct };
  }
  return best;
}

/** The gradient of the mean cross-entropy at the keys: `dA_nk = α·β·exp(−β(1 − a_nk))·dlogits[n, label_k]`, `dK = dAᵀF`. */
function keysGradient(cache: Cache, batch: { unit_NE: Matrix; labels: Int32Array; mix: Mix }): Matrix {
  const { unit_NE, labels, mix: { beta, alpha } } = batch;
  const { gradient_NC } = crossEntropyGradient(tipLogits(cache, unit_NE, batch.mix), labels);
  const gradient_NK = affinities(cache, unit_NE);
  for (let n = 0; n < gradient_NK.rows; n++) {
    cache.labels.forEach((label, k) => {
      const slope = alpha * beta * Math.exp(-beta * (1 - gradient_NK.get(n, k)));
      gradient_NK.set(n, k, slope * gradient_NC.get(n, label) / unit_NE.rows);
    });
  }
  return product(gradient_NK, unit_NE, { transposed: "left" });
}

/**
 * Tip-Adapter as the kit runs it.
 *
 * Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, ECCV 2022
 * (https://arxiv.org/abs/2207.09519).
 */
export const tipAdapter: FeatureLearning<FeatureSettings & TextSettings & { views: number }> = withFullValidation({
  name: "tip-adapter",
  label: "Tip-Adapter",
  title: "Tip-Adapter (Zhang et al., ECCV 2022): a cache of few-shot features beside zero-shot CLIP, without training.",
  // The keys of the cache are means of ten augmented views.
  settings: { templates, tuneOn, views: views(10) },
  presets: {},
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  publishedScale: 100,
  noNewClasses: NO_KEYS,
  learn: (task) => learnTipAdapter(task),
  learnedNumbers: () => 0,
});

/** Tip-Adapter-F as the kit runs it: {@linkcode tipAdapter} with keys that are tuned. */
export const tipAdapterF: FeatureLearning<
  FeatureSettings & TextSettings & { views: number; epochs: number; batchSize: number; lr: number }
> = withFullValidation({
  name: "tip-adapter-f",
  label: "Tip-Adapter-F",
  title: "Tip-Adapter-F (Zhang et al., ECCV 2022): a cache of few-shot features with tuned keys beside zero-shot CLIP.",
  settings: {
    templates,
    tuneOn,
    views: views(10),
    epochs: wholeNumber({ help: "passes over the training images", default: 100, least: 1, most: MOST_EPOCHS }),
    batchSize: wholeNumber({ help: "images a step", default: 256, least: 1 }),
    lr: decimal({ help: "learning rate that the cosine starts from", default: 0.001 }),
  },
  presets: {},
  leastArea: LEAST_AREA_OF_FEATURE_METHODS,
  publishedScale: 100,
  noNewClasses: NO_KEYS,
  learn: (task, { settings: { epochs, batchSize, lr } }) => learnTipAdapterF(task, { epochs, batchSize, lr }),
  // The keys, one for each image.
  learnedNumbers: ({ N, E }) => N * E,
});
