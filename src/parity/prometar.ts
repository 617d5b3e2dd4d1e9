/** Parity of ProMetaR: step 0 in parts, the regulariser net's gradient, and the trajectory, on the numbers of `deep_prometar`. */
import type { ClipModel } from "../clip/model.ts";
import { type Parameter, sgdStep, type Velocity } from "../optim/sgd.ts";
import type { PromptMethod } from "../methods/prompt_method.ts";
import { openPrompt, type PromptSession } from "../prompt/session.ts";
import {
  chosen,
  type DeepCase,
  type DeepImages,
  deepImages,
  deepLogits,
  frozenCases,
  methodAt,
  paramsAt,
} from "./deep.ts";
import type { Fixtures, Tensors } from "./fixtures.ts";
import { type ParityCase, type ParityRow, parityRow, relativeL2 } from "./row.ts";

/** The task's loss and the regulariser's distances, before their weights. */
interface Terms {
  ce: number;
  text_l1: number;
  image_l1: number;
}

/** A draw of the published run; indices count images. Null where the batch has one label only. */
interface Draw {
  query: number[] | null;
  support: number[] | null;
  mix: number[] | null;
  lambda: number[] | null;
}

type MetaCase = Omit<DeepCase, "loss"> & {
  adapt_lr: number;
  outer_ratio: number;
  first_order: boolean;
  v_warmup_lr: number;
  loss: Terms;
  terms: { A: Terms }[];
  /** Where the net's gradient is too large to be kept. */
  step0_grad_outer_v_norms?: Record<string, number>;
  draws: (Draw | null)[];
};

type Found = Record<
  "logits" | "losses" | "gradients" | "frozen" | "step0" | "second" | "outer" | "params" | "final",
  ParityCase[]
>;

/** The rows of ProMetaR's cases on one model. */
export async function prometarRows(
  model: ClipModel,
  { fixtures, name }: { fixtures: Fixtures; name: string },
): Promise<ParityRow[]> {
  const { cases } = await fixtures.json("deep_prometar.json") as { cases: Record<string, MetaCase> };
  const mine = Object.entries(cases).filter(([, about]) => about.model === name);
  if (mine.length === 0) return [];
  const given = await fixtures.tensors("deep_prometar.safetensors");
  const images = await deepImages(model, { fixtures, name });
  const found: Found = {
    logits: [],
    losses: [],
    gradients: [],
    frozen: [],
    step0: [],
    second: [],
    outer: [],
    params: [],
    final: [],
  };
  for (const [key, about] of mine) {
    const at = { key, about, given, images, found };
    const session = await openAt(model, at, about.classnames);
    found.logits.push({
      name: key,
      difference: relativeL2(await deepLogits(session, images), given.float(`${key}/logits`).data),
    });
    await compareStart(model, session, at);
    await compareTrajectory(session, at);
    const logitsAt = async (stage: string, classNames: string[]) => {
      const other = await openAt(model, at, classNames);
      for (const [param, { data }] of Object.entries(session.params)) other.params[param].data.set(data);
      const logits = await deepLogits(other, images);
      found.final.push({
        name: `${key} ${stage}`,
        difference: relativeL2(logits, given.float(`${key}/${stage}`).data),
      });
      await other.dispose();
    };
    await logitsAt("final_logits", about.classnames);
    await logitsAt("new_logits", about.new_classnames);
    await session.dispose();
  }
  const row = (stage: string, tolerance: number, cases: ParityCase[], unit = "relative L2") =>
    parityRow({ stage: `${name} prometar: ${stage}`, engine: model.engine.name, tolerance, unit }, cases);
  return [
    row("logits", 2e-5, found.logits),
    row("gradients", 1e-4, found.gradients),
    row("frozen features", 2e-5, found.frozen),
    row("step 0 in parts", 1e-4, found.step0),
    row("gradient of the net", 1e-4, found.second),
    row("losses of the steps", 1e-4, found.losses, "relative"),
    row("outer losses", 1e-4, found.outer, "relative"),
    row("parameters and momentum", 1e-3, found.params),
    row("logits after SGD", 1e-3, found.final),
  ];
}

interface CaseAt {
  key: string;
  about: MetaCase;
  given: Tensors;
  images: DeepImages;
  found: Found;
}

async function openAt(model: ClipModel, { key, about, given }: CaseAt, classNames: string[]): Promise<PromptSession> {
  const params = paramsAt(given, `${key}/init/`);
  const method = await methodAt(model, { kind: "prometar", about: about as unknown as DeepCase, classNames, params });
  const shared = given.names().some((name) => name.startsWith(`${key}/init_v/`)) ? key : "mini4_strong";
  return await openPrompt(model, {
    classNames,
    method: {
      ...method,
      meta: {
        maps: paramsAt(given, `${shared}/init_v/`),
        adaptRate: about.adapt_lr,
        outerRatio: about.outer_ratio,
        order: about.first_order ? "first" : "second",
        rate: about.v_warmup_lr,
      },
    },
  });
}

/** Frozen features, both losses over all images at the initial parameters, their gradients and the modulated one. */
async function compareStart(model: ClipModel, session: PromptSession, at: CaseAt): Promise<void> {
  const { key, about, given, images, found } = at;
  found.frozen.push(...frozenCases(session, at));
  const all = chosen(images, images.labels.map((_, i) => i));
  const { losses, gradients } = await session.step(all);
  compareLosses(losses, { name: `${key} all images`, about, wanted: about.loss, found });
  const wanted = (stage: string) => paramsAt(given, `${key}/${stage}/`);
  compareAll(found.gradients, { name: `${key} modulated`, got: gradients, wanted: wanted("modulated") });

  const { meta: _, ...plain } = session.method;
  let both: readonly Record<string, Float32Array>[] = [];
  const combine: PromptMethod["combine"] = (gradients) => (both = gradients)[0];
  const apart = await openPrompt(model, { method: { ...plain, combine }, classNames: session.classNames });
  await apart.step(all);
  await apart.dispose();
  for (const [i, stage] of ["grad_ce", "grad_reg"].entries()) {
    compareAll(found.gradients, { name: `${key} ${stage}`, got: both[i], wanted: wanted(stage) });
  }
}

/** The task's loss and the regulariser. */
function compareLosses(
  losses: readonly number[],
  { name, about, wanted, found }: { name: string; about: MetaCase; wanted: Terms; found: Found },
): void {
  const regulariser = about.text_weight! * wanted.text_l1 + about.image_weight! * wanted.image_l1;
  found.losses.push(
    { name: `${name} task`, difference: Math.abs(losses[0] / wanted.ce - 1) },
    { name: `${name} regulariser`, difference: Math.abs(losses[1] / regulariser - 1) },
  );
}

function compareAll(
  cases: ParityCase[],
  at: { name: string; got: Record<string, ArrayLike<number>>; wanted: Record<string, { data: Float32Array }> },
): void {
  for (const [param, { data }] of Object.entries(at.wanted)) {
    cases.push({ name: `${at.name} ${param}`, difference: relativeL2(at.got[param], data) });
  }
}

async function compareTrajectory(session: PromptSession, { key, about, given, images, found }: CaseAt): Promise<void> {
  const velocity: Velocity = {};
  const mapVelocity: Velocity = {};
  const { maps } = session.meta!;
  const sgd = { momentum: about.momentum, weightDecay: about.weight_decay };
  const parts = (stage: string) => paramsAt(given, `${key}/step0/${stage}/`);
  const values = (params: Record<string, Parameter>) =>
    Object.fromEntries(Object.entries(params).map(([name, { data }]) => [name, data]));
  for (const [step, rows] of about.order.entries()) {
    const batch = chosen(images, rows);
    const { losses, gradients } = await session.step(batch);
    const isFirst = step === 0;
    compareLosses(losses, { name: `${key} step ${step + 1}`, about, wanted: about.terms[step].A, found });
    if (isFirst) compareAll(found.step0, { name: `${key} modulated`, got: gradients, wanted: parts("modulated_A") });
    const learningRate = about.lrs[step];
    sgdStep(session.params, gradients, { ...sgd, learningRate, velocity });
    if (isFirst) {
      compareAll(found.step0, { name: `${key} after A`, got: values(session.params), wanted: parts("after_A") });
    }
    const draw = about.draws[step];
    if (!draw?.query) continue;
    const outer = await session.meta!.outer(batch, {
      query: draw.query.map((image) => rows.indexOf(image)),
      support: draw.support!.map((image) => rows.indexOf(image)),
      mix: draw.mix!,
      lambda: draw.lambda!,
    });
    const wanted = about.losses[step];
    found.outer.push({ name: `${key} step ${step + 1}`, difference: Math.abs(outer.loss / wanted - 1) });
    if (isFirst) {
      compareAll(found.step0, { name: `${key} adapted`, got: outer.adapted, wanted: parts("adapted") });
      compareAll(found.step0, { name: `${key} outer`, got: outer.gradients, wanted: parts("grad_outer") });
      compareAll(found.second, { name: `${key} net`, got: outer.mapGradients, wanted: parts("grad_outer_v") });
      for (const [map, norm] of Object.entries(about.step0_grad_outer_v_norms ?? {})) {
        const got = Math.sqrt(outer.mapGradients[map].reduce((sum, x) => sum + x * x, 0));
        found.second.push({ name: `${key} net, length of ${map}`, difference: Math.abs(got / norm - 1) });
      }
    }
    sgdStep(session.params, outer.gradients, { ...sgd, learningRate, velocity });
    sgdStep(maps, outer.mapGradients, { ...sgd, learningRate: about.v_warmup_lr, velocity: mapVelocity });
    if (isFirst) {
      compareAll(found.step0, { name: `${key} after B`, got: values(session.params), wanted: parts("after_B") });
    }
  }
  compareAll(found.params, { name: key, got: values(session.params), wanted: paramsAt(given, `${key}/final/`) });
  compareAll(found.params, {
    name: `${key} momentum`,
    got: velocity,
    wanted: paramsAt(given, `${key}/final_momentum/`),
  });
  compareAll(found.params, { name: `${key} net`, got: values(maps), wanted: paramsAt(given, `${key}/final_v/`) });
}
