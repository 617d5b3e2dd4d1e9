/**
 * Prompts trained with the published PyTorch code (KaiyangZhou/CoOp and what was built on it, Dassl's `save_checkpoint`):
 * files `prompt_learner/model.pth.tar-N`, `MultiModalPromptLearner/…` or `VLPromptLearner/…` that hold
 * `{state_dict, epoch, optimizer, scheduler, val_result}`. The latter two hold the whole CLIP; tensors stay on the disk
 * until they are asked for.
 *
 * Taken over are the learned tensors. `token_prefix` and `token_suffix`, the embeddings of the class names that the code
 * stores too, belong to the classes and not to the prompt; they only tell whether model and names are the right ones.
 */
import { readStored } from "../clip/weights/read_tensor.ts";
import { openRandomAccess, type RandomAccessFile, type StoredTensor } from "../clip/weights/tensor_file.ts";
import { DTYPE_BYTES } from "../clip/weights/dtype.ts";
import { CHECKPOINT_SHELLS, modelTensors, readTorchArchive } from "../clip/weights/torch_archive.ts";
import { UserError } from "../errors.ts";
import type { Parameter } from "../optim/sgd.ts";
import { type Layout, layoutOf } from "./layouts.ts";

/** Embeddings of a prompt's fixed tokens, [C, S, D]; read a class at a time, since those of 1,000 classes are large. */
export interface TokenRows {
  readonly shape: readonly number[];
  /** The S rows [D] of a class. */
  rows(c: number): Float32Array[];
}

/** A tensor of CLIP in a checkpoint. */
export interface FrozenTensor extends StoredTensor {
  /** As the file calls it: `image_encoder.conv1.weight`. */
  stored: string;
  /** As OpenAI calls it: `visual.conv1.weight`. */
  name: string;
}

/** A published prompt, as it was read. */
export interface PublishedPrompt {
  /** Whose tensors these are. */
  layout: Layout;
  /** What was learned, under this kit's names: `ctx` [M, D] or [C, M, D], … */
  params: Record<string, Parameter>;
  /** Epochs that it was trained for. */
  epoch: number;
  /** Embeddings of the tokens after the context, [C, 76 − M, D], when the file holds them. */
  suffix?: TokenRows;
  /** Embeddings of the start token, [C, 1, D], when the file holds them. */
  prefix?: TokenRows;
  /** The CLIP that the file holds besides, the image tower twice in some. */
  frozen: FrozenTensor[];
  file: RandomAccessFile;
  /** How often what is frozen was rounded: more than once where it went through an average of epochs. */
  roundings?: number;
}

/** What is computed anew: texts of the class names, the teacher's features of them, and ProMetaR's net, which ends with the training. */
const COMPUTED =
  /^(token_prefix|token_suffix|token_midfix|tokenized_prompts|fixed_embeddings|(.*\.)?attn_mask|(vnet\.)?linear_\w+_gamma\..*)$/;

/** CLIP's parts in the published models, and what they are called in OpenAI's. */
const PARTS: readonly [RegExp, string][] = [
  [/^(ZS_)?image_encoder\./, "visual."],
  [/^text_encoder\./, ""],
  [/^(?=logit_scale$)/, ""],
];

/**
 * Reads a published checkpoint, `model.pth.tar-50` or `model-best.pth.tar`.
 *
 * @throws {UserError} when it is missing, damaged, of a method that is not imported, or asks for anything but tensors
 */
export function readPublishedPrompt(path: string): PublishedPrompt {
  const file = openRandomAccess(path);
  const archive = readTorchArchive(file, { shells: CHECKPOINT_SHELLS });
  const stored = new Map(
    [...modelTensors(archive, path)]
      .map(([name, tensor]) => [name.replace(/^(module\.|prompt_learner\.)+/, ""), tensor]),
  );
  const layout = layoutOf(new Map([...stored].map(([name, { shape }]) => [name, shape])), path);
  const params: Record<string, Parameter> = {};
  const frozen: FrozenTensor[] = [];
  for (const [name, tensor] of stored) {
    if (layout.learned.test(name)) params[name] = readLearned(file, { tensor, name });
    else if (!COMPUTED.test(name) && !layout.unused?.(name, { text: Infinity, image: Infinity })) {
      const part = PARTS.find(([pattern]) => pattern.test(name));
      if (part === undefined) {
        throw new UserError(
          `${path} holds the tensor ${JSON.stringify(name)}, which is of no method whose prompts are imported.`,
        );
      }
      frozen.push({ ...tensor, stored: name, name: name.replace(...part) });
    }
  }
  const { ctx } = params;
  const [prefix, suffix] = ["token_prefix", "token_suffix"].map((name) =>
    stored.has(name) ? tokenRows(file, { tensor: stored.get(name)!, name, width: ctx.shape.at(-1)! }) : undefined
  );
  const C = suffix?.shape[0];
  if (C !== undefined && ctx.shape.length === 3 && ctx.shape[0] !== C) {
    throw new UserError(`${path} has contexts of ${ctx.shape[0]} classes and names of ${C}: download the file again.`);
  }
  return { layout, params, epoch: epochOf(archive.value, path), prefix, suffix, frozen, file };
}

function readLearned(file: RandomAccessFile, at: { tensor: StoredTensor; name: string }): Parameter {
  const data = readStored(file, at);
  if (data.every(Number.isFinite)) return { shape: [...at.tensor.shape], data };
  throw new UserError(`"${at.name}" of ${file.path} holds numbers that are not finite: the training had failed.`);
}

function tokenRows(
  file: RandomAccessFile,
  { tensor, name, width }: { tensor: StoredTensor; name: string; width: number },
): TokenRows {
  const [C, S, D] = tensor.shape;
  if (tensor.shape.length !== 3 || D !== width || C === 0 || S === 0) {
    const shape = tensor.shape.join(", ");
    throw new UserError(`"${name}" of ${file.path} is [${shape}] beside tokens of ${width}: download the file again.`);
  }
  const step = (tensor.strides?.[0] ?? S * D) * DTYPE_BYTES[tensor.dtype];
  return {
    shape: tensor.shape,
    rows(c) {
      const one = { ...tensor, shape: [S, D], strides: tensor.strides?.slice(1), offset: tensor.offset + c * step };
      const { data } = readLearned(file, { tensor: one, name });
      return Array.from({ length: S }, (_, s) => data.subarray(s * D, (s + 1) * D));
    },
  };
}

function epochOf(value: unknown, path: string): number {
  const epoch = value instanceof Map ? value.get("epoch") : undefined;
  if (typeof epoch === "number" && Number.isSafeInteger(epoch) && epoch > 0) return epoch;
  throw new UserError(`${path} does not say after how many epochs it was written: it is none of Dassl's checkpoints.`);
}
