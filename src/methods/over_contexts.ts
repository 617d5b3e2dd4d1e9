/** Methods that are an addition to CoOp's loss or gradient, over CoOp's contexts or CoCoOp's. */
import type { HostTensor } from "../engine/ops.ts";
import { cocoop } from "./cocoop.ts";
import { coop } from "./coop.ts";
import type { Preset, PromptLearning, PromptTask } from "./method.ts";
import type { PromptMethod } from "./prompt_method.ts";
import { type PromptSettings, SEED_NOTEBOOK } from "./prompt_settings.ts";
import { choice, type SettingsOf } from "./setting.ts";
import { zeroShotFeatures } from "./zero_shot.ts";

/** The settings of a prompt, and whose contexts it has. */
export type OverSettings = PromptSettings & {
  /** `coop` or `cocoop`. */
  over: "coop" | "cocoop";
};

/** An addition to a method of learned contexts. */
export interface Addition<S> {
  /** Its name over CoOp; `-cocoop` is added over CoCoOp. */
  name: string;
  /** As people write it. */
  label: string;
  /** For `--help`. */
  title: string;
  /** Settings of its own. */
  settings: SettingsOf<S>;
  /** Its published configurations over CoOp's contexts. */
  presets: Record<string, Preset<OverSettings & S>>;
  /** Checks settings of its own that must fit each other. Throws UserError. */
  check?(settings: OverSettings & S): void;
  /** Adds to a method that was made for this task. */
  add(base: PromptMethod, task: PromptTask<OverSettings & S>): Promise<PromptMethod>;
}

/** Features [C, E] of hand-written prompts, L2-normalised. */
export function handFeatures(
  { model, classNames }: Pick<PromptTask, "model" | "classNames">,
  template: string,
): Promise<HostTensor> {
  return zeroShotFeatures(model, { classNames, templates: [template] });
}

/** The addition as a method over CoOp's contexts, and over CoCoOp's as its variant. */
export function overContexts<S>(addition: Addition<S>): PromptLearning<OverSettings & S> {
  const over = (base: PromptLearning<PromptSettings>): PromptLearning<OverSettings & S> => ({
    name: base === coop ? addition.name : `${addition.name}-${base.name}`,
    label: base === coop ? addition.label : `${addition.label} over ${base.label}`,
    title: addition.title,
    settings: {
      ...base.settings,
      ...addition.settings,
      over: choice(["coop", "cocoop"], {
        section: "Prompt",
        help: "whose contexts the method works on",
        default: base === coop ? "coop" : "cocoop",
        // The method's name says it.
        changesNumbers: false,
      }),
    } as SettingsOf<OverSettings & S>,
    check(settings) {
      base.check?.(settings);
      addition.check?.(settings);
    },
    presets: { "seed-notebook": SEED_NOTEBOOK as Preset<OverSettings & S>, ...(base === coop ? addition.presets : {}) },
    async prompt(task) {
      const prompt = await base.prompt(task);
      return task.trains === false ? prompt : addition.add(prompt, task);
    },
  });
  return { ...over(coop), variants: { over: { cocoop: over(cocoop) } } };
}
