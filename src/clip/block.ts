/**
 * CLIP's residual attention block (openai/CLIP clip/model.py:171-192), forward and pull-back, by hand.
 *
 * The weights are frozen, so four things are folded into them once (exact algebra, differences of rounding only): the
 * scale and shift of each LayerNorm go into the linear map behind it; a LayerNorm's output has mean 0, so the mean of each
 * of that map's rows is taken off, which leaves its results alone and makes the mean of its pull-back 0; 1/√64 goes into
 * the query map; and the 1.702 of QuickGELU goes into the map before it and out of the map behind it.
 *
 * Shapes: `N` sequences, `L` rows of a sequence, `Q` rows that ask (fewer than `L` in a last block whose other rows
 * nobody reads), `K` keys, `D` width, `H` heads, `F` = 4·D.
 */
import type { Engine, Frozen, HostTensor, Ops } from "../engine/ops.ts";

/** LayerNorm's epsilon in CLIP. */
export const LAYER_NORM_EPSILON = 1e-5;

/** The slope inside QuickGELU: z·σ(1.702·z). */
const QUICK_GELU = 1.702;

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
  /** Query, key and value in one, [3·D, D]; for blocks in which every row asks. */
  queryKeyValue: FrozenLinear;
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

/**
 * `W·diag(scale)` and `W·shift + b`, both times `factor`: a LayerNorm's affine part folded into what follows it. The rows
 * are centred: a normalised input has mean 0, so a constant added to a row changes nothing.
 */
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
    let mean = 0;
    for (let i = 0; i < width; i++) {
      const w = linear.weight.data[o * width + i];
      mean += w * norm.scale[i] / width;
      sum += w * norm.shift[i];
    }
    for (let i = 0; i < width; i++) {
      weight[o * width + i] = (linear.weight.data[o * width + i] * norm.scale[i] - mean) * factor;
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
  const query = foldLayerNorm(part(0, 1), { ...ln1, factor: 1 / Math.sqrt(HEAD_WIDTH) });
  const queryKeyValue = stackRows(query, foldLayerNorm(part(1, 3), ln1));
  const piece = (from: number, to: number) => ({
    weight: rows(queryKeyValue.weight, from * width, to * width),
    bias: rows(queryKeyValue.bias, from * width, to * width),
  });
  const times = ({ shape, data }: HostTensor, factor: number) => ({ shape, data: data.map((value) => value * factor) });
  return {
    heads: width / HEAD_WIDTH,
    queryKeyValue: freeze("query_key_value", queryKeyValue),
    query: freeze("query", piece(0, 1)),
    keyValue: freeze("key_value", piece(1, 3)),
    out: freeze("out", { weight: read("attn.out_proj.weight"), bias: read("attn.out_proj.bias") }),
    up: freeze(
      "up",
      foldLayerNorm({ weight: read("mlp.c_fc.weight"), bias: read("mlp.c_fc.bias") }, { ...ln2, factor: QUICK_GELU }),
    ),
    down: freeze("down", { weight: times(read("mlp.c_proj.weight"), 1 / QUICK_GELU), bias: read("mlp.c_proj.bias") }),
  };
}

/** One map whose outputs are those of both, the first one's in front. */
function stackRows(
  a: { weight: HostTensor; bias: HostTensor },
  b: { weight: HostTensor; bias: HostTensor },
): { weight: HostTensor; bias: HostTensor } {
  const stack = (x: HostTensor, y: HostTensor): HostTensor => {
    const data = new Float32Array(x.data.length + y.data.length);
    data.set(x.data);
    data.set(y.data, x.data.length);
    return { shape: [x.shape[0] + y.shape[0], ...x.shape.slice(1)], data };
  };
  return { weight: stack(a.weight, b.weight), bias: stack(a.bias, b.bias) };
}

/**
 * The pull-back of `standardize` where the mean of `dy` is 0, as behind every map of {@linkcode foldLayerNorm}:
 * `rstd · (dy − y · mean(dy · y))`.
 */
export function centredPullback<T>(ops: Ops<T>, dy: T, at: { normalized: T; rstd: T }): T {
  return ops.mul(at.rstd, ops.sub(dy, ops.mul(at.normalized, ops.mean(ops.mul(dy, at.normalized), -1))));
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
  const { q_NHQd, keys, values } = pick === undefined ? askAll() : askSome();

  /** One product for all three; the rows of one head lie together afterwards. */
  function askAll() {
    const all = linear(first.normalized, weights.queryKeyValue);
    const heads_NTLd = ops.transpose(ops.reshape(all, [N, L, 3 * H, HEAD_WIDTH]), [0, 2, 1, 3]);
    const [q_NHQd, keys, values] = [0, 1, 2].map((i) => ops.slice(heads_NTLd, [0, i * H, 0, 0], [N, H, L, HEAD_WIDTH]));
    return { q_NHQd, keys, values };
  }

  function askSome() {
    const keyValue = linear(first.normalized, weights.keyValue);
    return {
      q_NHQd: toHeads(linear(picked_NQD, weights.query), Q),
      keys: toHeads(last(keyValue, 0, D), L),
      values: toHeads(last(keyValue, D, D), L),
    };
  }

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
  // z is 1.702 times the published one, and so is what comes out of the gate; the map behind takes it back.
  const z_NQF = linear(second.normalized, weights.up);
  const gate_NQF = ops.sigmoid(z_NQF);
  const active_NQF = ops.mul(z_NQF, gate_NQF);
  const y_NQD = ops.add(middle_NQD, linear(active_NQF, weights.down));

  function pullback(dy_NQD: T, rows?: T): T {
    // d(z·g)/dz = g + z·g·(1 − g) with g = σ(z), and z·g is at hand.
    const slope_NQF = ops.add(gate_NQF, ops.sub(active_NQF, ops.mul(active_NQF, gate_NQF)));
    const dz_NQF = ops.mul(ops.linearPullback(dy_NQD, weights.down.weight), slope_NQF);
    const dMiddle_NQD = ops.add(dy_NQD, centredPullback(ops, ops.linearPullback(dz_NQF, weights.up.weight), second));
    const dAttended_NHQd = toHeads(ops.linearPullback(dMiddle_NQD, weights.out.weight), Q);
    const dP_NHQK = ops.matMul(dAttended_NHQd, v_NHKd, { transposeB: true });
    const along_NHQ1 = ops.sum(ops.mul(dP_NHQK, p_NHQK), -1);
    const dScores_NHQK = ops.mul(p_NHQK, ops.sub(dP_NHQK, along_NHQ1));
    const dq_NHQd = ops.matMul(dScores_NHQK, k_NHKd);
    // The shared keys never change: their columns are left out before the products, not after.
    const own = (x: T) => X === 0 ? x : last(x, X, L);
    const dk_NHLd = ops.matMul(own(dScores_NHQK), q_NHQd, { transposeA: true });
    const dv_NHLd = ops.matMul(own(p_NHQK), dAttended_NHQd, { transposeA: true });
    const wanted = (x: T) => rows === undefined ? x : ops.matMul(rows, x);
    // From the rows that asked back to all rows, and on to the rows that are wanted.
    const spread = (x: T) => pick === undefined ? wanted(x) : wanted(ops.matMul(pick, x, { transposeA: true }));

    function fromAll(): T {
      const heads_NTLd = ops.concat([dq_NHQd, dk_NHLd, dv_NHLd], 1);
      const d_NLT = ops.reshape(ops.transpose(heads_NTLd, [0, 2, 1, 3]), [N, L, 3 * D]);
      return ops.linearPullback(wanted(d_NLT), weights.queryKeyValue.weight);
    }

    function fromSome(): T {
      const d_NL2D = ops.concat([fromHeads(dk_NHLd, L), fromHeads(dv_NHLd, L)], 2);
      return ops.add(
        spread(ops.linearPullback(fromHeads(dq_NHQd, Q), weights.query.weight)),
        ops.linearPullback(wanted(d_NL2D), weights.keyValue.weight),
      );
    }

    return ops.add(
      spread(dMiddle_NQD),
      centredPullback(ops, pick === undefined ? fromAll() : fromSome(), {
        normalized: wanted(first.normalized),
        rstd: wanted(first.rstd),
      }),
    );
  }

  return { y: y_NQD, keys, values, pullback };
}
