/**
 * The frozen maps of CLIP's residual attention block, prepared once.
 *
 * Some things are folded into them (exact algebra, differences of rounding only): the scale and shift of each LayerNorm go
 * into the linear map after it; a LayerNorm's output has mean 0, so the mean of each of that map's rows is subtracted,
 * which does not change its results and makes the mean of its pull-back 0; 1/√d goes into the query map; the activation's
 * factor goes into the map before it and out of the map after it. Keys need no bias: it adds the same to all scores of
 * a row, which its softmax ignores. Values need none either: a row's probabilities sum to 1, so the values' bias, passed
 * through the output map, is part of that map's bias.
 *
 * Shapes: `D` width, `H` heads, `d` = D/H, `F` the perceptron's width.
 */
import { rowRange, stackedRows, transposed } from "../engine/host_tensor.ts";
import type { Engine, Frozen, HostTensor } from "../engine/ops.ts";
import { ACTIVATIONS } from "./activation.ts";
import { type Activation, epsilonOf, type TowerRules } from "./config.ts";

/** A linear map with frozen weights. */
export interface FrozenLinear {
  /** [out, in] */
  weight: Frozen;
  /** [out] */
  bias: Frozen;
}

/** The frozen maps of one block, LayerNorms folded in. */
export interface FrozenBlock {
  /** H */
  heads: number;
  /** LayerNorm's. */
  epsilon: number;
  activation: Activation;
  /** Rows to queries, divided by √d: [D, D]. */
  query: FrozenLinear;
  /** Rows to keys: [D, D]. */
  key: Frozen;
  /** Rows to values: [D, D]. */
  value: Frozen;
  /** Query, key and value in one, where every row has a query: [3·D, D]. */
  queryKeyValue: FrozenLinear;
  /** Key and value in one, for other blocks: [2·D, D]. */
  keyValue: Frozen;
  /** Heads to the residual stream: [D, D]. */
  out: FrozenLinear;
  /** Into the perceptron: [F, D]. */
  up: FrozenLinear;
  /** Out of it: [D, F]. */
  down: FrozenLinear;
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

type TensorOf = (name: string) => HostTensor;

const normOf = (tensor: TensorOf, name: string) => ({
  scale: tensor(`${name}.weight`).data,
  shift: tensor(`${name}.bias`).data,
});

const freezeLinear = (
  engine: Engine,
  name: string,
  linear: { weight: HostTensor; bias: HostTensor },
): FrozenLinear => ({
  weight: engine.freeze(`${name}.weight`, linear.weight),
  bias: engine.freeze(`${name}.bias`, linear.bias),
});

/** Freezes a tower's last LayerNorm and its projection, stored as [D, E], in one: [E, D], [E]. */
export function freezeProjection(
  engine: Engine,
  tensor: TensorOf,
  names: { norm: string; projection: string },
): FrozenLinear {
  const weight = transposed(tensor(names.projection));
  return freezeLinear(engine, names.projection, foldLayerNorm({ weight }, normOf(tensor, names.norm)));
}

/** Freezes the maps of the block whose tensors begin with `prefix`, e.g. `transformer.resblocks.0`. */
export function freezeBlock(
  engine: Engine,
  tensor: TensorOf,
  { prefix, tower }: { prefix: string; tower: TowerRules },
): FrozenBlock {
  const read = (name: string) => tensor(`${prefix}.${name}`);
  const { heads, activation = "quickgelu" } = tower;
  const { into, out: outOf } = ACTIVATIONS[activation];
  const width = read("ln_1.weight").data.length;
  const freeze = (name: string, linear: { weight: HostTensor; bias: HostTensor }) =>
    freezeLinear(engine, `${prefix}.${name}`, linear);
  const [inWeight, inBias] = [read("attn.in_proj_weight"), read("attn.in_proj_bias")];
  const [ln1, ln2] = [normOf(read, "ln_1"), normOf(read, "ln_2")];
  const part = (i: number) => ({
    weight: rowRange(inWeight, i * width, (i + 1) * width),
    bias: rowRange(inBias, i * width, (i + 1) * width),
  });
  const query = foldLayerNorm(part(0), { ...ln1, factor: Math.sqrt(heads / width) });
  const key = foldLayerNorm(part(1), ln1);
  const value = foldLayerNorm(part(2), ln1);
  // One buffer; the separate maps are views of it.
  const all = stackedRows([query.weight, key.weight, value.weight]);
  const weight = (name: string, from: number, to: number) =>
    engine.freeze(`${prefix}.${name}.weight`, rowRange(all, from * width, to * width));
  const out = { weight: read("attn.out_proj.weight"), bias: read("attn.out_proj.bias") };
  const times = ({ shape, data }: HostTensor, factor: number) => ({ shape, data: data.map((value) => value * factor) });
  const up = foldLayerNorm({ weight: read("mlp.c_fc.weight"), bias: read("mlp.c_fc.bias") }, {
    ...ln2,
    factor: into,
  });
  const down = times(read("mlp.c_proj.weight"), outOf);
  const hidden = hiddenWidth(up.weight.shape[0]);
  return {
    heads,
    epsilon: epsilonOf(tower),
    activation,
    query: { weight: weight("query", 0, 1), bias: engine.freeze(`${prefix}.query.bias`, query.bias) },
    key: weight("key", 1, 2),
    value: weight("value", 2, 3),
    queryKeyValue: {
      weight: weight("query_key_value", 0, 3),
      bias: engine.freeze(`${prefix}.query_key_value.bias`, padRows(query.bias, 3 * width)),
    },
    keyValue: weight("key_value", 1, 3),
    out: freeze("out", { weight: out.weight, bias: through(out, value.bias.data) }),
    up: freeze("up", { weight: padRows(up.weight, hidden), bias: padRows(up.bias, hidden) }),
    down: freeze("down", { weight: padColumns(down, hidden), bias: read("mlp.c_proj.bias") }),
  };
}

/**
 * The perceptron's width in memory. Rows whose lengths are multiples of 4,096 bytes fall on the same few lines of a
 * processor's cache, so such rows get 16 numbers more: features that are always zero, by maps that are zero there.
 */
export function hiddenWidth(published: number): number {
  return published % 1024 === 0 ? published + 16 : published;
}

/** Appends rows of zeros. */
function padRows({ shape, data }: HostTensor, rows: number): HostTensor {
  const padded = new Float32Array(rows * data.length / shape[0]);
  padded.set(data);
  return { shape: [rows, ...shape.slice(1)], data: padded };
}

/** Appends zeros to each row. */
function padColumns({ shape: [rows, columns], data }: HostTensor, width: number): HostTensor {
  const padded = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) padded.set(data.subarray(r * columns, (r + 1) * columns), r * width);
  return { shape: [rows, width], data: padded };
}

/** A map's bias with the image of `x` added: `W·x + b`. */
function through({ weight, bias }: { weight: HostTensor; bias: HostTensor }, x: Float32Array): HostTensor {
  const sums = Float32Array.from(bias.data, (sum, o) => {
    for (let i = 0; i < x.length; i++) sum += weight.data[o * x.length + i] * x[i];
    return sum;
  });
  return { shape: bias.shape, data: sums };
}
