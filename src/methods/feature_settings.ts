/** The settings that methods on image features share. */
import type { FeatureLearning, Method } from "./method.ts";
import { choice, type Setting, type SettingsOf, text, wholeNumber, withDefaults } from "./setting.ts";

/** Validation images that hyper-parameters are chosen on: four a class, or all that the split has. */
export type Validation = "few-shot" | "full";

/** What every method on features has. */
export type FeatureSettings = {
  /** Where hyper-parameters are chosen. */
  tuneOn: Validation;
};

/** Methods that look at class names. */
export type TextSettings = {
  /** `single`, `ensemble`, or templates with `|` between. */
  templates: string;
};

/** Hand-written prompts, for methods whose classes are made of words. */
export const templates: Setting<string> = text({
  section: "What runs",
  placeholder: "single|ensemble|TEXT",
  help:
    'the data set\'s own template, the 7-template ensemble, or your own, such as "a photo of a {}."; several with | between',
  default: "single",
});

/** Where hyper-parameters are chosen. */
export const tuneOn: Setting<Validation> = choice(["few-shot", "full"], {
  section: "On what",
  help: "validation images to choose hyper-parameters on: up to 4 a class, or all of them as some papers do",
  default: "few-shot",
});

/** Passes over the training images: many times any paper's. These methods learn in one go, without a word on the way. */
export const MOST_EPOCHS = 10_000;

/** More views of an image than any paper has; each is decoded, run through the tower and stored. */
export const MOST_VIEWS = 1000;

/** Augmented views of a training image. */
export function views(published: number): Setting<number> {
  return wholeNumber({
    section: "On what",
    help: "augmented views of a training image; 0 for the test transform alone",
    default: published,
    most: MOST_VIEWS,
  });
}

/** Choosing on all validation images makes another method of it, with folders and reports of its own. */
export function withFullValidation<S extends FeatureSettings>(method: FeatureLearning<S>): FeatureLearning<S> {
  const full = {
    ...method,
    name: `${method.name}-full-val`,
    label: `${method.label}, full validation`,
    settings: withDefaults<FeatureSettings>(method.settings as SettingsOf<FeatureSettings>, { tuneOn: "full" }),
  };
  return { ...method, variants: { tuneOn: { full: full as unknown as Method } } };
}
