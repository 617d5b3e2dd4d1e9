/** A learned prompt by itself, from a checkpoint: what it is, which model it belongs to, and its use on any classes. */
import { activationOf } from "../clip/config.ts";
import type { ClipModel } from "../clip/model.ts";
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import { placesIn } from "../clip/spoken_name.ts";
import { fitsALine, UserError } from "../errors.ts";
import { namedStream } from "../data/random.ts";
import { KIT_METHODS } from "../methods/kit.ts";
import { learnsPrompts, type Method, type PromptLearning, publishedValues, withVariants } from "../methods/method.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { flagName } from "../methods/setting.ts";
import type { Parameter } from "../optim/sgd.ts";
import { openPrompt, type PromptSession } from "./session.ts";

/** A learned prompt, from {@linkcode storedPrompt}. */
export interface StoredPrompt {
  /** As in reports: `coop`, `cocoop`, `kgcoop`, … */
  method: string;
  /** `ctx` [M, D], or [C, M, D] when class-specific; for CoCoOp also the meta-net, for MMRL tokens of another space. */
  params: Record<string, Parameter>;
  /** Where the class name is among the learned tokens. */
  classTokenPosition: ClassTokenPosition;
  /** The classes that it was trained on, in order. */
  classesSeen: string[];
  /** Name and hash of the weights that it was trained with. */
  model: { name: string; sha256: string };
  /** The settings that it was trained with, as texts by flag. */
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
  return {
    method: need("method"),
    params: state.params,
    classTokenPosition: position,
    classesSeen: readNames(need("classes-seen"), where),
    model: { name: need("model"), sha256: need("model-sha256") },
    settings: metadata,
  };
}

/** On what a stored prompt is opened. */
export interface OpenOptions {
  model: ClipModel;
  classNames: readonly string[];
  /** The method that learned it, where that is not the kit's. */
  method?: PromptLearning;
}

/** The classes that a checkpoint's text lists. Throws UserError where it lists none. */
export function readNames(text: string, where: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    const isName = (name: unknown) => typeof name === "string" && fitsALine(name);
    if (Array.isArray(names) && names.length > 0 && names.every(isName)) return names;
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
  options: OpenOptions,
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
  const [trained, here] = [prompt.settings?.activation, activationOf(model.config)];
  if (trained !== undefined && trained !== here) {
    throw new UserError(
      `The prompt was trained with the activation ${trained} and the model computes ${here}: add --activation ${trained}.`,
    );
  }
  const { ctx } = prompt.params;
  const D = ctx?.shape[ctx.shape.length - 1];
  if (D !== undefined && D !== model.config.text.width) {
    throw new UserError(`The prompt's tokens have ${D} numbers and the model's ${model.config.text.width}.`);
  }
  const params = ctx === undefined ? prompt.params : { ...prompt.params, ctx: contextsOf(prompt, classNames) };
  const session = await openPrompt(model, { method: await methodOf(prompt, options), classNames });
  for (const name of Object.keys({ ...session.params, ...params })) {
    const { data } = params[name] ?? { data: [] };
    if (session.params[name]?.data.length !== data.length) {
      await session.dispose();
      throw new UserError(`The prompt's "${name}" does not fit the model: download the file again.`);
    }
    session.params[name].data.set(params[name].data);
  }
  return session;
}

/** The method of a prompt at the settings that it was trained with; only its logits are asked for. */
async function methodOf(
  prompt: StoredPrompt,
  { model, classNames, method = kitMethod(prompt.method) }: OpenOptions,
): Promise<PromptMethod> {
  const { ctx } = prompt.params;
  const values = {
    ...publishedValues(method as unknown as Method, null, 1),
    classTokenPosition: prompt.classTokenPosition,
    classSpecific: ctx?.shape.length === 3,
    ...storedValues(method, { metadata: prompt.settings ?? {}, state: prompt }),
  };
  return await method.prompt({
    model,
    classNames: [...classNames],
    classesSeen: prompt.classesSeen,
    settings: values,
    template: prompt.settings?.template ?? PLAIN_TEMPLATE,
    dataset: prompt.settings?.dataset,
    learnedOn: prompt.settings?.dataset,
    random: (name) => namedStream(0, name),
    trains: false,
  });
}

/** The data set's template for a prompt that does not say it: its logits do not depend on it. */
const PLAIN_TEMPLATE = "a photo of a {}.";

function kitMethod(name: string): PromptLearning {
  const method = KIT_METHODS.flatMap(withVariants).filter(learnsPrompts).find((one) => one.name === name);
  if (method !== undefined) return method;
  throw new UserError(
    `The prompt was learned by ${name}, which is not a method of the kit: give the method's file with --method FILE.`,
  );
}

/** The settings that a prompt was trained with, from what its checkpoint says. */
export function storedValues(
  method: PromptLearning,
  { metadata, state: { params } }: SavedPrompt,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(method.settings)) {
    const text = metadata[flagName(name)];
    if (text !== undefined) values[name] = setting.parse(text, `${flagName(name)} of the stored prompt`);
  }
  // Imported by 0.1.0: the length of the context stands in its tensor alone.
  const { ctx } = params;
  if (!("contextTokens" in values) && "contextTokens" in method.settings && ctx !== undefined) {
    values.contextTokens = ctx.shape[ctx.shape.length - 2];
    values.initWords = "";
  }
  return values;
}

/** The contexts for some classes: the one of all, or each class's own. */
function contextsOf({ params: { ctx }, classesSeen }: StoredPrompt, classNames: readonly string[]): Parameter {
  if (ctx.shape.length === 2) return ctx;
  const [, M, D] = ctx.shape;
  const places = placesIn(classesSeen, classNames);
  const rows = classNames.map((name, c) => {
    const at = places[c];
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
