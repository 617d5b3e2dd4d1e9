/** A learned prompt by itself, from a checkpoint: what it is, which model it belongs to, and its use on any classes. */
import type { ClipModel } from "../clip/model.ts";
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { spokenName } from "../clip/spoken_name.ts";
import { UserError } from "../errors.ts";
import { cocoopPrompt, META_NET } from "../methods/cocoop.ts";
import { coopPrompt } from "../methods/coop.ts";
import { namedStream } from "../data/random.ts";
import { ivlp } from "../methods/ivlp.ts";
import { maple } from "../methods/maple.ts";
import type { PromptLearning } from "../methods/method.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { defaultOf, flagName } from "../methods/setting.ts";
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
  /** The settings that it was trained with, as texts by flag; methods inside the towers need theirs. */
  settings?: Record<string, string>;
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
 * @param checkpoint From `decodeCheckpoint`.
 * @param where The file, for messages.
 * @throws {UserError} When it does not say which model and classes it belongs to.
 *
 * @example
 * ```ts
 * import { decodeCheckpoint, encodeCheckpoint } from "../train/checkpoint.ts";
 * import { storedPrompt } from "./stored_prompt.ts";
 *
 * const params = { ctx: { shape: [1, 2], data: Float32Array.of(1, 2) } };
 * const state = { step: 0, losses: [], params, velocity: {}, order: [] };
 * const metadata = { method: "coop", model: "sample", "model-sha256": "45dd", "classes-seen": '["River"]' };
 * const where = "checkpoint-0100.safetensors";
 * const { method, classesSeen } = storedPrompt(decodeCheckpoint(encodeCheckpoint(state, metadata), where), where);
 * if (method !== "coop" || classesSeen[0] !== "River") throw new Error("unexpected");
 * ```
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
    settings: metadata,
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
 * @param prompt From {@linkcode storedPrompt}.
 * @param options The model, which must be the one that it was trained with, and the classes.
 * @returns A session at the stored numbers; whoever opened it disposes it.
 * @throws {UserError} When the model is another one, or each class has a context of its own and a new one is named.
 *
 * @example A learned prompt on a class that it never saw
 * ```ts
 * import { loadModel, loadTokenizer, loadWeights, openEngine } from "@prompt-kit/clip-prompts";
 * import { openStoredPrompt } from "./stored_prompt.ts";
 *
 * const engine = await openEngine("cpu");
 * const weights = await loadWeights("data/sample/model.safetensors");
 * const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
 * const D = model.config.text.width;
 * const prompt = {
 *   ...{ method: "coop", classTokenPosition: "end" as const, classesSeen: ["River"] },
 *   params: { ctx: { shape: [4, D], data: new Float32Array(4 * D).fill(0.01) } },
 *   model: { name: "sample", sha256: model.sha256 },
 * };
 * const session = await openStoredPrompt(prompt, { model, classNames: ["Forest"] });
 * if (session.params.ctx.data[0] !== Math.fround(0.01)) throw new Error("unexpected");
 * ```
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
  const session = await openPrompt(model, { method: await methodOf(prompt, { ...options, M }), classNames });
  for (const [name, { data }] of Object.entries({ ...prompt.params, ctx })) {
    if (session.params[name]?.data.length !== data.length) {
      await session.dispose();
      throw new UserError(`The prompt's "${name}" does not fit the model: download the file again.`);
    }
    session.params[name].data.set(data);
  }
  return session;
}

/**
 * Every method of this kit gives its logits as CoOp, CoCoOp, MaPLe or IVLP; they differ in how they train.
 *
 * @throws {UserError} when a prompt inside the towers does not say how long and deep it is
 */
async function methodOf(
  prompt: StoredPrompt,
  { model, classNames, M }: { model: ClipModel; classNames: readonly string[]; M: number },
): Promise<PromptMethod> {
  // No random numbers are drawn: the stored numbers replace the initial ones.
  const start = { model, contextTokens: M, random: { normal: () => 0 } };
  const deep = Object.keys(prompt.params).find((name) =>
    /^(compound_prompts|proj\.|text_encoder|image_encoder)/.test(name)
  );
  if (deep !== undefined) return await towerMethod(prompt, { model, classNames });
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

/** A method inside the towers, with the lengths and depths that the checkpoint tells. */
async function towerMethod(
  { params, settings }: StoredPrompt,
  { model, classNames }: { model: ClipModel; classNames: readonly string[] },
): Promise<PromptMethod> {
  const method = ("proj.weight" in params ? maple : ivlp) as unknown as PromptLearning;
  const values = Object.entries(method.settings).map(([name, setting]) => {
    const text = settings?.[flagName(name)];
    return [name, text === undefined ? defaultOf(setting, 1) : setting.parse(text, flagName(name))];
  });
  return await method.prompt({
    model,
    classNames: [...classNames],
    settings: Object.fromEntries(values),
    template: "",
    random: (name) => namedStream(0, name),
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
