/** A CLIP so small that tests write it in every layout. */
import { randomClip } from "../../bench/random_clip.ts";
import type { ArchiveTensor } from "../../bench/torch_archive.ts";
import type { ClipConfig } from "../../src/clip/config.ts";
import { type FloatDtype, floatsTo } from "../../src/clip/weights/dtype.ts";
import type { ClipWeights } from "../../src/clip/weights/load.ts";
import type { HostTensor } from "../../src/engine/ops.ts";

export const SMALL: ClipConfig = {
  embedding: 32,
  image: { size: 16, patch: 8, width: 64, layers: 2, heads: 1 },
  text: { context: 12, vocabulary: 40, width: 128, layers: 1, heads: 2 },
};

/** Random weights of that size. */
export const smallClip = (): ClipWeights => randomClip(SMALL);

/** Its tensors for an archive of PyTorch's. */
export function archiveTensors(
  tensors: ReadonlyMap<string, HostTensor>,
  dtypeOf: (name: string) => FloatDtype = () => "F32",
): Map<string, ArchiveTensor> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      const dtype = dtypeOf(name);
      return [name, { dtype, shape, bytes: () => floatsTo(data, dtype) }];
    }),
  );
}

/** Tensors under OpenAI's names. */
export function openaiNamed(weights = smallClip()): Map<string, HostTensor> {
  return new Map(weights.names().map((name) => [name, weights.tensor(name)]));
}

const BLOCK: [ours: RegExp, theirs: string][] = [
  [/^visual\.transformer\.resblocks\./, "vision_model.encoder.layers."],
  [/^transformer\.resblocks\./, "text_model.encoder.layers."],
  [/\.ln_([12])\./, ".layer_norm$1."],
  [/\.attn\.out_proj\./, ".self_attn.out_proj."],
  [/\.mlp\.c_fc\./, ".mlp.fc1."],
  [/\.mlp\.c_proj\./, ".mlp.fc2."],
  [/^visual\.proj$/, "visual_projection.weight"],
  [/^text_projection$/, "text_projection.weight"],
  [/^visual\.ln_pre\./, "vision_model.pre_layrnorm."],
  [/^visual\.ln_post\./, "vision_model.post_layernorm."],
  [/^visual\.conv1\./, "vision_model.embeddings.patch_embedding."],
  [/^visual\.class_embedding$/, "vision_model.embeddings.class_embedding"],
  [/^visual\.positional_embedding$/, "vision_model.embeddings.position_embedding.weight"],
  [/^token_embedding\./, "text_model.embeddings.token_embedding."],
  [/^positional_embedding$/, "text_model.embeddings.position_embedding.weight"],
  [/^ln_final\./, "text_model.final_layer_norm."],
];

/** The same tensors as Hugging Face names and turns them. */
export function huggingFaceNamed(tensors = openaiNamed()): Map<string, HostTensor> {
  const out = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const theirs = BLOCK.reduce((now, [ours, text]) => now.replace(ours, text), name);
    const packed = theirs.match(/^(.*)\.attn\.in_proj_(weight|bias)$/);
    if (packed) {
      const third = tensor.data.length / 3;
      ["q", "k", "v"].forEach((letter, i) =>
        out.set(`${packed[1]}.self_attn.${letter}_proj.${packed[2]}`, {
          shape: [tensor.shape[0] / 3, ...tensor.shape.slice(1)],
          data: tensor.data.slice(i * third, (i + 1) * third),
        })
      );
    } else out.set(theirs, name === "visual.proj" || name === "text_projection" ? turned(tensor) : tensor);
  }
  return out;
}

/** A matrix with its axes exchanged. */
export function turned({ shape: [rows, columns], data }: HostTensor): HostTensor {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c];
  return { shape: [columns, rows], data: out };
}
