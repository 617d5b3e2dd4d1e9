/**
 * CLIP-Adapter: a small network on the image feature, blended with it (Gao et al., IJCV 2024; CLIP-Adapter clip_adapter.py).
 *
 * z = r·relu(W₂·relu(W₁·f)) + (1−r)·f for the image feature f as the tower gives it; logits = scale·z/‖z‖·T.
 * Trained as CoOp is: SGD, momentum 0.9, cosine with one warm-up epoch. The residual ratio r, searched for each data set in
 * the paper, is chosen on the validation images. As only images are adapted, classes without images need nothing more.
 *
 * Shapes: `B` images of a batch, `H` hidden, others as in `feature_method.ts`.
 */
import { Matrix } from "../deps.ts";
import { namedStream } from "../data/random.ts";
import type { HostTensor } from "../engine/ops.ts";
import { epochBatches } from "../optim/batch_order.ts";
import { learningRate } from "../optim/schedule.ts";
import { type Parameter, sgdStep } from "../optim/sgd.ts";
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
  viewOf,
} from "./feature_method.ts";
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
import { epochsByShots } from "./prompt_settings.ts";
import { decimal, wholeNumber } from "./setting.ts";

/** The options of {@linkcode learnClipAdapter}. */
export interface ClipAdapterOptions {
  /** Residual ratios to choose from; the published code has 0.2 alone. */
  ratios?: readonly number[];
  /** Passes over the training images; by the number of shots when left out: 200 from 8, 100 from 2, 50 with one. */
  epochs?: number;
  /** Images a step; 32 when left out. */
  batchSize?: number;
  /** Learning rate that the cosine starts from; 0.002 when left out. */
  lr?: number;
}

/** The adapter's parameters: [H, E] and [E, H], no biases. */
export type AdapterWeights = Record<"down_HE" | "up_EH", Parameter>;

/** The hidden width is the embedding's divided by this. */
const REDUCTION = 4;

/** CLIP-Adapter. */
export function learnClipAdapter(task: FeatureTask, options: ClipAdapterOptions = {}): FeatureClassifier {
  const { ratios = [0.2, 0.4, 0.6, 0.8] } = options;
  const validation_NE = toMatrix(task.val.features_NE);
  const text_EC = toUnitRows(task.textFeatures_CE).transpose();
  let best: { weights: AdapterWeights; ratio: number; correct: number } | undefined;
  for (const ratio of ratios) {
    const weights = initialWeights(task);
    trainAdapter(weights, task, { ...options, ratio });
    const logits_NC = product(adapt(validation_NE, { weights, ratio }).unit_BE, text_EC);
    const correct = countCorrect(logits_NC, task.val.labels);
    if (best === undefined || correct > best.correct) best = { weights, ratio, correct };
  }
  const { weights, ratio } = best!;
  const classifier = (textFeatures_CE: HostTensor): FeatureClassifier => ({
    chosen: { ratio },
    logits(features_NE) {
      const { unit_BE } = adapt(toMatrix(features_NE), { weights, ratio });
      return toHost(product(unit_BE, toUnitRows(textFeatures_CE), { transposed: "right" }).mul(task.logitScale));
    },
    graph(ops, features_NE) {
      const map = (x: typeof features_NE, { shape, data }: Parameter) =>
        ops.relu(ops.matMul(x, ops.constant({ shape, data }), { transposeB: true }));
      const out_NE = map(map(features_NE, weights.down_HE), weights.up_EH);
      const blend_NE = ops.add(ops.scale(out_NE, ratio), ops.scale(features_NE, 1 - ratio));
      const weights_EC = toUnitRows(textFeatures_CE).transpose().mul(task.logitScale);
      return affine(ops, l2Normalize(ops, blend_NE), { weights_EC });
    },
    newClasses: classifier,
  });
  return classifier(task.textFeatures_CE);
}

/** PyTorch's start of linear maps: uniform within ±1/√in. */
function initialWeights(task: FeatureTask): AdapterWeights {
  const E = task.textFeatures_CE.shape[1];
  const H = Math.floor(E / REDUCTION);
  const random = namedStream(task.seed, "adapter-init");
  const draw = (rows: number, columns: number): Parameter => {
    const bound = 1 / Math.sqrt(columns);
    return {
      shape: [rows, columns],
      data: Float32Array.from({ length: rows * columns }, () => random.uniform(-bound, bound)),
    };
  };
  return { down_HE: draw(H, E), up_EH: draw(E, H) };
}

/** Trains in place; as CoOp, 200 epochs with 8 shots or more, 100 with 2 to 7, 50 with one. */
export function trainAdapter(
  weights: AdapterWeights,
  task: FeatureTask,
  options: ClipAdapterOptions & { ratio: number },
): void {
  const shots = task.train.labels.length / task.classNames.length;
  const { epochs = epochsByShots(shots), batchSize = 32, lr = 0.002, ratio } = options;
  const schedule = { rate: lr, epochs, warmupEpochs: 1, warmupRate: 1e-5 };
  const random = namedStream(task.seed, "batch-order");
  const [V, N] = task.train.views_VNE.shape;
  const views = Array.from({ length: V }, (_, v) => toMatrix(viewOf(task.train.views_VNE, v)));
  const text_EC = toUnitRows(task.textFeatures_CE).transpose();
  const velocity = {};
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const batch of epochBatches(N, { batchSize, random })) {
      const gradients = adapterGradients(weights, {
        features_BE: views[(epoch - 1) % V].subMatrixRow(batch),
        labels: Int32Array.from(batch, (n) => task.train.labels[n]),
        text_EC,
        scale: task.logitScale,
        ratio,
      });
      sgdStep(weights, gradients, {
        learningRate: learningRate(epoch, schedule),
        momentum: 0.9,
        weightDecay: 5e-4,
        velocity,
      });
    }
    requireSound({ down: weights.down_HE.data, up: weights.up_EH.data }, { label: "CLIP-Adapter", epoch });
  }
}

interface Adapted {
  hidden_BH: Matrix;
  out_BE: Matrix;
  unit_BE: Matrix;
  /** 1/‖z‖ of each row. */
  inverse_B: number[];
}

function adapt(features_BE: Matrix, at: { weights: AdapterWeights; ratio: number }): Adapted {
  const [down, up] = [toMatrix(at.weights.down_HE), toMatrix(at.weights.up_EH)];
  const hidden_BH = relu(product(features_BE, down, { transposed: "right" }));
  const out_BE = relu(product(hidden_BH, up, { transposed: "right" }));
  const unit_BE = Matrix.mul(out_BE, at.ratio).add(Matrix.mul(features_BE, 1 - at.ratio));
  const inverse_B = Matrix.mul(unit_BE, unit_BE).sum("row").map((squares) => 1 / Math.sqrt(squares));
  return { hidden_BH, out_BE, unit_BE: unit_BE.mulColumnVector(inverse_B), inverse_B };
}

/** Gradients of the mean cross-entropy: `dz = (du − u(u·du))/‖z‖`, then back through the two maps. */
function adapterGradients(
  weights: AdapterWeights,
  batch: { features_BE: Matrix; labels: Int32Array; text_EC: Matrix; scale: number; ratio: number },
): Record<keyof AdapterWeights, Float32Array> {
  const { features_BE, labels, text_EC, scale, ratio } = batch;
  const { hidden_BH, out_BE, unit_BE, inverse_B } = adapt(features_BE, { weights, ratio });
  const { gradient_NC } = crossEntropyGradient(product(unit_BE, text_EC).mul(scale), labels);
  const dUnit_BE = product(gradient_NC, text_EC, { transposed: "right" }).mul(scale / features_BE.rows);
  const along_B = Matrix.mul(dUnit_BE, unit_BE).sum("row");
  const dBlend_BE = dUnit_BE.sub(unit_BE.clone().mulColumnVector(along_B)).mulColumnVector(inverse_B);
  const dOut_BE = where(dBlend_BE.mul(ratio), out_BE);
  const dHidden_BH = where(product(dOut_BE, toMatrix(weights.up_EH)), hidden_BH);
  return {
    down_HE: toHost(product(dHidden_BH, features_BE, { transposed: "left" })).data,
    up_EH: toHost(product(dOut_BE, hidden_BH, { transposed: "left" })).data,
  };
}

/** In place. */
function relu(x: Matrix): Matrix {
  return where(x, x);
}

/** `x` where `gate` is positive, else 0; in place. */
function where(x: Matrix, gate: Matrix): Matrix {
  for (let r = 0; r < x.rows; r++) {
    for (let c = 0; c < x.columns; c++) if (!(gate.get(r, c) > 0)) x.set(r, c, 0);
  }
  return x;
}

/**
 * CLIP-Adapter as the kit runs it.
 *
 * Gao et al., CLIP-Adapter: Better Vision-Language Models with Feature Adapters, IJCV 2024
 * (https://arxiv.org/abs/2110.04544).
 */
export const clipAdapter: FeatureLearning<
  FeatureSettings & TextSettings & { views: number; epochs: number; batchSize: number; lr: number }
> = withFullValidation({
  name: "clip-adapter",
  label: "CLIP-Adapter",
  title:
    "CLIP-Adapter (Gao et al., IJCV 2024): a small network on image features, blended with them; evaluates, reports.",
  // Trained as CoOp is: epochs by shots, batches of 32.
  settings: {
    templates,
    tuneOn,
    views: views(10),
    epochs: wholeNumber({
      help: "passes over the training images",
      default: epochsByShots,
      least: 1,
      most: MOST_EPOCHS,
    }),
    batchSize: wholeNumber({ help: "images a step", default: 32, least: 1 }),
    lr: decimal({ help: "learning rate that the cosine starts from", default: 0.002 }),
  },
  presets: {},
  learn: (task, { settings: { epochs, batchSize, lr } }) => learnClipAdapter(task, { epochs, batchSize, lr }),
  // Two maps without bias, to a quarter of the embedding and back.
  learnedNumbers: ({ E }) => 2 * E * Math.floor(E / REDUCTION),
});
