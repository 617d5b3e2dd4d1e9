/**
 * DePT: a linear head on the classes that are trained on, so that the prompts can stay general (Zhang et al., CVPR 2024; DePT
 * trainers/elp_coop.py, elp_cocoop.py, elp_kgcoop.py, train.py).
 *
 * The head sees image features and the text features of their classes, neither divided by its length, each after a scale and
 * a bias of its own (FiLM). loss = 0.3·CE of the cosines + 0.7·CE of the head, over both its inputs. At test the logits are
 * 0.3·cosines + 0.7·head of the image, where the head was trained on all the classes; elsewhere the cosines alone.
 *
 * It goes under a method's own term: KgCoOp's is added to the loss of CoOp with a head.
 */
import { placesIn } from "../clip/spoken_name.ts";
import type { HostTensor, Ops } from "../engine/ops.ts";
import { linearInit } from "./linear_init.ts";
import { type Preset, type PromptLearning, type PromptTask, varied } from "./method.ts";
import { cosineLogits, crossEntropy, type LossInputs, type PromptMethod } from "./prompt_method.ts";
import { type PromptSettings, SEED_NOTEBOOK } from "./prompt_settings.ts";
import { choice, type Setting } from "./setting.ts";

/** The head's part of the loss and of the logits, and its learning rate over the prompts'; literals in the published code. */
const WEIGHT = 0.7;
const RATE = 6.5;

const [IMAGE, TEXT, LINEAR] = ["film_lp_img", "film_lp_text", "linear_probe_proj"];

/** The names of the head's numbers, as the published code has them. */
const HEAD = [IMAGE, TEXT].flatMap((film) => [`${film}.scale`, `${film}.bias`])
  .concat([`${LINEAR}.weight`, `${LINEAR}.bias`]);

/** What the head is made from. */
type HeadTask = Pick<PromptTask, "classNames" | "classesSeen" | "random"> & { embedding: number };

/** A feature after the scale and the bias of its own. */
function film<T>(ops: Ops<T>, params: Record<string, T>, { of, x }: { of: string; x: T }): T {
  return ops.add(ops.mul(x, params[`${of}.scale`]), params[`${of}.bias`]);
}

/** Logits of the head, of the classes that it was made for. */
function linear<T>(ops: Ops<T>, params: Record<string, T>, x: T): T {
  return ops.add(ops.matMul(x, params[`${LINEAR}.weight`], { transposeB: true }), params[`${LINEAR}.bias`]);
}

/** The cross-entropy of the head, over the images and over the text features of their classes. */
export function headLoss<T>(ops: Ops<T>, inputs: LossInputs<T>): T {
  const { params, textFeatures_GCE, rawFeatures_BE, labels_BC } = inputs;
  const [G, C, E] = ops.shape(textFeatures_GCE);
  const [B] = ops.shape(labels_BC);
  const own = ops.matMul(ops.reshape(labels_BC, [G, B / G, C]), textFeatures_GCE);
  const texts = film(ops, params, { of: TEXT, x: ops.reshape(own, [B, E]) });
  const seen = ops.concat([texts, film(ops, params, { of: IMAGE, x: rawFeatures_BE! })], 0);
  return crossEntropy(ops, linear(ops, params, seen), ops.concat([labels_BC, labels_BC], 0));
}

/** Puts a head beside the cosines of `base`, whose loss is their cross-entropy. */
export function deptPrompt(base: PromptMethod, task: HeadTask): PromptMethod {
  const { classNames, classesSeen = classNames, embedding: E } = task;
  const filled = (value: number) => ({ shape: [E], data: new Float32Array(E).fill(value) });
  const [weight, bias] = linearInit([classesSeen.length, E], task.random("head-init"));
  const start = [filled(1), filled(0), filled(1), filled(0), weight, bias];
  const own: Record<string, HostTensor> = Object.fromEntries(HEAD.map((name, i) => [name, start[i]]));
  const [all, C] = [classesSeen.length, classNames.length];
  const places = placesIn(classesSeen, classNames);
  const chosen = { shape: [all, C], data: new Float32Array(all * C) };
  places.forEach((place, c) => chosen.data[place * C + c] = 1);
  return {
    ...base,
    name: `${base.name}-dept`,
    params: { ...base.params, ...own },
    losses(ops, inputs) {
      const [cosines] = base.losses(ops, inputs);
      return [ops.add(ops.scale(cosines, 1 - WEIGHT), ops.scale(headLoss(ops, inputs), WEIGHT))];
    },
    head: { rates: Object.fromEntries(HEAD.map((name) => [name, RATE])) },
    scores: {
      params: HEAD.filter((name) => !name.startsWith(TEXT)),
      logits(ops, { params, rawFeatures_BE, ...features }) {
        const cosines_BC = cosineLogits(ops, features);
        if (places.includes(-1)) return cosines_BC;
        const head = linear(ops, params, film(ops, params, { of: IMAGE, x: rawFeatures_BE }));
        const own_BC = ops.matMul(head, ops.constant(chosen));
        return ops.add(ops.scale(cosines_BC, 1 - WEIGHT), ops.scale(own_BC, WEIGHT));
      },
    },
  };
}

/** A published configuration, as far as the methods under the head differ in it. */
interface Published<S> extends Pick<Preset<S>, "expected" | "time"> {
  /** The file in the published code. */
  config: string;
  values: Partial<S>;
}

/** The published preset of a method with a head. */
export function deptPreset<S>(
  { name, label }: Pick<PromptLearning, "name" | "label">,
  { expected, config, time, values }: Published<S>,
): Record<string, Preset<S>> {
  return {
    "dept-cvpr24": {
      title: `${label} with DePT as published from base to new classes (--head dept)`,
      source: `Zhang et al., DePT: Decoupled Prompt Tuning, CVPR 2024; DePT train.py, ${config}`,
      expected: `ViT-B/16, 16 shots, mean of 11 data sets and seeds 1-3: ${expected}`,
      time,
      command: `deno task ${name} --head dept --preset dept-cvpr24 --model ViT-B/16 --data data/eurosat --seeds 1,2,3`,
      protocol: { train: "base", eval: ["base", "new"] },
      values: () => values,
    },
  };
}

/** The setting that makes the variant; its default is what the method is. */
function headSetting(own: "none" | "dept"): Setting<string> {
  return choice(["none", "dept"], {
    section: "Prompt",
    help: "dept: a linear head beside the cosines, for the classes that are trained on",
    default: own,
    // The method's name says it.
    changesNumbers: false,
    variant: true,
  });
}

/** The method with its variant under `--head dept`. */
export function withDept(
  method: PromptLearning<PromptSettings>,
  published: Published<PromptSettings>,
): PromptLearning<PromptSettings> {
  const having = (own: "none" | "dept") => ({ ...method.settings, head: headSetting(own) });
  const dept: PromptLearning<PromptSettings> = {
    ...method,
    name: `${method.name}-dept`,
    label: `${method.label} with DePT`,
    settings: having("dept"),
    presets: { "seed-notebook": SEED_NOTEBOOK, ...deptPreset(method, published) },
    async prompt(task) {
      const { classNames, classesSeen, random, model: { config: { embedding } } } = task;
      return deptPrompt(await method.prompt(task), { classNames, classesSeen, random, embedding });
    },
  };
  return varied({ ...method, settings: having("none") }, { head: { dept } });
}
