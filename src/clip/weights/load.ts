/**
 * CLIP's weights from a file. Tensors have OpenAI's names whatever the file calls them, and are read and converted when
 * they are asked for, so that the file is never in memory as a whole.
 *
 * | file | layout |
 * |---|---|
 * | safetensors with OpenAI's names (open_clip writes these as well) | `openai-safetensors` |
 * | Hugging Face's `model.safetensors` | `hugging-face-safetensors` |
 * | `torch.save` of a state dictionary with OpenAI's names | `openai-state-dict` |
 * | Hugging Face's `pytorch_model.bin` | `hugging-face-state-dict` |
 * | OpenAI's `ViT-B-16.pt` (a TorchScript archive) | `openai-torchscript` |
 *
 * Weights do not say which GELU they were trained with. This kit computes OpenAI's QuickGELU: right for OpenAI's weights
 * in any layout and for open_clip's models called `…-quickgelu`, wrong for open_clip's others.
 */
import type { HostTensor } from "../../engine/ops.ts";
import { sha256Hex } from "../../files.ts";
import { type ClipConfig, inferConfig, tensorShapes } from "../config.ts";
import { openaiTensors } from "./names.ts";
import { readTensor } from "./read_tensor.ts";
import { readHeader } from "./safetensors.ts";
import { openRandomAccess, type RandomAccessFile, type StoredTensor } from "./tensor_file.ts";
import { isTorch, modelTensors, readTorchArchive } from "./torch_archive.ts";

/** How a file stores the weights. */
export type WeightsLayout = `${"openai" | "hugging-face"}-${"safetensors" | "state-dict" | "torchscript"}`;

/** The weights of a CLIP, from {@linkcode loadWeights}. */
export interface ClipWeights {
  /** Sizes, read off the shapes. */
  readonly config: ClipConfig;
  /** Of the file, in lower-case hexadecimal. */
  readonly sha256: string;
  /** The file, as it was given. */
  readonly path: string;
  /** What the file was found to be. */
  readonly layout: WeightsLayout;
  /** OpenAI's names of all tensors. */
  names(): string[];
  /** A tensor under OpenAI's name, float32; read again at each call. Throws {@linkcode Error} for an unknown name. */
  tensor(name: string): HostTensor;
}

/**
 * Opens the weights of a CLIP in any of the layouts above.
 *
 * @param path a file
 * @returns the weights; only the file's directory is in memory
 * @throws {UserError} when it is missing, damaged, or does not hold a CLIP that this kit runs
 *
 * @example
 * ```ts
 * import { loadWeights } from "@prompt-kit/clip-prompts";
 *
 * const { config, tensor } = await loadWeights("data/sample/model.safetensors");
 * const { shape } = tensor("text_projection");
 * if (shape.join() !== [config.text.width, config.embedding].join()) throw new Error("unexpected");
 * ```
 */
export async function loadWeights(path: string): Promise<ClipWeights> {
  const file = openRandomAccess(path);
  const { container, stored } = readDirectory(file);
  const { naming, tensors } = openaiTensors(stored, path);
  const config = inferConfig(new Map([...tensors].map(([name, { shape }]) => [name, shape])), path);
  const names = [...tensorShapes(config).keys()];
  const sha256 = await sha256Hex(path);
  return {
    config,
    sha256,
    path,
    layout: `${naming}-${container}`,
    names: () => [...names],
    tensor(name) {
      const recipe = tensors.get(name);
      if (recipe === undefined) throw new Error(`No tensor ${name}`);
      return readTensor(file, { recipe, name });
    },
  };
}

function readDirectory(
  file: RandomAccessFile,
): { container: "safetensors" | "state-dict" | "torchscript"; stored: Map<string, StoredTensor> } {
  if (isTorch(file)) {
    const archive = readTorchArchive(file);
    return { container: archive.script ? "torchscript" : "state-dict", stored: modelTensors(archive, file.path) };
  }
  return { container: "safetensors", stored: readHeader(file).places };
}
