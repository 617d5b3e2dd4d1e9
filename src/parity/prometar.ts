/** Parity of ProMetaR: step 0 in parts, the regulariser net's gradient, and the trajectory, on the numbers of `deep_prometar`. */
import type { ClipModel } from "../clip/model.ts";
import { type Parameter, sgdStep, type Velocity } from "../optim/sgd.ts";
import { openPrompt, type PromptSession } from "../prompt/session.ts";
import { chosen, type DeepCase, type DeepImages, deepImages, deepLogits, methodAt, paramsAt } from "./deep.ts";
import type { Fixtures, Tensors } from "./fixtures.ts";
import { type ParityCase, type ParityRow, parityRow, relativeL2 } from "./row.ts";

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
  loss: { ce: number; text_l1: number; image_l1: number };
  terms: { A: { ce: number } }[];
  draws: (Draw | null)[];
};

type Found = Record<
  "logits" | "losses" | "gradients" | "step0" | "second" | "outer" | "params" | "final",
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
    await compareStart(session, at);
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
    parityRow({ stage: `prometar on ${name}: ${stage}`, engine: model.engine.name, tolerance, unit }, cases);
  return [
    row("logits", 2e-5, found.logits),
    row("modulated gradients", 1e-4, found.gradients),
    row("step 0 in parts", 1e-4, found.step0),
    ...(found.second.length > 0 ? [row("gradient of the net", 1e-3, found.second)] : []),
    row("task losses", 1e-4, found.losses, "relative"),
    row("outer losses", 1e-4, found.outer, "relative"),
    row("parameters and momentum", 1e-3, found.params),
    row("logits after SGD, and of new classes", 1e-3, found.final),
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

/** The modulated gradient over all images at the initial parameters. */
async function compareStart(session: PromptSession, { key, about, given, images, found }: CaseAt): Promise<void> {
  const { losses, gradients } = await session.step(chosen(images, images.labels.map((_, i) => i)));
  found.losses.push({ name: `${key} all images`, difference: Math.abs(losses[0] / about.loss.ce - 1) });
  const regulariser = 50 * about.loss.text_l1 + 20 * about.loss.image_l1;
  found.losses.push({ name: `${key} regulariser`, difference: Math.abs(losses[1] / regulariser - 1) });
  compareAll(found.gradients, { name: key, got: gradients, wanted: paramsAt(given, `${key}/modulated/`) });
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
    const { loss, gradients } = await session.step(batch);
    const isFirst = step === 0;
    found.losses.push({ name: `${key} step ${step + 1}`, difference: Math.abs(loss / about.terms[step].A.ce - 1) });
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
