/** Methods that are an addition to CoOp's loss or gradient, over CoOp's contexts or CoCoOp's. */
import type { HostTensor } from "../engine/ops.ts";
import { cocoop } from "./cocoop.ts";
import { coop } from "./coop.ts";
import { type Preset, type PromptLearning, type PromptTask, varied } from "./method.ts";
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
  /** Those with DePT's head; absent where its authors have none. */
  headPresets?: Record<string, Preset<OverSettings & S>>;
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

/** The name over other contexts: `kgcoop`, `kgcoop-cocoop`, `kgcoop-dept`. */
export function nameOver(addition: string, base: string): string {
  return `${addition}-${base}`.replace(`${addition}-coop`, addition);
}

/** The addition as a method over CoOp's contexts, and over CoCoOp's and those with a head as its variants. */
export function overContexts<S>(addition: Addition<S>): PromptLearning<OverSettings & S> {
  const over = (
    base: PromptLearning<PromptSettings>,
    { label, presets = {} }: Pick<Addition<S>, "label"> & Partial<Pick<Addition<S>, "presets">>,
  ): PromptLearning<OverSettings & S> => ({
    name: nameOver(addition.name, base.name),
    label,
    title: addition.title,
    settings: {
      ...base.settings,
      ...addition.settings,
      over: choice(["coop", "cocoop"], {
        section: "Prompt",
        help: "whose contexts the method works on",
        default: base === cocoop ? "cocoop" : "coop",
        // The method's name says it.
        changesNumbers: false,
        variant: true,
      }),
    } as SettingsOf<OverSettings & S>,
    check(settings) {
      base.check?.(settings);
      addition.check?.(settings);
    },
    presets: { "seed-notebook": SEED_NOTEBOOK as Preset<OverSettings & S>, ...presets },
    async prompt(task) {
      const prompt = await base.prompt(task);
      return task.trains === false ? prompt : addition.add(prompt, task);
    },
  });
  const { label, presets, headPresets } = addition;
  const dept = coop.variants!.head.dept as PromptLearning<PromptSettings>;
  return varied(over(coop, { label, presets }), {
    over: { cocoop: over(cocoop, { label: `${label} over ${cocoop.label}` }) },
    ...(headPresets && { head: { dept: over(dept, { label: `${label} with DePT`, presets: headPresets }) } }),
  });
}
