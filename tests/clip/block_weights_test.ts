/**
 * The folded and filled-up maps of a block against the published formula (openai/CLIP clip/model.py:171-192), in float64;
 * also with the plain GELU, heads of another width and another epsilon, as open_clip has them.
 */
import { assertEquals, assertLess } from "jsr:@std/assert@1.0.19";
import { block } from "../../src/clip/block.ts";
import { freezeBlock, hiddenWidth } from "../../src/clip/block_weights.ts";
import type { TowerRules } from "../../src/clip/config.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { ENGINES, randomTensor, relativeL2, runOnce, withEngine } from "../engine/ops_cases.ts";
import { activated } from "./published_activation.ts";

const [N, L] = [2, 3];
const PREFIX = "transformer.resblocks.0";

type Matrix = number[][];

/** Random tensors of one block, none of them 0 or 1 all over. */
function blockTensors(D: number): (name: string) => HostTensor {
  const shapes: [string, number[], number][] = [
    ["attn.in_proj_weight", [3 * D, D], 0.1],
    ["attn.in_proj_bias", [3 * D], 1],
    ["attn.out_proj.weight", [D, D], 0.1],
    ["attn.out_proj.bias", [D], 1],
    ["ln_1.weight", [D], 1],
    ["ln_1.bias", [D], 1],
    ["ln_2.weight", [D], 1],
    ["ln_2.bias", [D], 1],
    ["mlp.c_fc.weight", [4 * D, D], 0.1],
    ["mlp.c_fc.bias", [4 * D], 1],
    ["mlp.c_proj.weight", [D, 4 * D], 0.1],
    ["mlp.c_proj.bias", [D], 1],
  ];
  const tensors = new Map(shapes.map(([name, shape, size], i) => [`${PREFIX}.${name}`, randomTensor(shape, i, size)]));
  return (name) => tensors.get(name)!;
}

/** The published block on the rows of one sequence. */
function published(rows: Matrix, tensor: (name: string) => HostTensor, tower: TowerRules): Matrix {
  const { heads, activation, epsilon = 1e-5 } = tower;
  const D = rows[0].length;
  const width = D / heads;
  const numbers = (name: string) => tensor(`${PREFIX}.${name}`).data;
  const linear = (x: Matrix, [weight, bias]: Float32Array[]) =>
    x.map((row) =>
      Array.from(bias, (b, o) => row.reduce((sum, value, i) => sum + weight[o * row.length + i] * value, b))
    );
  const norm = (x: Matrix, name: string) =>
    x.map((row) => {
      const mean = row.reduce((a, b) => a + b) / D;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / D;
      const [scale, shift] = [numbers(`${name}.weight`), numbers(`${name}.bias`)];
      return row.map((value, i) => (value - mean) / Math.sqrt(variance + epsilon) * scale[i] + shift[i]);
    });
  const add = (a: Matrix, b: Matrix) => a.map((row, r) => row.map((value, i) => value + b[r][i]));

  const qkv = linear(norm(rows, "ln_1"), [numbers("attn.in_proj_weight"), numbers("attn.in_proj_bias")]);
  const attended = qkv.map((asking) => {
    const out: number[] = [];
    for (let from = 0; from < D; from += width) {
      const part = (row: number[], i: number) => row.slice(i * D + from, i * D + from + width);
      const query = part(asking, 0);
      const scores = qkv.map((row) => part(row, 1).reduce((sum, k, i) => sum + k * query[i], 0) / Math.sqrt(width));
      const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
      const total = powers.reduce((a, b) => a + b);
      for (let i = 0; i < width; i++) {
        out.push(qkv.reduce((sum, row, k) => sum + powers[k] / total * part(row, 2)[i], 0));
      }
    }
    return out;
  });
  const middle = add(rows, linear(attended, [numbers("attn.out_proj.weight"), numbers("attn.out_proj.bias")]));
  const hidden = linear(norm(middle, "ln_2"), [numbers("mlp.c_fc.weight"), numbers("mlp.c_fc.bias")])
    .map((row) => row.map((z) => activated(z, activation)));
  return add(middle, linear(hidden, [numbers("mlp.c_proj.weight"), numbers("mlp.c_proj.bias")]));
}

const CASES: { width: number; hidden: number; tower: TowerRules }[] = [
  { width: 64, hidden: 256, tower: { heads: 1 } },
  { width: 256, hidden: 1024 + 16, tower: { heads: 4 } },
  { width: 64, hidden: 256, tower: { heads: 1, activation: "gelu" } },
  { width: 160, hidden: 640, tower: { heads: 2, activation: "gelu", epsilon: 1e-2 } },
];

for (const { width, hidden, tower } of CASES) {
  const words = JSON.stringify(tower);
  Deno.test(`a block ${width} wide, ${words}, its perceptron ${hidden} wide in memory, equals the published formula`, async () => {
    assertEquals(hiddenWidth(4 * width), hidden);
    const tensor = blockTensors(width);
    const x = randomTensor([L, N, width], 50, 2);
    const row = (data: Float32Array, l: number, n: number) =>
      Array.from(data.subarray((l * N + n) * width, (l * N + n + 1) * width));
    const rowsOf = (data: Float32Array, n: number) => Array.from({ length: L }, (_, l) => row(data, l, n));
    for (const name of ENGINES) {
      await withEngine(name, async (engine) => {
        const weights = freezeBlock(engine, tensor, { prefix: PREFIX, tower });
        assertEquals(weights.up.weight.shape, [hidden, width]);
        const [y] = await runOnce(engine, (ops, [x]) => [block(ops, x, weights).y], [x]);
        for (let n = 0; n < N; n++) {
          const wanted = published(rowsOf(x.data, n), tensor, tower).flat();
          assertLess(relativeL2(rowsOf(y.data, n).flat(), wanted), 1e-6, name);
        }
      });
    }
  });
}
