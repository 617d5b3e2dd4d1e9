/**
 * CLIP's towers with learned rows as the published code computes them, in double precision on plain arrays: one sequence at
 * a time, all positions, nothing folded or shared. Slow, and near enough to the published text to be compared with it
 * (MaPLe clip/model.py: `ResidualAttentionBlock_IVLP`, `VisionTransformer`, `TextEncoder`).
 */
import type { ClipWeights } from "../../src/clip/weights/load.ts";
import type { HostTensor } from "../../src/engine/ops.ts";

type Row = number[];

/** One thing done otherwise, which a test must notice. */
export type Mistake =
  | "positions are added to deeper rows"
  | "the first block replaces its rows too"
  | "deeper rows come one block late"
  | "the rows stop after their last layer"
  | "image rows skip ln_pre"
  | "image rows get a position"
  | "image rows come before the patches";

/** The tokens [M, D] of each layer. */
export type Layers = readonly HostTensor[];

const rowsOf = ({ shape, data }: HostTensor): Row[] => {
  const width = shape[shape.length - 1];
  return Array.from({ length: data.length / width }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
};
const added = (a: Row, b: Row): Row => a.map((value, i) => value + b[i]);

/** Reads weights under a prefix: products with a matrix [out, in], vectors, LayerNorms. */
function reader(weights: ClipWeights, prefix: string) {
  const tensor = (name: string) => weights.tensor(prefix + name);
  const cache = new Map<string, Row[]>();
  const matrix = (name: string) => {
    const found = cache.get(name) ?? rowsOf(tensor(name));
    cache.set(name, found);
    return found;
  };
  return {
    matrix,
    vector: (name: string) => matrix(name)[0],
    linear: (x: Row, weight: string, bias: string) =>
      matrix(weight).map((row, o) => row.reduce((sum, w, i) => sum + w * x[i], matrix(bias)[0][o])),
    norm(x: Row, name: string): Row {
      const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
      const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
      const [scale, shift] = [matrix(`${name}.weight`)[0], matrix(`${name}.bias`)[0]];
      return x.map((value, i) => (value - mean) / Math.sqrt(variance + 1e-5) * scale[i] + shift[i]);
    },
  };
}
type Reader = ReturnType<typeof reader>;

function attention(read: Reader, x: readonly Row[], causal: boolean): Row[] {
  const D = x[0].length;
  const projected = x.map((row) => read.linear(row, "attn.in_proj_weight", "attn.in_proj_bias"));
  const mixed = x.map((_, q) => {
    const out: Row = [];
    for (let h = 0; h < D; h += 64) {
      const head = (row: number, part: number) => projected[row].slice(part * D + h, part * D + h + 64);
      const keys = Array.from({ length: causal ? q + 1 : x.length }, (_, key) => key);
      const query = head(q, 0);
      const scores = keys.map((key) => head(key, 1).reduce((sum, k, i) => sum + k * query[i], 0) / 8);
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 0; i < 64; i++) {
        out.push(keys.reduce((sum, key) => sum + weights[key] / total * projected[key][2 * D + h + i], 0));
      }
    }
    return out;
  });
  return mixed.map((row) => read.linear(row, "attn.out_proj.weight", "attn.out_proj.bias"));
}

function blockOnce(read: Reader, x: readonly Row[], causal: boolean): Row[] {
  const attended = attention(read, x.map((row) => read.norm(row, "ln_1")), causal);
  return x.map((row, i) => {
    const middle = added(row, attended[i]);
    const hidden = read.linear(read.norm(middle, "ln_2"), "mlp.c_fc.weight", "mlp.c_fc.bias");
    const active = hidden.map((z) => z / (1 + Math.exp(-1.702 * z)));
    return added(middle, read.linear(active, "mlp.c_proj.weight", "mlp.c_proj.bias"));
  });
}

/** Runs one sequence through the blocks; `at` are the rows of the learned tokens. */
function blocks(
  weights: ClipWeights,
  { prefix, layers, x, at, tokens, causal, mistake }: {
    prefix: string;
    layers: number;
    x: Row[];
    at: readonly number[];
    tokens: readonly (readonly Row[])[];
    causal: boolean;
    mistake?: Mistake;
  },
): Row[] {
  let now = x;
  let learned = at;
  for (let i = 0; i < layers; i++) {
    const layer = mistake === "deeper rows come one block late" ? i - 1 : i;
    const replaces = layer < tokens.length &&
      (layer > 0 || (i === 0 && mistake === "the first block replaces its rows too"));
    if (replaces) now = now.map((row, r) => learned.includes(r) ? tokens[layer][learned.indexOf(r)] : row);
    if (i === tokens.length && mistake === "the rows stop after their last layer") {
      now = now.map((row, r) => learned.includes(r) ? row.map(() => 0) : row);
      learned = [];
    }
    now = blockOnce(reader(weights, `${prefix}transformer.resblocks.${i}.`), now, causal);
  }
  return now;
}

/** The feature [E] of a text: ids, start and end token among them, with the learned tokens in the rows `at`. */
export function publishedText(
  weights: ClipWeights,
  { ids, at, layers, mistake }: { ids: readonly number[]; at: readonly number[]; layers: Layers; mistake?: Mistake },
): Row {
  const read = reader(weights, "");
  const { text } = weights.config;
  const positions = read.matrix("positional_embedding");
  const tokens = layers.map((layer, i) =>
    i > 0 && mistake === "positions are added to deeper rows"
      ? rowsOf(layer).map((row, m) => added(row, positions[at[m]]))
      : rowsOf(layer)
  );
  const padded = Array.from({ length: text.context }, (_, t) => ids[t] ?? 0);
  const x = padded.map((id, t) => {
    const m = at.indexOf(t);
    return added(m < 0 ? read.matrix("token_embedding.weight")[id] : tokens[0][m], positions[t]);
  });
  const y = blocks(weights, { prefix: "", layers: text.layers, x, at, tokens, causal: true, mistake });
  return projected(read.norm(y[ids.length - 1], "ln_final"), read.matrix("text_projection"));
}

/** The feature [E] of an image of patches [N, K], with learned tokens after the patches. */
export function publishedImage(
  weights: ClipWeights,
  { patches_NK, layers, mistake }: { patches_NK: HostTensor; layers: Layers; mistake?: Mistake },
): Row {
  const read = reader(weights, "visual.");
  const positions = read.matrix("positional_embedding");
  const conv1 = weights.tensor("visual.conv1.weight");
  const kernel = rowsOf({ shape: [conv1.shape[0], conv1.data.length / conv1.shape[0]], data: conv1.data });
  const patches = rowsOf(patches_NK).map((patch) =>
    kernel.map((row) => row.reduce((sum, w, k) => sum + w * patch[k], 0))
  );
  const frozen = [read.vector("class_embedding"), ...patches].map((row, i) => added(row, positions[i]));
  const tokens = layers.map(rowsOf);
  const first = (tokens[0] ?? []).map((row) =>
    mistake === "image rows get a position" ? added(row, positions[1]) : row
  );
  const pre = (row: Row) => read.norm(row, "ln_pre");
  const x = [...frozen.map(pre), ...first.map((row) => mistake === "image rows skip ln_pre" ? row : pre(row))];
  const at = first.map((_, m) => frozen.length + m);
  if (mistake === "image rows come before the patches") {
    // Nothing in the blocks knows where a row stands: only positions do, and patches lose theirs when rows come first.
    const moved = [read.vector("class_embedding"), ...(tokens[0] ?? []), ...patches];
    x.splice(0, x.length, ...moved.map((row, i) => pre(i < positions.length ? added(row, positions[i]) : row)));
    at.splice(0, at.length, ...first.map((_, m) => 1 + m));
  }
  const y = blocks(weights, {
    prefix: "visual.",
    layers: weights.config.image.layers,
    x,
    at,
    tokens,
    causal: false,
    mistake,
  });
  return projected(read.norm(y[0], "ln_post"), read.matrix("proj"));
}

function projected(x: Row, matrix_DE: readonly Row[]): Row {
  return matrix_DE[0].map((_, e) => x.reduce((sum, value, d) => sum + value * matrix_DE[d][e], 0));
}
