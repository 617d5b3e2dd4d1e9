/**
 * CLIP's residual attention block (openai/CLIP clip/model.py:171-192), forward and pull-back, by hand.
 *
 * The weights are frozen, so three things are folded into them once (exact algebra, differences of rounding only): the
 * scale and shift of each LayerNorm go into the linear map behind it, and 1/√64 goes into the query map.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows that ask (fewer than `L` in a last block whose other rows
 * nobody reads), `K` keys, `D` width, `H` heads, `F` = 4·D.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";
import { standardizePullback } from "../engine/tape.ts";

/** LayerNorm's epsilon in CLIP. */
export const LAYER_NORM_EPSILON = 1e-5;

/** Every head of every CLIP is 64 wide. */
export const HEAD_WIDTH = 64;

/** A linear map with frozen weights. */
export interface FrozenLinear {
  /** [out, in] */
  weight: Frozen;
  /** [out] */
  bias: Frozen;
}

/** The frozen maps of one block, LayerNorms folded in. */
export interface FrozenBlock {
  /** H, each 64 wide. */
  heads: number;
  /** Rows to queries, divided by √64: [D, D]. */
  query: FrozenLinear;
  /** Rows to keys and values: [2·D, D]. */
  keyValue: FrozenLinear;
  /** Heads to the residual stream: [D, D]. */
  out: FrozenLinear;
  /** Into the perceptron: [F, D]. */
  up: FrozenLinear;
  /** Out of it: [D, F]. */
  down: FrozenLinear;
}

/** What rows attend to beyond the rows of their own sequence, and what they must not see. */
export interface AttentionContext<T> {
  /** Keys and values that all sequences share, [1, H, X, 64] each: those of the start token. */
  shared?: { keys: T; values: T };
  /** Added to the scores, [N or 1, 1, L, X + L]. */
  mask?: T;
}

/** Rows of a sequence picked by a 0/1 matrix [N or 1, Q, L]. */
export interface BlockOptions<T> extends AttentionContext<T> {
  /** Only these rows come out of the block. */
  pick?: T;
}

/** What a block gives back. */
export interface BlockResult<T> {
  /** [N, Q, D] */
  y: T;
  /** Keys and values [N, H, K, 64] of this block's own rows. */
  keys: T;
  values: T;
  /**
   * The gradient at the block's input [N, L, D]; with `rows` [N or 1, R, L], a 0/1 matrix with
   * at most one 1 in a row, only at those rows [N, R, D], for a first block most of whose input never changes.
   */
  pullback(dy: T, rows?: T): T;
}

/** `W·diag(scale)` and `W·shift + b`, both times `factor`: a LayerNorm's affine part folded into what follows it. */
export function foldLayerNorm(
  linear: { weight: HostTensor; bias?: HostTensor },
  norm: { scale: Float32Array; shift: Float32Array; factor?: number },
): { weight: HostTensor; bias: HostTensor } {
  const [out, width] = linear.weight.shape;
  const factor = norm.factor ?? 1;
  const weight = new Float32Array(out * width);
  const bias = new Float32Array(out);
  for (let o = 0; o < out; o++) {
    let sum = linear.bias === undefined ? 0 : linear.bias.data[o];
    for (let i = 0; i < width; i++) {
      const w = linear.weight.data[o * width + i];
      weight[o * width + i] = w * norm.scale[i] * factor;
      sum += w * norm.shift[i];
    }
    bias[o] = sum * factor;
  }
  return { weight: { shape: [out, width], data: weight }, bias: { shape: [out], data: bias } };
}

/** Freezes the maps of the block whose tensors begin with `prefix`, e.g. `transformer.resblocks.0`. */
export function freezeBlock(engine: Engine, tensor: (name: string) => HostTensor, prefix: string): FrozenBlock {
  const read = (name: string) => tensor(`${prefix}.${name}`);
  const width = read("ln_1.weight").data.length;
  const rows = (t: HostTensor, from: number, to: number): HostTensor => {
    const stride = t.data.length / t.shape[0];
    return { shape: [to - from, ...t.shape.slice(1)], data: t.data.subarray(from * stride, to * stride) };
  };
  const freeze = (name: string, { weight, bias }: { weight: HostTensor; bias: HostTensor }): FrozenLinear => ({
    weight: engine.freeze(`${prefix}.${name}.weight`, weight),
    bias: engine.freeze(`${prefix}.${name}.bias`, bias),
  });
  const [inWeight, inBias] = [read("attn.in_proj_weight"), read("attn.in_proj_bias")];
  const ln1 = { scale: read("ln_1.weight").data, shift: read("ln_1.bias").data };
  const ln2 = { scale: read("ln_2.weight").data, shift: read("ln_2.bias").data };
  const part = (from: number, to: number) => ({
    weight: rows(inWeight, from * width, to * width),
    bias: rows(inBias, from * width, to * width),
  });
  return {
    heads: width / HEAD_WIDTH,
    query: freeze("query", foldLayerNorm(part(0, 1), { ...ln1, factor: 1 / Math.sqrt(HEAD_WIDTH) })),
    keyValue: freeze("key_value", foldLayerNorm(part(1, 3), ln1)),
    out: freeze("out", { weight: read("attn.out_proj.weight"), bias: read("attn.out_proj.bias") }),
    up: freeze("up", foldLayerNorm({ weight: read("mlp.c_fc.weight"), bias: read("mlp.c_fc.bias") }, ln2)),
    down: freeze("down", { weight: read("mlp.c_proj.weight"), bias: read("mlp.c_proj.bias") }),
  };
}

/** Runs a block on `x_NLD`; the pull-back holds on to what it needs. */
export function block<T>(ops: Ops<T>, x_NLD: T, weights: FrozenBlock, options: BlockOptions<T> = {}): BlockResult<T> {
  const { pick, shared, mask } = options;
  const [N, L, D] = ops.shape(x_NLD);
  const H = weights.heads;
  const linear = (x: T, { weight, bias }: FrozenLinear) => ops.linear(x, weight, bias);
  const toHeads = (x: T, rows: number) => ops.transpose(ops.reshape(x, [N, rows, H, HEAD_WIDTH]), [0, 2, 1, 3]);
  const fromHeads = (x: T, rows: number) => ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [N, rows, D]);
  const last = (x: T, from: number, size: number) => {
    const shape = ops.shape(x);
    const begin = shape.map(() => 0);
    begin[shape.length - 1] = from;
    return ops.slice(x, begin, [...shape.slice(0, -1), size]);
  };

  function pickedMask(rows: T): T {
    if (pick === undefined) return rows;
    const [n, asking, all] = ops.shape(pick);
    return ops.matMul(ops.reshape(pick, [n, 1, asking, all]), rows);
  }

  const first = ops.standardize(x_NLD, LAYER_NORM_EPSILON);
  const picked_NQD = pick === undefined ? first.normalized : ops.matMul(pick, first.normalized);
  const Q = ops.shape(picked_NQD)[1];
  const q_NHQd = toHeads(linear(picked_NQD, weights.query), Q);
  const keyValue = linear(first.normalized, weights.keyValue);
  const keys = toHeads(last(keyValue, 0, D), L);
  const values = toHeads(last(keyValue, D, D), L);
  const X = shared === undefined ? 0 : ops.shape(shared.keys)[2];
  const joined = (own: T, others: T) => ops.concat([ops.broadcastTo(others, [N, H, X, HEAD_WIDTH]), own], 2);
  const k_NHKd = shared === undefined ? keys : joined(keys, shared.keys);
  const v_NHKd = shared === undefined ? values : joined(values, shared.values);
  const scores_NHQK = ops.matMul(q_NHQd, k_NHKd, { transposeB: true });
  const p_NHQK = ops.softmax(mask === undefined ? scores_NHQK : ops.add(scores_NHQK, pickedMask(mask)));
  const attended_NQD = fromHeads(ops.matMul(p_NHQK, v_NHKd), Q);
  const residual_NQD = pick === undefined ? x_NLD : ops.matMul(pick, x_NLD);
  const middle_NQD = ops.add(residual_NQD, linear(attended_NQD, weights.out));

  const second = ops.standardize(middle_NQD, LAYER_NORM_EPSILON);
  const z_NQF = linear(second.normalized, weights.up);
  const gate_NQF = ops.sigmoid(ops.scale(z_NQF, 1.702));
  const active_NQF = ops.mul(z_NQF, gate_NQF);
  const y_NQD = ops.add(middle_NQD, linear(active_NQF, weights.down));

  function pullback(dy_NQD: T, rows?: T): T {
    // d QuickGELU(z)/dz = g + 1.702·z·g·(1 − g), with z·g already at hand.
    const slope_NQF = ops.add(
      gate_NQF,
      ops.scale(ops.sub(active_NQF, ops.mul(active_NQF, gate_NQF)), 1.702),
    );
    const dz_NQF = ops.mul(ops.linearPullback(dy_NQD, weights.down.weight), slope_NQF);
    const dMiddle_NQD = ops.add(
      dy_NQD,
      standardizePullback(ops, ops.linearPullback(dz_NQF, weights.up.weight), second),
    );
    const dAttended_NHQd = toHeads(ops.linearPullback(dMiddle_NQD, weights.out.weight), Q);
    const dP_NHQK = ops.matMul(dAttended_NHQd, v_NHKd, { transposeB: true });
    const along_NHQ1 = ops.sum(ops.mul(dP_NHQK, p_NHQK), -1);
    const dScores_NHQK = ops.mul(p_NHQK, ops.sub(dP_NHQK, along_NHQ1));
    const dq_NQD = fromHeads(ops.matMul(dScores_NHQK, k_NHKd), Q);
    // The shared keys never change: their columns are left out before the products, not after.
    const own = (x: T) => X === 0 ? x : last(x, X, L);
    const dk_NLD = fromHeads(ops.matMul(own(dScores_NHQK), q_NHQd, { transposeA: true }), L);
    const dv_NLD = fromHeads(ops.matMul(own(p_NHQK), dAttended_NHQd, { transposeA: true }), L);
    const wanted = (x: T) => rows === undefined ? x : ops.matMul(rows, x);
    // From the rows that asked back to all rows, and on to the rows that are wanted.
    const spread = (x: T) => pick === undefined ? wanted(x) : wanted(ops.matMul(pick, x, { transposeA: true }));

    const dFirst_NRD = ops.add(
      pick === undefined
        ? ops.linearPullback(wanted(dq_NQD), weights.query.weight)
        : spread(ops.linearPullback(dq_NQD, weights.query.weight)),
      ops.linearPullback(wanted(ops.concat([dk_NLD, dv_NLD], 2)), weights.keyValue.weight),
    );
    return ops.add(
      spread(dMiddle_NQD),
      standardizePullback(ops, dFirst_NRD, { normalized: wanted(first.normalized), rstd: wanted(first.rstd) }),
    );
  }

  return { y: y_NQD, keys, values, pullback };
}
