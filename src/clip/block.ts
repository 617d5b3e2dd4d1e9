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
import { attention, columnsOf, project, standardized } from "../engine/fused.ts";
import type { Columns, Ops, RowRange } from "../engine/ops.ts";
import { pickRows, rangeOf, spreadRows, withoutRange, withRange } from "../engine/rows.ts";
import { ACTIVATIONS } from "./activation.ts";
import type { FrozenBlock, FrozenLinear } from "./block_weights.ts";

/** What rows attend to besides their own sequence, and what is masked. */
export interface AttentionContext<T> {
  /** Keys and values that all sequences share, [X, 1, H, d] each: those of the start token. */
  shared?: { keys: T; values: T };
  /** Added to the scores, [N or 1, 1, L, X + L]. */
  mask?: T;
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
  keys(): T;
  values(): T;
  /**
   * The gradient at the block's input [L, N, D]; with `rows` [N or 1, R, L], a 0/1 matrix with
   * at most one 1 in a row, only at those rows [R, N, D], for a first block most of whose input never changes.
   */
  pullback(dy: T, rows?: T): T;
  /** The gradient at the rows that {@linkcode BlockOptions.leave} names alone, [count, N, D]. */
  pullbackToLeft(dy: T): T;
}

/** Runs a block on `x_LND`; the pull-back keeps the tensors that it needs. */
export function block<T>(ops: Ops<T>, x_LND: T, weights: FrozenBlock, options: BlockOptions<T> = {}): BlockResult<T> {
  const { pick, leave, shared, mask } = options;
  const { heads, epsilon, query, queryKeyValue } = weights;
  const [L, N, D] = ops.shape(x_LND);
  const linear = (x: T, { weight, bias }: FrozenLinear) => ops.linear(x, weight, bias);

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

  const first = standardized(ops, x_LND, epsilon);
  const keyValue = { parts: [{ weight: weights.key }, { weight: weights.value }], whole: { weight: weights.keyValue } };
  const [queries, keys, values] = pick === undefined && leave === undefined
    ? project(ops, first.normalized, { parts: [query, ...keyValue.parts], whole: queryKeyValue })
    : [
      ...project(ops, askingRows(first.normalized), { parts: [query], whole: query }),
      ...project(ops, first.normalized, keyValue),
    ];
  const attending = attention(ops, {
    query: queries,
    key: keys,
    value: values,
    heads,
    shared,
    mask: mask && askingMask(mask),
  }, leave);
  const middle_QND = ops.add(askingRows(x_LND), linear(attending.attended, weights.out));

  const second = standardized(ops, middle_QND, epsilon);
  // The activation's factor is in the maps before and after.
  const active = ACTIVATIONS[weights.activation].activate(ops, linear(second.normalized, weights.up));
  const y_QND = ops.add(middle_QND, linear(active.y, weights.down));

  /** The way back as far as the scores. */
  function toScores(dy_QND: T) {
    const dz_QNF = active.pullback(ops.linearPullback(dy_QND, weights.down.weight));
    const dMiddle_QND = second.pullback(ops.linearPullback(dz_QNF, weights.up.weight), { centred: true, plus: dy_QND });
    return { dMiddle_QND, attending: attending.pullback(ops.linearPullback(dMiddle_QND, weights.out.weight)) };
  }

  function pullback(dy_QND: T, rows?: T): T {
    const back = toScores(dy_QND);
    const wanted = (x: T) => rows === undefined ? x : pickRows(ops, rows, x);
    // From the rows with a query back to all rows, and on to the ones that are asked for.
    const spread = (x: T) => {
      if (leave !== undefined) return wanted(withRange(ops, x, leave));
      return wanted(pick === undefined ? x : spreadRows(ops, pick, x));
    };
    const dFirst = pick === undefined
      ? ops.linearPullback(wanted(back.attending.queryKeyValue()), queryKeyValue.weight)
      : ops.add(
        spread(ops.linearPullback(back.attending.query(), query.weight)),
        ops.linearPullback(wanted(back.attending.keyValue()), weights.keyValue),
      );
    return first.pullback(dFirst, { centred: true, plus: spread(back.dMiddle_QND), rows: wanted });
  }

  function pullbackToLeft(dy_QND: T): T {
    const heads = toScores(dy_QND).attending.keyValue(leave!);
    return first.pullback(ops.linearPullback(heads, weights.keyValue), {
      centred: true,
      rows: (x) => rangeOf(ops, x, leave!),
    });
  }

  const split = (columns: Columns<T>) => ops.reshape(columnsOf(ops, columns), [L, N, heads, D / heads]);
  return { y: y_QND, keys: () => split(keys), values: () => split(values), pullback, pullbackToLeft };
}
