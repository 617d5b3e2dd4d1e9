/**
 * A CLIP of any size with random weights: speed does not depend on what the numbers are, as long as they stay finite.
 */
import type { ClipConfig } from "../src/clip/config.ts";
import type { ClipWeights } from "../src/clip/weights/load.ts";
import type { HostTensor } from "../src/engine/ops.ts";

/** ViT-B/16 as published. */
export const VIT_B_16: ClipConfig = {
  embedding: 512,
  image: { size: 224, patch: 16, width: 768, layers: 12, heads: 12 },
  text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8 },
};

/** A small CLIP of the same depth, for trying out: what is counted does not depend on widths. */
export const SMALL: ClipConfig = {
  embedding: 64,
  image: { size: 32, patch: 8, width: 64, layers: 12, heads: 2 },
  text: { context: 77, vocabulary: 49408, width: 64, layers: 12, heads: 2 },
};

/** Shape and spread of every tensor, in OpenAI's names; `1` as centre for the scales of LayerNorms. */
function plan(
  { embedding: E, image, text }: ClipConfig,
): Map<string, { shape: number[]; spread: number; centre: number }> {
  const out = new Map<string, { shape: number[]; spread: number; centre: number }>();
  const put = (name: string, shape: number[], spread: number, centre = 0) => out.set(name, { shape, spread, centre });
  const norm = (name: string, width: number) => {
    put(`${name}.weight`, [width], 0.1, 1);
    put(`${name}.bias`, [width], 0.1);
  };
  const blocks = (prefix: string, width: number, layers: number) => {
    for (let i = 0; i < layers; i++) {
      const at = `${prefix}.${i}`;
      const linear = (name: string, rows: number, columns: number) => put(name, [rows, columns], columns ** -0.5);
      norm(`${at}.ln_1`, width);
      norm(`${at}.ln_2`, width);
      linear(`${at}.attn.in_proj_weight`, 3 * width, width);
      put(`${at}.attn.in_proj_bias`, [3 * width], 0.02);
      linear(`${at}.attn.out_proj.weight`, width, width);
      put(`${at}.attn.out_proj.bias`, [width], 0.02);
      linear(`${at}.mlp.c_fc.weight`, 4 * width, width);
      put(`${at}.mlp.c_fc.bias`, [4 * width], 0.02);
      linear(`${at}.mlp.c_proj.weight`, width, 4 * width);
      put(`${at}.mlp.c_proj.bias`, [width], 0.02);
    }
  };
  put("token_embedding.weight", [text.vocabulary, text.width], 0.02);
  put("positional_embedding", [text.context, text.width], 0.01);
  blocks("transformer.resblocks", text.width, text.layers);
  norm("ln_final", text.width);
  put("text_projection", [text.width, E], text.width ** -0.5);
  put("logit_scale", [], 0, Math.log(100));
  const patches = (image.size / image.patch) ** 2;
  put("visual.conv1.weight", [image.width, 3, image.patch, image.patch], 0.02);
  put("visual.class_embedding", [image.width], 0.02);
  put("visual.positional_embedding", [patches + 1, image.width], 0.02);
  norm("visual.ln_pre", image.width);
  blocks("visual.transformer.resblocks", image.width, image.layers);
  norm("visual.ln_post", image.width);
  put("visual.proj", [image.width, E], image.width ** -0.5);
  return out;
}

/** A fast stream of numbers in [−1, 1): a linear congruence of Numerical Recipes. */
export function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
}

/** Numbers in ±`spread`, the same for the same seed. */
export function noiseTensor(shape: readonly number[], seed: number, spread = 1): HostTensor {
  const next = noise(seed);
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < data.length; i++) data[i] = spread * next();
  return { shape, data };
}

/** Random weights of a size. Tensors are made when they are asked for, as a file's are read. */
export function randomClip(config: ClipConfig): ClipWeights {
  const tensors = plan(config);
  const seeds = new Map([...tensors.keys()].map((name, i) => [name, i + 1]));
  return {
    config,
    sha256: "0".repeat(64),
    path: "random weights",
    layout: "openai-safetensors",
    notes: [],
    names: () => [...tensors.keys()],
    tensor(name) {
      const found = tensors.get(name);
      if (found === undefined) throw new Error(`No tensor ${name}`);
      const { data } = noiseTensor(found.shape, seeds.get(name)!, found.spread);
      if (found.centre !== 0) { for (let i = 0; i < data.length; i++) data[i] += found.centre; }
      return { shape: found.shape, data };
    },
  };
}
