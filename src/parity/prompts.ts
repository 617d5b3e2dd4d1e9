/**
 * Parity of the methods: logits, gradients and forty steps of training of CoOp and CoCoOp.
 */
import type { ClipModel } from "../clip/model.ts";
import { toPatches } from "../clip/patches.ts";
import type { ClassTokenPosition } from "../clip/prompt_layout.ts";
import type { HostTensor } from "../engine/ops.ts";
import { cocoopPrompt } from "../methods/cocoop.ts";
import { coopPrompt } from "../methods/coop.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { normalizeRows } from "../methods/zero_shot.ts";
import { learningRate } from "../optim/schedule.ts";
import { openPrompt } from "../prompt/session.ts";
import type { Fixtures, Tensors } from "./fixtures.ts";
import { caseLists, type ParityCase, type ParityRow, parityRow, relativeL2 } from "./row.ts";
import { sgdSteps } from "./sgd_steps.ts";

/** A case of `NAME_prompts.json`. */
interface PromptCase {
  kind: "coop" | "cocoop";
  n_ctx: number;
  init: string;
  pos?: ClassTokenPosition;
  csc?: boolean;
  losses: number[];
  order: number[][];
  lr: number;
  momentum: number;
  weight_decay: number;
  epochs: number;
  steps_per_epoch: number;
  warmup_lr: number;
}

/** The method, with this kit's start: of initial words their tokens, otherwise no numbers. */
function methodOf(about: PromptCase, { model, classes }: { model: ClipModel; classes: number }): PromptMethod {
  const start = { contextTokens: about.n_ctx, initWords: about.init, model, random: { normal: () => NaN } };
  return about.kind === "cocoop"
    ? cocoopPrompt({ ...start, embedding: model.config.embedding, metaNetRandom: { uniform: () => NaN } })
    : coopPrompt({ ...start, classes, classSpecific: about.csc ?? false, classTokenPosition: about.pos ?? "end" });
}

function take(features: HostTensor, rows: readonly number[]): HostTensor {
  const E = features.shape[1];
  const data = new Float32Array(rows.length * E);
  rows.forEach((row, i) => data.set(features.data.subarray(row * E, (row + 1) * E), i * E));
  return { shape: [rows.length, E], data };
}

function paramsAt(given: Tensors, prefix: string): Record<string, HostTensor> {
  const names = given.names().filter((name) => name.startsWith(prefix));
  return Object.fromEntries(names.map((name) => [name.slice(prefix.length), given.float(name)]));
}

/** The rows of one model: `NAME_prompts.*`. */
export async function promptRows(
  model: ClipModel,
  options: { fixtures: Fixtures; name: string },
): Promise<ParityRow[]> {
  const { fixtures, name } = options;
  const given = await fixtures.tensors(`${name}_prompts.safetensors`);
  const { classnames, cases } = await fixtures.json(`${name}_prompts.json`) as {
    classnames: string[];
    cases: Record<string, PromptCase>;
  };
  const images = normalizeRows(await model.encodeImages(toPatches(given.float("images"), model.config.image.patch)));
  const labels = given.integers("labels").data;
  const found = caseLists("initial", "logits", "gradients", "losses", "params", "final");

  for (const [key, about] of Object.entries(cases)) {
    const init = paramsAt(given, `${key}/init/`);
    const method = methodOf(about, { model, classes: classnames.length });
    if (about.init !== "") {
      // The words' embeddings are ours to find: the fixture's start is what they must be.
      found.initial.push({ name: key, difference: relativeL2(method.params.ctx.data, init.ctx.data) });
    }
    const session = await openPrompt(model, { method: { ...method, params: init }, classNames: classnames });
    const logits = async () => (await session.logits(images)).data;
    found.logits.push({ name: key, difference: relativeL2(await logits(), given.float(`${key}/logits`).data) });

    const { gradients } = await session.step({ imageFeatures_BE: images, labels });
    for (const [param, wanted] of Object.entries(paramsAt(given, `${key}/grad/`))) {
      found.gradients.push({ name: `${key} ${param}`, difference: relativeL2(gradients[param], wanted.data) });
    }

    const sgd = sgdSteps(session, {
      images: about.order[0].length,
      momentum: about.momentum,
      weightDecay: about.weight_decay,
    });
    for (const [step, rows] of about.order.entries()) {
      const rate = learningRate(Math.floor(step / about.steps_per_epoch) + 1, {
        rate: about.lr,
        epochs: about.epochs,
        warmupEpochs: 1,
        warmupRate: about.warmup_lr,
      });
      const loss = await sgd.step(
        { imageFeatures_BE: take(images, rows), labels: rows.map((row) => labels[row]) },
        rate,
      );
      found.losses.push({
        name: `${key} step ${step + 1}`,
        difference: Math.abs(loss - about.losses[step]) / Math.abs(about.losses[step]),
      });
    }
    await sgd.close();
    for (const [param, wanted] of Object.entries(paramsAt(given, `${key}/final/`))) {
      found.params.push({ name: `${key} ${param}`, difference: relativeL2(session.params[param].data, wanted.data) });
    }
    found.final.push({ name: key, difference: relativeL2(await logits(), given.float(`${key}/final_logits`).data) });
    await session.dispose();
  }

  const row = (stage: string, tolerance: number, cases: ParityCase[], unit = "relative L2") =>
    parityRow({ stage: `${name}: ${stage}`, engine: model.engine.name, tolerance, unit }, cases);
  return [
    row("initial words as tokens", 1e-6, found.initial),
    row("logits", 2e-5, found.logits),
    row("gradients", 1e-4, found.gradients),
    row("losses of the SGD steps", 1e-4, found.losses, "relative"),
    row("parameters after the SGD steps", 1e-3, found.params),
    row("logits after the SGD steps", 1e-3, found.final),
  ];
}
