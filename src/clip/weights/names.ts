/**
 * Where each of OpenAI's tensors is found in files that name them otherwise.
 */
import { missing, show, unfit } from "../config.ts";
import type { StoredTensor } from "./tensor_file.ts";

/** How a file names the tensors. */
export type Naming = "openai" | "hugging-face";

/** How a tensor is put together: of parts along its first axis, or of one part, transposed. */
export interface TensorRecipe {
  readonly parts: readonly StoredTensor[];
  readonly turned: boolean;
  /** Of the result. */
  readonly shape: readonly number[];
}

/** One name, or several to be concatenated. */
type Source = string | readonly string[];

/** Hugging Face's names outside the blocks (`CLIPModel` of transformers). */
const OUTER: Record<string, Source> = {
  "logit_scale": "logit_scale",
  "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
  "positional_embedding": "text_model.embeddings.position_embedding.weight",
  "ln_final.weight": "text_model.final_layer_norm.weight",
  "ln_final.bias": "text_model.final_layer_norm.bias",
  "text_projection": "text_projection.weight",
  "visual.class_embedding": "vision_model.embeddings.class_embedding",
  "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
  "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
  // Misspelt there.
  "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
  "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
  "visual.ln_post.weight": "vision_model.post_layernorm.weight",
  "visual.ln_post.bias": "vision_model.post_layernorm.bias",
  "visual.proj": "visual_projection.weight",
};

/** Transposed there. */
const TURNED = ["text_projection", "visual.proj"];

/** Prefixes of the blocks. */
const BLOCKS: Record<string, string> = {
  "transformer.resblocks": "text_model.encoder.layers",
  "visual.transformer.resblocks": "vision_model.encoder.layers",
};

/** Names in a block, after its prefix and number. */
const BLOCK: Record<string, Source> = {
  "ln_1.weight": "layer_norm1.weight",
  "ln_1.bias": "layer_norm1.bias",
  "attn.in_proj_weight": ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"],
  "attn.in_proj_bias": ["self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"],
  "attn.out_proj.weight": "self_attn.out_proj.weight",
  "attn.out_proj.bias": "self_attn.out_proj.bias",
  "ln_2.weight": "layer_norm2.weight",
  "ln_2.bias": "layer_norm2.bias",
  "mlp.c_fc.weight": "mlp.fc1.weight",
  "mlp.c_fc.bias": "mlp.fc1.bias",
  "mlp.c_proj.weight": "mlp.fc2.weight",
  "mlp.c_proj.bias": "mlp.fc2.bias",
};

/** Counted from 0, not learned. */
const WITHOUT_MEANING = ["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"];

/** What wrappers put before every name: several GPUs, `torch.compile`, and modules that hold the model as an attribute. */
const WRAPPERS = ["module.", "_orig_mod.", "model.", "clip_model.", "clip."];

/**
 * Finds OpenAI's tensors among those of a file. Tensors with unknown names keep them, so that the check of shapes can
 * report them. Throws {@linkcode UserError} when tensors that are parts of one do not fit together.
 */
export function openaiTensors(
  stored: ReadonlyMap<string, StoredTensor>,
  where: string,
): { naming: Naming; tensors: Map<string, TensorRecipe> } {
  const whole = (tensor: StoredTensor): TensorRecipe => ({ parts: [tensor], turned: false, shape: tensor.shape });
  if (![...stored.keys()].some((name) => /^(text_model|vision_model)\./.test(name))) {
    return { naming: "openai", tensors: withScalar([...stored].map(([name, tensor]) => [name, whole(tensor)])) };
  }
  const left = new Map(stored);
  WITHOUT_MEANING.forEach((name) => left.delete(name));
  const tensors = new Map<string, TensorRecipe>();
  const put = (name: string, source: Source, prefix = "") => {
    const names = [source].flat().map((n) => prefix + n);
    const parts = names.flatMap((n) => left.get(n) ?? []);
    if (parts.length === 0) return;
    if (parts.length < names.length) throw missing(where, names.find((n) => !left.has(n))!, stored.keys());
    names.forEach((n) => left.delete(n));
    const turned = TURNED.includes(name);
    tensors.set(name, { parts, turned, shape: joinedShape(parts, { turned, where, name: names[0] }) });
  };
  for (const [name, source] of Object.entries(OUTER)) put(name, source);
  for (const [ours, theirs] of Object.entries(BLOCKS)) {
    for (let i = 0; stored.has(`${theirs}.${i}.layer_norm1.weight`); i++) {
      for (const [name, source] of Object.entries(BLOCK)) put(`${ours}.${i}.${name}`, source, `${theirs}.${i}.`);
    }
  }
  for (const [name, tensor] of left) tensors.set(name, whole(tensor));
  return { naming: "hugging-face", tensors: withScalar(tensors) };
}

/** Some programs save the logit scale as a list of one number. */
function withScalar(tensors: Iterable<[string, TensorRecipe]>): Map<string, TensorRecipe> {
  const all = new Map(tensors);
  const scale = all.get("logit_scale");
  if (scale?.shape.join() === "1") all.set("logit_scale", { ...scale, shape: [] });
  return all;
}

function joinedShape(
  parts: readonly StoredTensor[],
  { turned, where, name }: { turned: boolean; where: string; name: string },
): readonly number[] {
  const { shape } = parts[0];
  const alike = parts.every((part) => part.shape.length === shape.length && part.shape.every((n, i) => n === shape[i]));
  if (!alike || (turned && shape.length !== 2) || (parts.length > 1 && shape.length === 0)) {
    throw unfit(where, `"${name}" is ${show(shape)} and does not fit what it is a part of`);
  }
  if (turned) return [...shape].reverse();
  return parts.length === 1 ? shape : [shape[0] * parts.length, ...shape.slice(1)];
}

/**
 * The tensors without what wrappers put before all of their names.
 *
 * @throws {UserError} when a wrapper stands before the names of a CLIP and not before all
 */
export function unwrapped(stored: ReadonlyMap<string, StoredTensor>, where: string): ReadonlyMap<string, StoredTensor> {
  const names = [...stored.keys()];
  for (const wrapper of WRAPPERS) {
    const without = names.filter((name) => !name.startsWith(wrapper));
    if (names.length === without.length) continue;
    if (without.length === 0) {
      return unwrapped(new Map([...stored].map(([name, tensor]) => [name.slice(wrapper.length), tensor])), where);
    }
    throw unfit(
      where,
      `"${wrapper}" stands before ${names.length - without.length} of its ${names.length} names and not before ` +
        JSON.stringify(without[0]),
      "save the CLIP by itself, its state_dict() alone",
    );
  }
  return stored;
}
