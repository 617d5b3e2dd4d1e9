/**
 * What a method on frozen features is: a function from few-shot features to a classifier, without the text tower.
 *
 * Image features are given as the image tower makes them; each method divides by their length where its paper does.
 *
 * Shapes: `N` images, `V` augmented views, `C` classes, `E` embedding.
 */
import { Matrix } from "../deps.ts";
import type { HostTensor, Ops } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { divergence } from "../optim/divergence.ts";

/** Images as features, with the class of each. */
export interface LabelledFeatures {
  /** Not normalised. */
  features_NE: HostTensor;
  /** Counted from 0 in the order of the class names. */
  labels: Int32Array;
}

/** What a method learns from. */
export interface FeatureTask {
  /** The C classes in the order of the labels. */
  classNames: readonly string[];
  /** The factor of the cosines. */
  logitScale: number;
  /** Zero-shot text features, L2-normalised. */
  textFeatures_CE: HostTensor;
  /** The few-shot images: the test transform in `features_NE`, augmented in `views_VNE`. Neither is normalised. */
  train: LabelledFeatures & { views_VNE: HostTensor };
  /** What hyper-parameters are chosen on: the few-shot validation images, or, as in some publications, all of them. */
  val: LabelledFeatures;
  /** Decides everything random. */
  seed: number;
}

/** What a method learned. */
export interface FeatureClassifier {
  /** What was chosen on the validation images. */
  readonly chosen: Readonly<Record<string, number>>;
  /** Logits [N, C] of image features [N, E], which need not be normalised. */
  logits(features_NE: HostTensor): HostTensor;
  /**
   * The same logits as a function of an engine's tensors, for models that other programs run; left out where they are
   * scaled cosines with {@linkcode FeatureClassifier.texts_CE}, or where there is no such function.
   */
  graph?<T>(ops: Ops<T>, features_NE: T): T;
  /** Unit text features, where the logits are the scaled cosines of the image with them and nothing else. */
  readonly texts_CE?: HostTensor;
  /** A classifier of classes without training images from their zero-shot text features, or why there is none. */
  readonly newClasses: ((textFeatures_CE: HostTensor) => FeatureClassifier) | { readonly impossible: string };
}

/** Rows as they are, in float64. */
export function toMatrix(x: HostTensor): Matrix {
  const columns = x.shape[x.shape.length - 1];
  const rows = x.data.length / columns;
  const out = Matrix.zeros(rows, columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out.set(r, c, x.data[r * columns + c]);
  }
  return out;
}

/** Rows divided by their lengths, in float64; leading axes are counted as rows. */
export function toUnitRows(x: HostTensor): Matrix {
  return unitRowsOf(toMatrix(x));
}

/** Divides each row by its length, in place. */
export function unitRowsOf(matrix: Matrix): Matrix {
  for (let r = 0; r < matrix.rows; r++) {
    let squares = 0;
    for (let c = 0; c < matrix.columns; c++) squares += matrix.get(r, c) ** 2;
    matrix.mulRow(r, 1 / Math.sqrt(squares));
  }
  return matrix;
}

/** Back to float32. */
export function toHost(matrix: Matrix): HostTensor {
  const { rows, columns } = matrix;
  const data = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) data[r * columns + c] = matrix.get(r, c);
  }
  return { shape: [rows, columns], data };
}

/** `x·A + b` of rows [N, E], in a graph. */
export function affine<T>(ops: Ops<T>, x_NE: T, at: { weights_EC: Matrix; bias_C?: readonly number[] }): T {
  const product = ops.matMul(x_NE, ops.constant(toHost(at.weights_EC)));
  if (at.bias_C === undefined) return product;
  return ops.add(product, ops.constant({ shape: [at.bias_C.length], data: Float32Array.from(at.bias_C) }));
}

/** The column of the largest number in a row; the first of equals. */
export function argmaxRow(matrix: Matrix, row: number): number {
  let best = 0;
  for (let c = 1; c < matrix.columns; c++) if (matrix.get(row, c) > matrix.get(row, best)) best = c;
  return best;
}

/** How many rows have their largest logit at their label. */
export function countCorrect(logits_NC: Matrix, labels: Int32Array): number {
  let correct = 0;
  for (let n = 0; n < labels.length; n++) if (argmaxRow(logits_NC, n) === labels[n]) correct++;
  return correct;
}

/** Softmax of each row less the one-hot label: the gradient of the summed cross-entropy at the logits. */
export function crossEntropyGradient(logits_NC: Matrix, labels: Int32Array): { loss: number; gradient_NC: Matrix } {
  const { rows, columns } = logits_NC;
  const gradient_NC = Matrix.zeros(rows, columns);
  const powers_C = new Float64Array(columns);
  let loss = 0;
  for (let n = 0; n < rows; n++) {
    let top = -Infinity;
    for (let c = 0; c < columns; c++) top = Math.max(top, logits_NC.get(n, c));
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += powers_C[c] = Math.exp(logits_NC.get(n, c) - top);
    for (let c = 0; c < columns; c++) gradient_NC.set(n, c, powers_C[c] / sum - (c === labels[n] ? 1 : 0));
    loss += top + Math.log(sum) - logits_NC.get(n, labels[n]);
  }
  return { loss, gradient_NC };
}

/**
 * Refuses what a step made of learned numbers when nothing can be computed from it.
 *
 * @throws {UserError} when one is not finite, or too large
 */
export function requireSound(
  learned: Record<string, ArrayLike<number>>,
  { label, epoch }: { label: string; epoch: number },
): void {
  for (const [name, values] of Object.entries(learned)) {
    const fault = divergence(values);
    if (fault === undefined) continue;
    throw new UserError(
      `Training of ${label} stopped in epoch ${epoch}: what it learned (${name}) ${fault}: lower the learning rate with --lr.`,
    );
  }
}

/** Labels of `V` views of the same images, one view after the other. */
export function repeatLabels(labels: Int32Array, views: number): Int32Array {
  return Int32Array.from({ length: labels.length * views }, (_, i) => labels[i % labels.length]);
}

/** View `index` of [V, N, E], as [N, E]; counts round. */
export function viewOf(views_VNE: HostTensor, index: number): HostTensor {
  const [V, N, E] = views_VNE.shape;
  const at = (index % V) * N * E;
  return { shape: [N, E], data: views_VNE.data.subarray(at, at + N * E) };
}
