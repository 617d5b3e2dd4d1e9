/**
 * Parity of the methods that prompt both towers: logits, losses with their terms, gradients and a trajectory of IVLP, MaPLe
 * and PromptSRC, on the numbers of `deep_*` (the folder's README describes them).
 */
import type { ClipModel } from "../clip/model.ts";
import { toPatches } from "../clip/patches.ts";
import type { HostTensor } from "../engine/ops.ts";
import { ivlp } from "../methods/ivlp.ts";
import { maple } from "../methods/maple.ts";
import type { PromptLearning } from "../methods/method.ts";
import { prometar } from "../methods/prometar.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { divergence, promptsrc, regularisedTerms } from "../methods/promptsrc.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import { addToAverage } from "../optim/prompt_average.ts";
import { openPrompt, type PromptSession } from "../prompt/session.ts";
import type { Fixtures, Tensors } from "./fixtures.ts";
import { type ParityCase, type ParityRow, parityRow, relativeL2 } from "./row.ts";
import { sgdSteps } from "./sgd_steps.ts";

/** A case of `deep_METHOD.json`, as far as the methods share it. */
export interface DeepCase {
  model: string;
  init: string;
  classnames: string[];
  new_classnames: string[];
  momentum: number;
  weight_decay: number;
  steps_per_epoch: number;
  order: number[][];
  lrs: number[];
  losses: number[];
  loss: number | Terms;
  n_ctx?: number;
  depth?: number;
  n_vision?: number;
  n_text?: number;
  depth_vision?: number;
  depth_text?: number;
  text_weight?: number;
  image_weight?: number;
  gpa_weights?: number[];
}

interface Terms {
  ce: number;
  text_l1: number;
  image_l1: number;
  kl: number;
  total: number;
}

const METHODS = { ivlp, maple, promptsrc, prometar } as unknown as Readonly<Record<string, PromptLearning>>;

/** The methods that a folder has cases of. */
export function deepKinds(fixtures: Fixtures): string[] {
  const files = fixtures.names(".json");
  return Object.keys(METHODS).filter((kind) => files.includes(`deep_${kind}`));
}

/** The models that the cases of a folder name. */
export async function deepModels(fixtures: Fixtures): Promise<string[]> {
  const found = new Set<string>();
  for (const kind of deepKinds(fixtures)) {
    const { cases } = await fixtures.json(`deep_${kind}.json`) as { cases: Record<string, DeepCase> };
    for (const { model } of Object.values(cases)) found.add(model);
  }
  return [...found].sort();
}

/** The published names, without the learner's prefix. */
const PREFIX = "prompt_learner.";

/** Tensors of a case by parameter: `CASE/init/…`. */
export function paramsAt(given: Tensors, prefix: string): Record<string, HostTensor> {
  const names = given.names().filter((name) => name.startsWith(prefix));
  return Object.fromEntries(names.map((name) => [name.slice(prefix.length).replace(PREFIX, ""), given.float(name)]));
}

/** Images of the fixtures on a model: patches, stored features, labels. */
export interface DeepImages {
  patches_BNK: HostTensor;
  stored_BE: HostTensor;
  labels: number[];
}

/** The images that belong to a model. */
export async function deepImages(
  model: ClipModel,
  { fixtures, name }: { fixtures: Fixtures; name: string },
): Promise<DeepImages> {
  const given = await fixtures.tensors("deep_images.safetensors");
  // A model without images of its own takes those of the miniature one.
  const key = given.names().includes(`${name}/images`) ? name : "mini4";
  const patches_BNK = toPatches(given.float(`${key}/images`), model.config.image.patch);
  return {
    patches_BNK,
    stored_BE: normalizeRows(await model.encodeImages(patches_BNK)),
    labels: given.integers(`${key}/labels`).data,
  };
}

/** Some images of a batch. */
export function chosen(images: DeepImages, rows: readonly number[]) {
  const take = ({ shape, data }: HostTensor): HostTensor => {
    const size = data.length / shape[0];
    const out = new Float32Array(rows.length * size);
    rows.forEach((row, i) => out.set(data.subarray(row * size, (row + 1) * size), i * size));
    return { shape: [rows.length, ...shape.slice(1)], data: out };
  };
  return {
    imageFeatures_BE: take(images.stored_BE),
    patches_BNK: take(images.patches_BNK),
    labels: rows.map((row) => images.labels[row]),
  };
}

/** The method of a case on some classes, at given parameters. */
export async function methodAt(
  model: ClipModel,
  at: { kind: string; about: DeepCase; classNames: string[]; params: Record<string, HostTensor> },
): Promise<PromptMethod> {
  const { kind, about, classNames, params } = at;
  const method = await METHODS[kind].prompt({
    model,
    classNames,
    template: "a photo of a {}.",
    trains: true,
    random: () => ({ normal: () => 0, uniform: () => 0 }) as never,
    settings: {
      initWords: about.init,
      contextTokens: about.n_ctx,
      depth: about.depth,
      textTokens: about.n_text,
      imageTokens: about.n_vision,
      textDepth: about.depth_text,
      imageDepth: about.depth_vision,
      meta: "second",
      textWeight: about.text_weight,
      imageWeight: about.image_weight,
    } as never,
  });
  return { ...method, params };
}

/** Logits of all images at the session's parameters. */
export async function deepLogits(session: PromptSession, images: DeepImages): Promise<Float32Array> {
  const features = session.encodeImages === undefined
    ? images.stored_BE
    : normalizeRows(await session.encodeImages(images.patches_BNK));
  return (await session.logits(features)).data;
}

/** The rows of one method's cases on one model: `deep_METHOD.*`. */
export async function deepRows(
  model: ClipModel,
  options: { fixtures: Fixtures; name: string; kind: string },
): Promise<ParityRow[]> {
  const { fixtures, name, kind } = options;
  const { cases } = await fixtures.json(`deep_${kind}.json`) as { cases: Record<string, DeepCase> };
  const mine = Object.entries(cases).filter(([, about]) => about.model === name);
  if (mine.length === 0) return [];
  const given = await fixtures.tensors(`deep_${kind}.safetensors`);
  const images = await deepImages(model, { fixtures, name });
  const found = { logits: [], terms: [], gradients: [], frozen: [], losses: [], params: [], final: [] } as Record<
    string,
    ParityCase[]
  >;
  for (const [key, about] of mine) {
    const at = { kind, about, key, given, images, found };
    const isKept = about.gpa_weights !== undefined;
    const session = await openAt(model, at, { classNames: about.classnames, params: paramsAt(given, `${key}/init/`) });
    await compareStart(session, at);
    const average = await compareTrajectory(session, at);
    const logitsAt = async (stage: string, params: PromptSession["params"], classNames: string[]) => {
      const other = await openAt(model, at, { classNames, params });
      found.final.push({
        name: `${key} ${stage}`,
        difference: relativeL2(await deepLogits(other, images), given.float(`${key}/${stage}`).data),
      });
      await other.dispose();
    };
    await logitsAt("final_logits", session.params, about.classnames);
    if (isKept) await logitsAt("gpa_logits", average, about.classnames);
    await logitsAt("new_logits", isKept ? average : session.params, about.new_classnames);
    await session.dispose();
  }
  const row = (stage: string, tolerance: number, cases: ParityCase[], unit = "relative L2") =>
    parityRow({ stage: `${name} ${kind}: ${stage}`, engine: model.engine.name, tolerance, unit }, cases);
  return [
    row("logits", 2e-5, found.logits),
    row("loss and terms", 2e-5, found.terms, "relative"),
    row("gradients", 1e-4, found.gradients),
    ...(found.frozen.length > 0 ? [row("frozen features", 2e-5, found.frozen)] : []),
    row("losses of the steps", 1e-4, found.losses, "relative"),
    row("parameters after SGD", 1e-3, found.params),
    row("logits after SGD", 1e-3, found.final),
  ];
}

interface CaseAt {
  kind: string;
  about: DeepCase;
  key: string;
  given: Tensors;
  images: DeepImages;
  found: Record<string, ParityCase[]>;
}

async function openAt(
  model: ClipModel,
  { kind, about }: CaseAt,
  { classNames, params }: { classNames: string[]; params: Record<string, HostTensor> },
): Promise<PromptSession> {
  const method = await methodAt(model, { kind, about, classNames, params });
  // The terms besides, to be read; the first loss is what is descended.
  const withTerms: PromptMethod = kind !== "promptsrc" ? method : {
    ...method,
    losses(ops, inputs) {
      const { ce, textL1, imageL1 } = regularisedTerms(ops, inputs);
      return [...method.losses(ops, inputs), ce, textL1, imageL1, divergence(ops, inputs, ce)];
    },
  };
  return await openPrompt(model, { method: withTerms, classNames });
}

/** Logits, loss, terms, gradients and frozen features at the initial parameters. */
async function compareStart(session: PromptSession, { about, key, given, images, found }: CaseAt): Promise<void> {
  found.logits.push({
    name: key,
    difference: relativeL2(await deepLogits(session, images), given.float(`${key}/logits`).data),
  });
  const { losses, gradients } = await session.step(chosen(images, images.labels.map((_, i) => i)));
  const { loss } = about;
  const wanted = typeof loss === "number" ? [loss] : [loss.total, loss.ce, loss.text_l1, loss.image_l1, loss.kl];
  wanted.forEach((value, i) =>
    found.terms.push({ name: `${key} term ${i}`, difference: Math.abs(losses[i] - value) / Math.abs(value) })
  );
  for (const [param, { data }] of Object.entries(paramsAt(given, `${key}/grad/`))) {
    found.gradients.push({ name: `${key} ${param}`, difference: relativeL2(gradients[param], data) });
  }
  if (about.gpa_weights !== undefined) found.frozen.push(...frozenCases(session, { key, given, images }));
}

/** The frozen features that a method's prompts stay near. */
export function frozenCases(
  session: PromptSession,
  { key, given, images }: { key: string; given: Tensors; images: DeepImages },
): ParityCase[] {
  const text = normalizeRows(given.float(`${key}/frozen_text`));
  return [
    { name: `${key} text`, difference: relativeL2(session.method.frozen!.frozen_text.data, text.data) },
    { name: `${key} images`, difference: relativeL2(images.stored_BE.data, given.float(`${key}/frozen_images`).data) },
  ];
}

/** All steps; gives the average of the epochs' parameters. */
async function compareTrajectory(session: PromptSession, at: CaseAt): Promise<PromptSession["params"]> {
  const { about, key, given, images, found } = at;
  const sums: Record<string, Float64Array> = {};
  const sgd = sgdSteps(session, {
    images: about.order[0].length,
    momentum: about.momentum,
    weightDecay: about.weight_decay,
  });
  for (const [step, rows] of about.order.entries()) {
    const loss = await sgd.step(chosen(images, rows), about.lrs[step]);
    const wanted = about.losses[step];
    found.losses.push({ name: `${key} step ${step + 1}`, difference: Math.abs(loss - wanted) / Math.abs(wanted) });
    const isLast = (step + 1) % about.steps_per_epoch === 0;
    if (about.gpa_weights && isLast) {
      addToAverage(sums, session.params, about.gpa_weights[(step + 1) / about.steps_per_epoch - 1]);
    }
  }
  await sgd.close();
  const compare = (stage: string, params: Record<string, { data: ArrayLike<number> }>) => {
    for (const [param, { data }] of Object.entries(paramsAt(given, `${key}/${stage}/`))) {
      found.params.push({ name: `${key} ${stage} ${param}`, difference: relativeL2(params[param].data, data) });
    }
  };
  compare("final", session.params);
  const average = Object.fromEntries(
    Object.entries(sums).map((
      [name, sum],
    ) => [name, { shape: session.params[name].shape, data: Float32Array.from(sum) }]),
  );
  if (about.gpa_weights) compare("gpa", average);
  return average;
}
