/**
 * CLIP's residual attention block (openai/CLIP clip/model.py:171-192), forward and pull-back, by hand.
 *
 * Rows come first and sequences second, [L, N, D]: the rows of one head are then the first axis of [L, N, H, d], and
 * ONNX Runtime multiplies such operands in place, without a copy in the order of heads.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows with a query (fewer than `L` in a block whose
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

/** Neighbouring rows of every sequence. */
export interface RowRange {
  from: number;
  count: number;
}

/** Which rows come out of a block: all of them where neither is given. */
export interface BlockOptions<T> extends AttentionContext<T> {
  /** Only these, picked by a 0/1 matrix [N or 1, Q, L]. */
  pick?: T;
  /** All but these, which only give keys and values: no query of theirs is computed, and nothing after it. */
  leave?: RowRange;
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
  /** The gradient at the rows that {@linkcode BlockOptions.leave} names alone, [count, N, D]. */
  pullbackToLeft(dy: T): T;
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

/** A range of an axis. */
export function rangeOf<T>(ops: Ops<T>, x: T, { from, count }: RowRange, axis = 0): T {
  const shape = ops.shape(x);
  return ops.slice(x, shape.map((_, i) => i === axis ? from : 0), shape.with(axis, count));
}

/** An axis without a range of it. */
export function withoutRange<T>(ops: Ops<T>, x: T, { from, count }: RowRange, axis = 0): T {
  const after = from + count;
  const rest = [{ from: 0, count: from }, { from: after, count: ops.shape(x)[axis] - after }];
  return ops.concat(rest.filter(({ count }) => count > 0).map((range) => rangeOf(ops, x, range, axis)), axis);
}

/** The pull-back of {@linkcode withoutRange}, with `part` in the place of what was left out; zeros when absent. */
export function withRange<T>(ops: Ops<T>, x: T, { from, count }: RowRange, { axis = 0, part }: {
  axis?: number;
  part?: T;
} = {}): T {
  const shape = ops.shape(x);
  const zero = () => ops.constant({ shape: shape.map(() => 1), data: new Float32Array(1) });
  const parts = [
    ...from > 0 ? [rangeOf(ops, x, { from: 0, count: from }, axis)] : [],
    part ?? ops.broadcastTo(zero(), shape.with(axis, count)),
    ...from < shape[axis] ? [rangeOf(ops, x, { from, count: shape[axis] - from }, axis)] : [],
  ];
  return ops.concat(parts, axis);
}

/** Runs a block on `x_LND`; the pull-back keeps the tensors that it needs. */
export function block<T>(ops: Ops<T>, x_LND: T, weights: FrozenBlock, options: BlockOptions<T> = {}): BlockResult<T> {
  const { pick, leave, shared, mask } = options;
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

  function askingMask(mask_N1LK: T): T {
    if (leave !== undefined) return withoutRange(ops, mask_N1LK, leave, 2);
    if (pick === undefined) return mask_N1LK;
    const [n, asking, all] = ops.shape(pick);
    return ops.matMul(ops.reshape(pick, [n, 1, asking, all]), mask_N1LK);
  }
  /** The rows that have a query. */
  function askingRows(x_LND: T): T {
    if (leave !== undefined) return withoutRange(ops, x_LND, leave);
    return pick === undefined ? x_LND : pickRows(ops, pick, x_LND);
  }

  const first = ops.standardize(x_LND, weights.epsilon);
  const asking_QND = askingRows(first.normalized);
  const keys = split(ops.linear(first.normalized, weights.key));
  const values = split(ops.linear(first.normalized, weights.value));
  const X = shared === undefined ? 0 : ops.shape(shared.keys)[0];
  const afterShared = (rows: T, first: T) => ops.concat([ops.broadcastTo(first, [X, N, H, d]), rows], 0);
  const q_NHQd = toHeads(split(linear(asking_QND, weights.query)));
  const k_NHKd = toHeads(shared === undefined ? keys : afterShared(keys, shared.keys));
  const v_NHKd = toHeads(shared === undefined ? values : afterShared(values, shared.values));
  const scores_NHQK = ops.matMul(q_NHQd, k_NHKd, { transposeB: true });
  const p_NHQK = ops.softmax(mask === undefined ? scores_NHQK : ops.add(scores_NHQK, askingMask(mask)));
  const attended_QND = fromHeads(ops.matMul(p_NHQK, v_NHKd));
  const middle_QND = ops.add(askingRows(x_LND), linear(attended_QND, weights.out));

  const second = ops.standardize(middle_QND, weights.epsilon);
  // The activation's factor is in the maps before and after.
  const z_QNF = linear(second.normalized, weights.up);
  const gate_QNF = gate(ops, z_QNF);
  const active_QNF = ops.mul(z_QNF, gate_QNF);
  const y_QND = ops.add(middle_QND, linear(active_QNF, weights.down));

  /** The way back as far as the scores. */
  function toScores(dy_QND: T) {
    const slope_QNF = slope(ops, { z: z_QNF, gate: gate_QNF, active: active_QNF });
    const dz_QNF = ops.mul(ops.linearPullback(dy_QND, weights.down.weight), slope_QNF);
    const dMiddle_QND = ops.add(dy_QND, centredPullback(ops, ops.linearPullback(dz_QNF, weights.up.weight), second));
    const dAttended_NHQd = toHeads(split(ops.linearPullback(dMiddle_QND, weights.out.weight)));
    const dP_NHQK = ops.matMul(dAttended_NHQd, v_NHKd, { transposeB: true });
    const along_NHQ1 = ops.sum(ops.mul(dP_NHQK, p_NHQK), -1);
    const dScores_NHQK = ops.mul(p_NHQK, ops.sub(dP_NHQK, along_NHQ1));
    return { dMiddle_QND, dAttended_NHQd, dScores_NHQK };
  }
  /** The gradients at keys and values, of columns of the scores that are no shared keys. */
  function toKeysAndValues({ dAttended_NHQd, dScores_NHQK }: ReturnType<typeof toScores>, columns: RowRange): T[] {
    // The columns of others are left out before the products, not after.
    const some = (x_NHQK: T) => rangeOf(ops, x_NHQK, { from: X + columns.from, count: columns.count }, 3);
    return [
      ops.matMul(some(dScores_NHQK), q_NHQd, { transposeA: true }),
      ops.matMul(some(p_NHQK), dAttended_NHQd, { transposeA: true }),
    ];
  }

  function pullback(dy_QND: T, rows?: T): T {
    const back = toScores(dy_QND);
    const dq_NHQd = ops.matMul(back.dScores_NHQK, k_NHKd);
    const [dk_NHLd, dv_NHLd] = toKeysAndValues(back, { from: 0, count: L });
    const wanted = (x: T) => rows === undefined ? x : pickRows(ops, rows, x);
    // From the rows with a query back to all rows, and on to the ones that are asked for.
    const spread = (x: T) => {
      if (leave !== undefined) return wanted(withRange(ops, x, leave));
      return wanted(pick === undefined ? x : spreadRows(ops, pick, x));
    };
    const together = (...heads: T[]) => wanted(fromHeads(ops.concat(heads, 1)));
    const allQueries = leave === undefined ? dq_NHQd : withRange(ops, dq_NHQd, leave, { axis: 2 });
    const dFirst = pick === undefined
      ? ops.linearPullback(together(allQueries, dk_NHLd, dv_NHLd), weights.queryKeyValue)
      : ops.add(
        spread(ops.linearPullback(fromHeads(dq_NHQd), weights.query.weight)),
        ops.linearPullback(together(dk_NHLd, dv_NHLd), weights.keyValue),
      );

    return ops.add(
      spread(back.dMiddle_QND),
      centredPullback(ops, dFirst, { normalized: wanted(first.normalized), rstd: wanted(first.rstd) }),
    );
  }

  function pullbackToLeft(dy_QND: T): T {
    const heads = toKeysAndValues(toScores(dy_QND), leave!);
    const dFirst = ops.linearPullback(fromHeads(ops.concat(heads, 1)), weights.keyValue);
    return centredPullback(ops, dFirst, {
      normalized: rangeOf(ops, first.normalized, leave!),
      rstd: rangeOf(ops, first.rstd, leave!),
    });
  }

  return { y: y_QND, keys, values, pullback, pullbackToLeft };
}
