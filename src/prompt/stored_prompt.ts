/** A learned prompt by itself, from a checkpoint: what it is, which model it belongs to, and its use on any classes. */
import type { ClipModel } from "../clip/model.ts";
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { spokenName } from "../clip/spoken_name.ts";
import { UserError } from "../errors.ts";
import { cocoopPrompt, META_NET } from "../methods/cocoop.ts";
import { coopPrompt } from "../methods/coop.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import type { Parameter } from "../optim/sgd.ts";
import { openPrompt, type PromptSession } from "./session.ts";

/** A learned prompt, from {@linkcode storedPrompt}. */
export interface StoredPrompt {
  /** As in reports: `coop`, `cocoop`, `kgcoop`, … */
  method: string;
  /** `ctx` [M, D], or [C, M, D] when class-specific; for CoCoOp also the meta-net. */
  params: Record<string, Parameter>;
  /** Where the class name is among the learned tokens. */
  classTokenPosition: ClassTokenPosition;
  /** The classes that it was trained on, in order. */
  classesSeen: string[];
  /** Name and hash of the weights that it was trained with. */
  model: { name: string; sha256: string };
}

/** The part of a checkpoint that a prompt is: learned tensors, and what the writer said of the run. */
export interface SavedPrompt {
  /** Of the last step. */
  state: { params: Record<string, Parameter> };
  /** Method, model, classes, … by name. */
  metadata: Record<string, string>;
}

/**
 * What a checkpoint says of its prompt.
 *
 * @throws {UserError} When it does not say which model and classes it belongs to.
 */
export function storedPrompt({ state, metadata }: SavedPrompt, where: string): StoredPrompt {
  const need = (name: string) => {
    if (metadata[name]) return metadata[name];
    throw new UserError(`${where} does not say its ${name.replaceAll("-", " ")}: it is no prompt of this kit.`);
  };
  const position = metadata["class-token-position"] ?? "end";
  if (position !== "end" && position !== "middle" && position !== "front") {
    throw new UserError(
      `${where} has the unknown class token position ${JSON.stringify(position)}: download the file again.`,
    );
  }
  if (!state.params.ctx) throw new UserError(`${where} holds no context tokens: it is no prompt of this kit.`);
  return {
    method: need("method"),
    params: state.params,
    classTokenPosition: position,
    classesSeen: readNames(need("classes-seen"), where),
    model: { name: need("model"), sha256: need("model-sha256") },
  };
}

function readNames(text: string, where: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string")) return names;
  } catch {
    // Reported below.
  }
  throw new UserError(`${where} does not list the classes that it was trained on: download the file again.`);
}

/**
 * Opens a learned prompt on classes of the caller's choice.
 *
 * @throws {UserError} When the model is another one, or each class has a context of its own and a new one is named.
 */
export async function openStoredPrompt(
  prompt: StoredPrompt,
  options: { model: ClipModel; classNames: readonly string[] },
): Promise<PromptSession> {
  const { model, classNames } = options;
  if (model.sha256 !== prompt.model.sha256) {
    throw new UserError(
      `The prompt was trained with ${prompt.model.name} (sha256 ${
        prompt.model.sha256.slice(0, 12)
      }…), and these are other ` +
        `weights (${model.sha256.slice(0, 12)}…): give the same with --model.`,
    );
  }
  const ctx = contextsOf(prompt, classNames);
  const [M, D] = ctx.shape.slice(-2);
  if (D !== model.config.text.width) {
    throw new UserError(`The prompt's tokens have ${D} numbers and the model's ${model.config.text.width}.`);
  }
  const session = await openPrompt(model, { method: methodOf(prompt, { ...options, M }), classNames });
  for (const [name, { data }] of Object.entries({ ...prompt.params, ctx })) {
    if (session.params[name]?.data.length !== data.length) {
      await session.dispose();
      throw new UserError(`The prompt's "${name}" does not fit the model: download the file again.`);
    }
    session.params[name].data.set(data);
  }
  return session;
}

/** Every method of this kit gives its logits as CoOp or as CoCoOp; they differ in how they train. */
function methodOf(
  prompt: StoredPrompt,
  { model, classNames, M }: { model: ClipModel; classNames: readonly string[]; M: number },
): PromptMethod {
  // No random numbers are drawn: the stored numbers replace the initial ones.
  const start = { model, contextTokens: M, random: { normal: () => 0 } };
  if (META_NET[0] in prompt.params) {
    return cocoopPrompt({ ...start, embedding: model.config.embedding, metaNetRandom: { uniform: () => 0 } });
  }
  return coopPrompt({
    ...start,
    classSpecific: prompt.params.ctx.shape.length === 3,
    classTokenPosition: prompt.classTokenPosition,
    classes: classNames.length,
  });
}

/** The contexts for some classes: the one of all, or each class's own. */
function contextsOf({ params: { ctx }, classesSeen }: StoredPrompt, classNames: readonly string[]): Parameter {
  if (ctx.shape.length === 2) return ctx;
  const [, M, D] = ctx.shape;
  const plain = (name: string) => spokenName(name).toLowerCase();
  const rows = classNames.map((name) => {
    const at = classesSeen.findIndex((seen) => plain(seen) === plain(name));
    if (at >= 0) return ctx.data.subarray(at * M * D, (at + 1) * M * D);
    throw new UserError(
      `The prompt has a context for each class that it was trained on, and none for "${name}": it knows ` +
        `${classesSeen.join(", ")}.`,
    );
  });
  const data = new Float32Array(rows.length * M * D);
  rows.forEach((row, c) => data.set(row, c * M * D));
  return { shape: [rows.length, M, D], data };
}
