/**
 * CLIP's residual attention block (openai/CLIP clip/model.py:171-192), forward and pull-back, by hand.
 *
 * Rows come first and sequences second, [L, N, D]: the rows of one head are then the first axis of [L, N, H, d], and
 * ONNX Runtime multiplies such operands in place, without a copy in the order of heads.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows with a query (fewer than `L` in a last block whose
 * other rows are not needed), `X` rows that all sequences share, `K` = X + L keys, `D` width, `H` heads,
 * `d` = D/H numbers of a head, `F` the perceptron's width.
 */
import type { Ops } from "../engine/ops.ts";
import { ACTIVATIONS } from "./activation.ts";
import type { FrozenBlock, FrozenLinear } from "./block_weights.ts";

/** What rows attend to besides their own sequence, and what is masked. */
export interface AttentionContext<T> {
  /** Keys and values that all sequences share, [X, 1, H, d] each: those of the start token. */
  shared?: { keys: T; values: T };
  /** Added to the scores, [N or 1, 1, L, X + L]. */
  mask?: T;
}

/** Rows of a sequence picked by a 0/1 matrix [N or 1, Q, L]. */
export interface BlockOptions<T> extends AttentionContext<T> {
  /** Only these rows come out of the block. */
  pick?: T;
}

/** What a block returns. */
export interface BlockResult<T> {
  /** [Q, N, D] */
  y: T;
  /** Keys and values [L, N, H, d] of this block's own rows. */
  keys: T;
  values: T;
  /**
   * The gradient at the block's input [L, N, D]; with `rows` [N or 1, R, L], a 0/1 matrix with
   * at most one 1 in a row, only at those rows [R, N, D], for a first block most of whose input never changes.
   */
  pullback(dy: T, rows?: T): T;
}

/**
 * The pull-back of `standardize` where the mean of `dy` is 0, as after every map of {@linkcode foldLayerNorm}:
 * `rstd · (dy − y · mean(dy · y))`.
 */
export function centredPullback<T>(ops: Ops<T>, dy: T, at: { normalized: T; rstd: T }): T {
  return ops.mul(at.rstd, ops.sub(dy, ops.mul(at.normalized, ops.mean(ops.mul(dy, at.normalized), -1))));
}

/** [N, L, D] to [L, N, D], and back. */
export function swapped<T>(ops: Ops<T>, x: T): T {
  return ops.transpose(x, [1, 0, 2]);
}

/** Rows of [L, N, D] picked by a 0/1 matrix [N or 1, R, L]: [R, N, D]. */
export function pickRows<T>(ops: Ops<T>, matrix_NRL: T, x_LND: T): T {
  return swapped(ops, ops.matMul(matrix_NRL, swapped(ops, x_LND)));
}

/** The pull-back of {@linkcode pickRows}: rows [R, N, D] put back among `L` rows of zeros, [L, N, D]. */
export function spreadRows<T>(ops: Ops<T>, matrix_NRL: T, x_RND: T): T {
  return swapped(ops, ops.matMul(matrix_NRL, swapped(ops, x_RND), { transposeA: true }));
}

/** Runs a block on `x_LND`; the pull-back keeps the tensors that it needs. */
export function block<T>(ops: Ops<T>, x_LND: T, weights: FrozenBlock, options: BlockOptions<T> = {}): BlockResult<T> {
  const { pick, shared, mask } = options;
  const [L, N] = ops.shape(x_LND);
  const H = weights.heads;
  const d = weights.key.shape[0] / H;
  const { gate, slope } = ACTIVATIONS[weights.activation];
  const linear = (x: T, { weight, bias }: FrozenLinear) => ops.linear(x, weight, bias);
  const split = (x_RND: T) => ops.reshape(x_RND, [ops.shape(x_RND)[0], N, H, d]);
  const toHeads = (x_RNHd: T) => ops.transpose(x_RNHd, [1, 2, 0, 3]);
  const fromHeads = (x_NHRd: T) => {
    const [, heads, R] = ops.shape(x_NHRd);
    return ops.reshape(ops.transpose(x_NHRd, [2, 0, 1, 3]), [R, N, heads * d]);
  };

  function pickedMask(rows: T): T {
    if (pick === undefined) return rows;
    const [n, asking, all] = ops.shape(pick);
    return ops.matMul(ops.reshape(pick, [n, 1, asking, all]), rows);
  }

  const first = ops.standardize(x_LND, weights.epsilon);
  const picked_QND = pick === undefined ? first.normalized : pickRows(ops, pick, first.normalized);
  const keys = split(ops.linear(first.normalized, weights.key));
  const values = split(ops.linear(first.normalized, weights.value));
  const X = shared === undefined ? 0 : ops.shape(shared.keys)[0];
  const afterShared = (rows: T, first: T) => ops.concat([ops.broadcastTo(first, [X, N, H, d]), rows], 0);
  const q_NHQd = toHeads(split(linear(picked_QND, weights.query)));
  const k_NHKd = toHeads(shared === undefined ? keys : afterShared(keys, shared.keys));
  const v_NHKd = toHeads(shared === undefined ? values : afterShared(values, shared.values));
  const scores_NHQK = ops.matMul(q_NHQd, k_NHKd, { transposeB: true });
  const p_NHQK = ops.softmax(mask === undefined ? scores_NHQK : ops.add(scores_NHQK, pickedMask(mask)));
  const attended_QND = fromHeads(ops.matMul(p_NHQK, v_NHKd));
  const residual_QND = pick === undefined ? x_LND : pickRows(ops, pick, x_LND);
  const middle_QND = ops.add(residual_QND, linear(attended_QND, weights.out));

  const second = ops.standardize(middle_QND, weights.epsilon);
  // The activation's factor is in the maps before and after.
  const z_QNF = linear(second.normalized, weights.up);
  const gate_QNF = gate(ops, z_QNF);
  const active_QNF = ops.mul(z_QNF, gate_QNF);
  const y_QND = ops.add(middle_QND, linear(active_QNF, weights.down));

  function pullback(dy_QND: T, rows?: T): T {
    const slope_QNF = slope(ops, { z: z_QNF, gate: gate_QNF, active: active_QNF });
    const dz_QNF = ops.mul(ops.linearPullback(dy_QND, weights.down.weight), slope_QNF);
    const dMiddle_QND = ops.add(dy_QND, centredPullback(ops, ops.linearPullback(dz_QNF, weights.up.weight), second));
    const dAttended_NHQd = toHeads(split(ops.linearPullback(dMiddle_QND, weights.out.weight)));
    const dP_NHQK = ops.matMul(dAttended_NHQd, v_NHKd, { transposeB: true });
    const along_NHQ1 = ops.sum(ops.mul(dP_NHQK, p_NHQK), -1);
    const dScores_NHQK = ops.mul(p_NHQK, ops.sub(dP_NHQK, along_NHQ1));
    const dq_NHQd = ops.matMul(dScores_NHQK, k_NHKd);
    // The shared keys never change: their columns are left out before the products, not after.
    const notShared = (x_NHQK: T) => {
      const shape = ops.shape(x_NHQK);
      return X === 0 ? x_NHQK : ops.slice(x_NHQK, [0, 0, 0, X], [...shape.slice(0, 3), L]);
    };
    const dk_NHLd = ops.matMul(notShared(dScores_NHQK), q_NHQd, { transposeA: true });
    const dv_NHLd = ops.matMul(notShared(p_NHQK), dAttended_NHQd, { transposeA: true });
    const wanted = (x: T) => rows === undefined ? x : pickRows(ops, rows, x);
    // From the rows with a query back to all rows, and on to the ones that are asked for.
    const spread = (x: T) => wanted(pick === undefined ? x : spreadRows(ops, pick, x));
    const together = (...heads: T[]) => wanted(fromHeads(ops.concat(heads, 1)));
    const dFirst = pick === undefined
      ? ops.linearPullback(together(dq_NHQd, dk_NHLd, dv_NHLd), weights.queryKeyValue)
      : ops.add(
        spread(ops.linearPullback(fromHeads(dq_NHQd), weights.query.weight)),
        ops.linearPullback(together(dk_NHLd, dv_NHLd), weights.keyValue),
      );

    return ops.add(
      spread(dMiddle_QND),
      centredPullback(ops, dFirst, { normalized: wanted(first.normalized), rstd: wanted(first.rstd) }),
    );
  }

  return { y: y_QND, keys, values, pullback };
}
