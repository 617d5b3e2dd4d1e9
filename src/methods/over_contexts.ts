/** Methods that are an addition to CoOp's loss or gradient, over CoOp's contexts or CoCoOp's. */
import type { HostTensor } from "../engine/ops.ts";
import { cocoop } from "./cocoop.ts";
import { coop } from "./coop.ts";
import type { Preset, PromptLearning } from "./method.ts";
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
  /** Adds to a method: hand-written prompts' features [C, E] are L2-normalised. */
  add(base: PromptMethod, options: { handFeatures_CE: HostTensor; settings: OverSettings & S }): PromptMethod;
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
    check: base.check,
    presets: { "seed-notebook": SEED_NOTEBOOK as Preset<OverSettings & S>, ...(base === coop ? addition.presets : {}) },
    async prompt(task) {
      const { model, classNames, template, settings } = task;
      if (task.trains === false) return await base.prompt(task);
      const handFeatures_CE = await zeroShotFeatures(model, { classNames, templates: [template] });
      return addition.add(await base.prompt(task), { handFeatures_CE, settings });
    },
  });
  return { ...over(coop), variants: { over: { cocoop: over(cocoop) } } };
}
