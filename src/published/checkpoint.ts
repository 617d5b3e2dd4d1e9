/**
 * Prompts trained with the published PyTorch code (KaiyangZhou/CoOp, Dassl's `save_checkpoint`): files
 * `prompt_learner/model.pth.tar-N` that hold `{state_dict, epoch, optimizer, scheduler, val_result}`.
 *
 * Taken over are the learned tensors. `token_prefix` and `token_suffix`, the embeddings of the class names that the code
 * stores too, belong to the classes and not to the prompt; they only tell whether model and names are the right ones.
 */
import { readStored } from "../clip/weights/read_tensor.ts";
import { openRandomAccess, type StoredTensor } from "../clip/weights/tensor_file.ts";
import { modelTensors, readTorchArchive } from "../clip/weights/torch_archive.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { META_NET } from "../methods/cocoop.ts";
import { HEAD } from "../methods/dept.ts";
import type { Parameter } from "../optim/sgd.ts";

/** A published prompt, as it was read. */
export interface PublishedPrompt {
  /** Which method its tensors belong to; KgCoOp's are told from CoOp's where there is a head. */
  method: "coop" | "cocoop" | "kgcoop";
  /** Whether DePT's head is among them. */
  head: "none" | "dept";
  /** `ctx` [M, D] or [C, M, D], for CoCoOp the meta-net, and the head, under this kit's names. */
  params: Record<string, Parameter>;
  /** Epochs that it was trained for. */
  epoch: number;
  /** Embeddings of the tokens after the context, [C, 76 − M, D], when the file holds them. */
  suffix?: HostTensor;
  /** Embeddings of the start token, [C, 1, D], when the file holds them. */
  prefix?: HostTensor;
}

/**
 * Optimiser and scheduler are saved as objects; their classes are kept as attributes, are not looked at, and never run.
 */
const SHELLS = [
  "torch.optim.",
  "dassl.optim.",
  "collections.defaultdict",
  "collections.Counter",
  "__builtin__.dict",
  "builtins.dict",
  // A validation result may be one of NumPy's numbers.
  "numpy.dtype",
  "numpy.core.multiarray.scalar",
  "numpy._core.multiarray.scalar",
  "_codecs.encode",
];

const BUFFERS = ["token_prefix", "token_suffix"];

/** What DePT's files hold besides: all of CLIP, and what KgCoOp's code makes and never uses. */
const OF_CLIP = /^(image_encoder\.|text_encoder\.|logit_scale$)/;
const UNUSED_BY_KGCOOP = /^(bias_vectors$|meta_net\.|adapter\.)/;

/**
 * Reads a published checkpoint of CoOp or CoCoOp, or of these and KgCoOp with DePT, `model.pth.tar-50` or `model-best.pth.tar`.
 *
 * @throws {UserError} When it is missing, damaged, of another method, or asks for anything but tensors.
 */
export function readPublishedPrompt(path: string): PublishedPrompt {
  const file = openRandomAccess(path);
  const archive = readTorchArchive(file, { shells: SHELLS });
  const stored = new Map(
    [...modelTensors(archive, path)]
      .map(([name, tensor]) => [name.replace(/^(module\.|prompt_learner\.)+/, ""), tensor]),
  );
  const head = HEAD.every((name) => stored.has(name)) ? "dept" : "none";
  const isKgcoop = head === "dept" && stored.has("bias_vectors");
  for (const name of head === "dept" ? [...stored.keys()] : []) {
    if (OF_CLIP.test(name) || (isKgcoop && UNUSED_BY_KGCOOP.test(name))) stored.delete(name);
  }
  const known = ["ctx", ...META_NET, ...BUFFERS, ...(head === "dept" ? HEAD : [])];
  const foreign = [...stored.keys()].find((name) => !known.includes(name));
  if (foreign !== undefined || !stored.has("ctx")) {
    const what = foreign === undefined ? "it has no tensor ctx" : `its tensor ${JSON.stringify(foreign)} is of none`;
    throw new UserError(`${path} is no prompt of CoOp, CoCoOp or DePT (${what}): only these are imported.`);
  }
  const read = (name: string, tensor: StoredTensor) => {
    const data = readStored(file, { tensor, name });
    if (data.every(Number.isFinite)) return { shape: [...tensor.shape], data };
    throw new UserError(`"${name}" of ${path} holds numbers that are not finite: the training had failed.`);
  };
  const has = META_NET.filter((name) => stored.has(name));
  if (has.length > 0 && has.length < META_NET.length) {
    throw new UserError(`${path} holds a part of CoCoOp's meta-net only: download the file again.`);
  }
  const learned = ["ctx", ...has, ...(head === "dept" ? HEAD : [])];
  const params = Object.fromEntries(learned.map((name) => [name, read(name, stored.get(name)!)]));
  checkShapes(params, path);
  const [prefix, suffix] = BUFFERS.map((name) => stored.get(name) && read(name, stored.get(name)!));
  const C = suffix?.shape[0];
  if (C !== undefined && params.ctx.shape.length === 3 && params.ctx.shape[0] !== C) {
    throw new UserError(
      `${path} has contexts of ${params.ctx.shape[0]} classes and names of ${C}: download the file again.`,
    );
  }
  if (C !== undefined && head === "dept" && params[HEAD[4]].shape[0] !== C) {
    throw new UserError(
      `${path} has a head for ${params[HEAD[4]].shape[0]} classes and names of ${C}: download the file again.`,
    );
  }
  const method = has.length > 0 ? "cocoop" : isKgcoop ? "kgcoop" : "coop";
  return { method, head, params, epoch: epochOf(archive.value, path), prefix, suffix };
}

function checkShapes(params: Record<string, Parameter>, path: string): void {
  const { ctx } = params;
  const D = ctx.shape[ctx.shape.length - 1];
  const [w1, b1, w2, b2] = META_NET.map((name) => params[name]?.shape.join());
  const [hidden, E] = params[META_NET[0]]?.shape ?? [];
  const isWrong = w1 === undefined
    ? ![2, 3].includes(ctx.shape.length)
    : ctx.shape.length !== 2 || E === undefined || b1 !== `${hidden}` || w2 !== `${D},${hidden}` || b2 !== `${D}`;
  const [linear, constants] = HEAD.slice(4).map((name) => params[name]?.shape);
  const isWrongHead = linear !== undefined &&
    (linear.length !== 2 || constants.join() !== `${linear[0]}` ||
      HEAD.slice(0, 4).some((name) => params[name].shape.join() !== `${linear[1]}`));
  if (!isWrong && !isWrongHead) return;
  const shapes = Object.entries(params).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`).join(", ");
  throw new UserError(`The tensors of ${path} do not fit together (${shapes}): download the file again.`);
}

function epochOf(value: unknown, path: string): number {
  const epoch = value instanceof Map ? value.get("epoch") : undefined;
  if (typeof epoch === "number" && Number.isSafeInteger(epoch) && epoch > 0) return epoch;
  throw new UserError(`${path} does not say after how many epochs it was written: it is none of Dassl's checkpoints.`);
}
