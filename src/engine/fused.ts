/**
 * What engines may do in one kernel: LayerNorm, SiLU and attention, each with its pull-back.
 *
 * Where an engine has {@linkcode Ops.kernels}, these call them; elsewhere the same is composed of the algebra's other
 * operations, which a graph's optimiser or a tape sees one by one.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows with a query, `X` rows that all sequences share, `K` = X + L
 * keys, `D` width, `H` heads, `d` = D/H numbers of a head.
 */
import type { AttentionRows, Columns, Frozen, Ops, RowRange } from "./ops.ts";
import { rangeOf, withRange } from "./rows.ts";

/** How a row's pull-back is wanted. */
interface RowPullback<T> {
  /** The mean of `dy` is 0, as after every map with centred rows. */
  centred?: boolean;
  /** Added to the result. */
  plus?: T;
  /** `dy` is of these rows only. */
  rows?: (x: T) => T;
}

/** LayerNorm without scale and shift. */
export interface Standardized<T> {
  normalized: T;
  pullback(dy: T, options?: RowPullback<T>): T;
}

/** `(x − mean) / √(variance + epsilon)` over the last axis. */
export function standardized<T>(ops: Ops<T>, x: T, epsilon: number): Standardized<T> {
  const { kernels } = ops;
  if (kernels !== undefined) {
    return {
      normalized: kernels.standardize(x, epsilon),
      pullback: (dy, { plus, rows = (x: T) => x } = {}) =>
        kernels.standardizePullback(dy, { x: rows(x), epsilon, plus }),
    };
  }
  const at = ops.standardize(x, epsilon);
  return {
    normalized: at.normalized,
    pullback(dy, { centred = false, plus, rows = (x: T) => x } = {}) {
      const dx = (centred ? centredPullback : standardizePullback)(ops, dy, {
        normalized: rows(at.normalized),
        rstd: rows(at.rstd),
      });
      return plus === undefined ? dx : ops.add(plus, dx);
    },
  };
}

/** The pull-back of {@linkcode Ops.standardize}: `rstd · (dy − mean(dy) − y · mean(dy · y))`. */
export function standardizePullback<T>(ops: Ops<T>, dy: T, at: { normalized: T; rstd: T }): T {
  const alongMean = ops.mul(at.normalized, ops.mean(ops.mul(dy, at.normalized), -1));
  return ops.mul(at.rstd, ops.sub(ops.sub(dy, ops.mean(dy, -1)), alongMean));
}

/** The same where the mean of `dy` is 0. */
function centredPullback<T>(ops: Ops<T>, dy: T, at: { normalized: T; rstd: T }): T {
  return ops.mul(at.rstd, ops.sub(dy, ops.mul(at.normalized, ops.mean(ops.mul(dy, at.normalized), -1))));
}

/** An activation and its pull-back. */
export interface Activated<T> {
  y: T;
  pullback(dy: T): T;
}

/** `z · σ(z)`. */
export function silu<T>(ops: Ops<T>, z: T): Activated<T> {
  const { kernels } = ops;
  if (kernels !== undefined) return { y: kernels.silu(z), pullback: (dy) => kernels.siluPullback(dy, z) };
  const gate = ops.sigmoid(z);
  const y = ops.mul(z, gate);
  // g + z·g·(1 − g)
  return { y, pullback: (dy) => ops.mul(dy, ops.add(gate, ops.sub(y, ops.mul(y, gate)))) };
}

/** A linear map with frozen weights: [out, in], and [out] where it has a bias. */
export interface LinearMap {
  weight: Frozen;
  bias?: Frozen;
}

/** Maps of the same rows, and `whole`, all of them below each other: one product where products are started one by one. */
export function project<T>(ops: Ops<T>, x: T, maps: { parts: readonly LinearMap[]; whole: LinearMap }): Columns<T>[] {
  if (ops.kernels === undefined) {
    return maps.parts.map(({ weight, bias }) => ({ of: ops.linear(x, weight, bias), from: 0, count: weight.shape[0] }));
  }
  const of = ops.linear(x, maps.whole.weight, maps.whole.bias);
  let from = 0;
  return maps.parts.map(({ weight: { shape: [count] } }) => ({ of, from: (from += count) - count, count }));
}

/** The columns as a tensor of their own. */
export function columnsOf<T>(ops: Ops<T>, { of, from, count }: Columns<T>): T {
  const { length } = ops.shape(of);
  return ops.shape(of)[length - 1] === count ? of : rangeOf(ops, of, { from, count }, length - 1);
}

/** What attention gives. */
export interface Attention<T> {
  /** [Q, N, D] */
  attended: T;
  pullback(dAttended: T): {
    /** At the queries of the asking rows, [Q, N, D]. */
    query(): T;
    /** At keys and values of a range of the rows, or of all, [rows, N, 2·D]. */
    keyValue(range?: RowRange): T;
    /** At all three of all rows, [L, N, 3·D]: zero where a row has no query. */
    queryKeyValue(): T;
  };
}

/** `softmax(Q·Kᵀ + mask) · V`, head by head. `leave` are the rows without a query, where those are a range. */
export function attention<T>(ops: Ops<T>, rows: AttentionRows<T>, leave?: RowRange): Attention<T> {
  const { kernels } = ops;
  const [L] = ops.shape(rows.key.of);
  const X = rows.shared === undefined ? 0 : ops.shape(rows.shared.keys)[0];
  if (kernels === undefined || X + L > kernels.maxKeys) return composedAttention(ops, rows, leave);
  return {
    attended: kernels.attention(rows),
    pullback(dAttended) {
      const at = { scores: kernels.attentionScores(rows, dAttended), dAttended };
      return {
        query: () => kernels.attentionPullback(rows, { ...at, parts: "query" }),
        keyValue: (range) => kernels.attentionPullback(rows, { ...at, parts: "keyValue", range }),
        queryKeyValue: () => kernels.attentionPullback(rows, { ...at, parts: "queryKeyValue", leave }),
      };
    },
  };
}

function composedAttention<T>(ops: Ops<T>, rows: AttentionRows<T>, leave: RowRange | undefined): Attention<T> {
  const { heads: H, shared, mask } = rows;
  const [query, key, value] = [rows.query, rows.key, rows.value].map((columns) => columnsOf(ops, columns));
  const [L, N, D] = ops.shape(key);
  const split = (x_RND: T) => ops.reshape(x_RND, [ops.shape(x_RND)[0], N, H, D / H]);
  const toHeads = (x_RNHd: T) => ops.transpose(x_RNHd, [1, 2, 0, 3]);
  const fromHeads = (x_NHRd: T) => {
    const [, heads, R, d] = ops.shape(x_NHRd);
    return ops.reshape(ops.transpose(x_NHRd, [2, 0, 1, 3]), [R, N, heads * d]);
  };
  const X = shared === undefined ? 0 : ops.shape(shared.keys)[0];
  const afterShared = (rows: T, first: T | undefined) =>
    first === undefined ? split(rows) : ops.concat([ops.broadcastTo(first, [X, N, H, D / H]), split(rows)], 0);
  const q_NHQd = toHeads(split(query));
  const k_NHKd = toHeads(afterShared(key, shared?.keys));
  const v_NHKd = toHeads(afterShared(value, shared?.values));
  const scores_NHQK = ops.matMul(q_NHQd, k_NHKd, { transposeB: true });
  const p_NHQK = ops.softmax(mask === undefined ? scores_NHQK : ops.add(scores_NHQK, mask));

  return {
    attended: fromHeads(ops.matMul(p_NHQK, v_NHKd)),
    pullback(dAttended) {
      const dAttended_NHQd = toHeads(split(dAttended));
      const dP_NHQK = ops.matMul(dAttended_NHQd, v_NHKd, { transposeB: true });
      const along_NHQ1 = ops.sum(ops.mul(dP_NHQK, p_NHQK), -1);
      const dScores_NHQK = ops.mul(p_NHQK, ops.sub(dP_NHQK, along_NHQ1));
      const toQueries = () => ops.matMul(dScores_NHQK, k_NHKd);
      const toKeysAndValues = ({ from, count }: RowRange) => {
        // The columns of others are left out before the products, not after.
        const some = (x_NHQK: T) => rangeOf(ops, x_NHQK, { from: X + from, count }, 3);
        return [
          ops.matMul(some(dScores_NHQK), q_NHQd, { transposeA: true }),
          ops.matMul(some(p_NHQK), dAttended_NHQd, { transposeA: true }),
        ];
      };
      const together = (heads: T[]) => fromHeads(ops.concat(heads, 1));
      return {
        query: () => fromHeads(toQueries()),
        keyValue: (range = { from: 0, count: L }) => together(toKeysAndValues(range)),
        queryKeyValue() {
          const dq = leave === undefined ? toQueries() : withRange(ops, toQueries(), leave, { axis: 2 });
          return together([dq, ...toKeysAndValues({ from: 0, count: L })]);
        },
      };
    },
  };
}
