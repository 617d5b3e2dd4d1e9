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
 * A state dictionary may lie under `state_dict`, `model_state_dict` or `model`, and its names behind what wrappers put before
 * them. Instead of a file, a folder that holds it, one of its shards, or their `index.json`.
 *
 * Tensors do not show which activation they were trained with. See {@linkcode withActivation}.
 */
import type { HostTensor } from "../../engine/ops.ts";
import { UserError } from "../../errors.ts";
import {
  type Activation,
  activationOf,
  type ClipConfig,
  inferConfig,
  tensorShapes,
  type ToldConfig,
  unfit,
} from "../config.ts";
import { readBeside } from "./beside.ts";
import { checkNumbers } from "./check_numbers.ts";
import { isKnownQuickGelu } from "./known.ts";
import { openaiTensors, unwrapped } from "./names.ts";
import { refuseOtherModels } from "./other_models.ts";
import { readTensor } from "./read_tensor.ts";
import { readHeader } from "./safetensors.ts";
import type { RandomAccessFile, StoredTensor } from "./tensor_file.ts";
import { CHECKPOINT_SHELLS, isTorch, modelTensors, readTorchArchive } from "./torch_archive.ts";
import { openJoined, weightFiles, weightsSha256 } from "./weight_files.ts";

/** How a file stores the weights. */
export type WeightsLayout = `${"openai" | "hugging-face"}-${"safetensors" | "state-dict" | "torchscript"}`;

/** The weights of a CLIP, from {@linkcode loadWeights}. */
export interface ClipWeights {
  /** Sizes, read off the shapes, and what lies beside the file says of the rest. */
  readonly config: ClipConfig;
  /** Of the file, in lower-case hexadecimal; of several, of their hashes. */
  readonly sha256: string;
  /** The file or folder, as it was given. */
  readonly path: string;
  /** What the file was found to be. */
  readonly layout: WeightsLayout;
  /** What a user should be told, a sentence each: an activation that is assumed, say. */
  readonly notes: readonly string[];
  /** OpenAI's names of all tensors. */
  names(): string[];
  /** A tensor under OpenAI's name, float32; read again at each call. Throws {@linkcode Error} for an unknown name. */
  tensor(name: string): HostTensor;
}

/**
 * Opens the weights of a CLIP in any of the layouts above, and looks at all of their numbers.
 *
 * @param path a file, or a folder as Hugging Face and open_clip lay it out
 * @param options the activation, where nothing tells it
 * @returns the weights; only the file's directory is in memory
 * @throws {UserError} when it is missing, damaged, or does not hold a CLIP that this kit runs, or its numbers are not
 * finite or a tensor is zero all over
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
export async function loadWeights(
  path: string,
  options: { activation?: "quickgelu" | "gelu" } = {},
): Promise<ClipWeights> {
  const weights = await describeWeights(path, options);
  checkNumbers(weights);
  return weights;
}

/** {@linkcode loadWeights} without a look at the numbers. */
export async function describeWeights(
  path: string,
  options: { activation?: Activation } = {},
): Promise<ClipWeights> {
  const paths = await weightFiles(path);
  const { files, starts, joined } = openJoined(paths);
  const directories = files.map(readDirectory);
  const { container, openClip } = directories[0];
  const all = new Map<string, StoredTensor>();
  directories.forEach(({ stored }, i) => {
    for (const [name, tensor] of stored) {
      if (all.has(name)) {
        throw unfit(path, `two of its shards hold ${JSON.stringify(name)}`, "give the shards of one model");
      }
      all.set(name, { ...tensor, offset: tensor.offset + starts[i] });
    }
  });
  const stored = unwrapped(all, path);
  refuseOtherModels(stored, path);
  const { naming, tensors } = openaiTensors(stored, path);
  const layout: WeightsLayout = `${naming}-${container}`;
  const told = await readBeside(paths[0], naming);
  const sha256 = await weightsSha256(paths);
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  const found = inferConfig(shapes, path, told);
  const { config, notes } = withActivation(found, {
    path,
    told,
    isOpenai: (layout === "openai-torchscript" && !openClip) || isKnownQuickGelu(sha256),
    asked: options.activation,
  });
  const names = [...tensorShapes(config).keys()];
  return {
    config,
    sha256,
    path,
    layout,
    notes,
    names: () => [...names],
    tensor(name) {
      const recipe = tensors.get(name);
      if (recipe === undefined) throw new Error(`No tensor ${name}`);
      return readTensor(joined, { recipe, name });
    },
  };
}

/**
 * Which activation weights were trained with: the one that is asked for, else what lies beside them tells, else they are
 * OpenAI's own by their hash or by their layout, which are QuickGELU. Where nothing tells, QuickGELU is assumed, and a note
 * says so.
 */
function withActivation(
  config: ClipConfig,
  at: { path: string; told?: ToldConfig; isOpenai: boolean; asked?: Activation },
): { config: ClipConfig; notes: string[] } {
  const { path, told, isOpenai, asked } = at;
  const says = told === undefined ? undefined : activationOf(config);
  if (asked !== undefined) {
    const { image: { activation: _, ...image }, text: { activation: __, ...text } } = config;
    const set = asked === "gelu" ? { activation: asked } : {};
    const notes = says === undefined || says === asked
      ? []
      : [`--activation ${asked} goes over ${told!.from}, which says ${says}.`];
    return { config: { ...config, image: { ...image, ...set }, text: { ...text, ...set } }, notes };
  }
  if (says !== undefined) {
    return { config, notes: says === "quickgelu" ? [] : [`Activation: ${says}, as ${told!.from} says.`] };
  }
  if (isOpenai) return { config, notes: [] };
  return {
    config,
    notes: [
      `Activation: nothing beside ${path} tells which one it was trained with; QuickGELU is assumed, as of OpenAI's models. ` +
      "Most of open_clip's others were trained with the plain GELU: for those, add --activation gelu.",
    ],
  };
}

function readDirectory(
  file: RandomAccessFile,
): { container: "safetensors" | "state-dict" | "torchscript"; openClip: boolean; stored: Map<string, StoredTensor> } {
  if (isTorch(file)) {
    const archive = readTorchArchive(file, { shells: CHECKPOINT_SHELLS });
    const { script, openClip } = archive;
    return { container: script ? "torchscript" : "state-dict", openClip, stored: modelTensors(archive, file.path) };
  }
  refuseText(file);
  return { container: "safetensors", openClip: false, stored: readHeader(file).places };
}

/** A page, a pointer or a configuration in the place of weights. */
function refuseText(file: RandomAccessFile): void {
  const start = new TextDecoder("latin1").decode(file.read(0, Math.min(64, file.size))).trim();
  if (start.length < 8 || !/^[\t\n\r -~]*$/.test(start)) return;
  const advice = start.startsWith("version https://git-lfs")
    ? "it points to a file of Git LFS, which git lfs pull fetches"
    : start.startsWith("<")
    ? "a web page came in its place, download it again"
    : "give the path of the weights";
  throw new UserError(`${file.path} holds text and no weights (${JSON.stringify(start.slice(0, 24))}…): ${advice}.`);
}
