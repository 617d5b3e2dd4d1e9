/**
 * What a method is to the rest of the kit, in one file of its own: name, label, settings with defaults, presets, and how
 * it learns. There are two kinds: {@linkcode PromptLearning} makes prompts that are trained through the text tower,
 * {@linkcode FeatureLearning} makes a classifier from stored image features. Runs, reports, `--help` and comparisons
 * know nothing of a method but this.
 */
import type { ClipModel } from "../clip/model.ts";
import type { ClassSubset } from "../data/few_shot.ts";
import type { RandomStream } from "../data/random.ts";
import type { FeatureClassifier, FeatureTask } from "./feature_method.ts";
import type { PromptMethod } from "./prompt_method.ts";
import { defaultOf, type Setting, type SettingsOf } from "./setting.ts";

/** Values of settings by name. */
export type Values = Record<string, unknown>;

/** A published configuration: where its numbers come from, and how they differ from the method's defaults. */
export interface Preset<S = Values> {
  /** One line for menus. */
  title: string;
  /** Where the numbers come from. */
  source: string;
  /** What its authors, or we, got with it. */
  expected: string;
  /** How long it takes, and where. */
  time: string;
  /** The exact command. */
  command: string;
  /** Classes that are trained on and evaluated when the command line does not say. */
  protocol: { train: ClassSubset; eval: readonly ClassSubset[] };
  /** What differs from the method's defaults; it may depend on the training images a class. */
  values: (shots: number) => Partial<S>;
}

/** What both kinds of method say of themselves. */
export interface MethodFacts<S = Values> {
  /** As in folders, reports and `--methods`: `cocoop`. */
  readonly name: string;
  /** As people write it: `CoCoOp`. */
  readonly label: string;
  /** One or two sentences for `--help`: the paper, and what it does. */
  readonly title: string;
  /** Its own settings; those of every run come besides. */
  readonly settings: SettingsOf<S>;
  /** Published configurations by name, the first of them the default; none where its settings' defaults are published. */
  readonly presets: Readonly<Record<string, Preset<S>>>;
  /** Checks settings that must fit each other. Throws UserError. */
  check?(settings: S): void;
  /** What stands for the settings in a run's path; preset and changes when left out. */
  folder?(settings: S): string;
  /** The least share of an image that a training view keeps; that of most prompts, 0.08, when left out. */
  readonly leastArea?: number;
  /** Methods that a value of a setting makes of it: `{ over: { cocoop: … } }` is what `--over cocoop` runs. */
  readonly variants?: Readonly<Record<string, Readonly<Record<string, Method>>>>;
}

/** What a prompt is made from. */
export interface PromptTask<S = Values> {
  /** The frozen model. */
  model: ClipModel;
  /** The C classes in the order of the labels. */
  classNames: string[];
  /** Values of the method's settings. */
  settings: S;
  /** The hand-written template of the classes' data set, with `{}` for the class name. */
  template: string;
  /** What the data set is called; left out where that is not known. */
  dataset?: string;
  /** The classes that were trained on, where these are others: of a prompt that is evaluated. */
  classesSeen?: readonly string[];
  /** What the data set is called that is learned from, whatever the classes are of; left out where that is not known. */
  learnedOn?: string;
  /** False where only logits are asked for, so that what a loss needs can be left out; true when left out. */
  trains?: boolean;
  /** Random numbers of the run's seed; streams of different names are independent. */
  random(name: string): RandomStream;
}

/** A method that learns prompts by gradient descent. */
export interface PromptLearning<S = Values> extends MethodFacts<S> {
  /** Whether it prompts the image tower and so needs images, not only their stored features. */
  needsImages?(settings: S): boolean;
  /**
   * False where it prompts the image tower and its loss reads no feature of frozen CLIP of the training views
   * ({@linkcode LossInputs.storedFeatures_BE}): runs then compute and store none. A loss that reads them all the same ends
   * the run. True when left out.
   */
  readonly readsFrozenImages?: boolean;
  /**
   * Whether its logits depend on the data set's template: runs then tell templates apart, and classes of another data set
   * have that one's.
   */
  readonly readsTemplate?: boolean;
  /** The learned numbers at the start, and the loss. */
  prompt(task: PromptTask<S>): PromptMethod | Promise<PromptMethod>;
}

/**
 * A method on frozen image features.
 *
 * @example A method in a file of its own: the mean feature of each class in place of its name
 * ```ts
 * import { featureLogits, type FeatureLearning, normalizeRows, openRun } from "@prompt-kit/clip-prompts";
 *
 * const impossible = "they have no images to take the mean of";
 *
 * export const nearestMean: FeatureLearning = {
 *   name: "nearest-mean",
 *   label: "Nearest mean",
 *   title: "The mean feature of each class in place of its name; evaluates, reports.",
 *   settings: {},
 *   presets: {},
 *   noNewClasses: impossible,
 *   learn({ classNames, logitScale, train: { features_NE, labels } }) {
 *     const E = features_NE.shape[1];
 *     const sums = new Float32Array(classNames.length * E);
 *     normalizeRows(features_NE).data.forEach((value, i) => sums[labels[Math.floor(i / E)] * E + i % E] += value);
 *     const means_CE = normalizeRows({ shape: [classNames.length, E], data: sums });
 *     return {
 *       chosen: {},
 *       logits: (x_NE) => featureLogits(normalizeRows(x_NE), means_CE, { logitScale }),
 *       newClasses: { impossible },
 *     };
 *   },
 *   learnedNumbers: ({ C, E }) => C * E,
 * };
 *
 * const out = await Deno.makeTempDir();
 * await using run = await openRun(nearestMean, { eval: ["base"], out });
 * await using learned = await run.learn(1);
 * const report = await run.report(learned, run.targets[0]);
 * await Deno.remove(out, { recursive: true });
 * if (!(report!.results.metrics.accuracy > 80)) throw new Error("unexpected");
 * ```
 */
export interface FeatureLearning<S = Values> extends MethodFacts<S> {
  /** Learns, and chooses on the validation images. */
  learn(task: FeatureTask, options: { settings: S; trainedOn: ClassSubset }): FeatureClassifier;
  /** How many numbers it learns, of C classes, N training images and features of E numbers. */
  learnedNumbers(sizes: { C: number; N: number; E: number }): number;
  /** False when it looks at no training image: it has no shots and no seeds. True when left out. */
  readonly draws?: boolean;
  /**
   * The logit scale as a literal of its published code; here it is the model's own, which its reports record. Left out
   * where the published code has the model's own too, or none.
   */
  readonly publishedScale?: number;
  /** Why it has no result on classes without training images, in words that end a sentence; absent where it has. */
  readonly noNewClasses?: string;
}

/** A method of either kind. */
export type Method<S = Values> = PromptLearning<S> | FeatureLearning<S>;

/** The values of a preset over the method's defaults. */
export function publishedValues(method: Method, preset: string | null, shots: number): Values {
  const defaults = Object.entries(method.settings).map(([name, setting]) => [name, defaultOf(setting, shots)]);
  return { ...Object.fromEntries(defaults), ...(preset === null ? {} : method.presets[preset].values(shots)) };
}

/** Whether a method learns prompts. */
export function learnsPrompts<S>(method: Method<S>): method is PromptLearning<S> {
  return "prompt" in method;
}

/** Whether a method draws few-shot images and has seeds: all but zero-shot CLIP. */
export function drawsImages(method: Method): boolean {
  return learnsPrompts(method) || method.draws !== false;
}

/** Whether a method prompts the image tower. */
export function promptsImages(method: Method, values: Values): boolean {
  return learnsPrompts(method) && method.needsImages?.(values) === true;
}

/** Whether a prompt's training reads frozen CLIP's features of its views: all do that see images through no other tower. */
export function readsFrozenImages(method: PromptLearning, values: Values): boolean {
  return !promptsImages(method, values) || method.readsFrozenImages !== false;
}

/** A method with its variants. A spread of it is another method, and leaves them behind. */
export function varied<S>(
  method: PromptLearning<S>,
  variants: Record<string, Record<string, PromptLearning<S>>>,
): PromptLearning<S> {
  return Object.defineProperty({ ...method }, "variants", { value: variants });
}

/** A method and all that its variants' settings make of it. */
export function withVariants(method: Method): Method[] {
  const variants = Object.values(method.variants ?? {}).flatMap((byValue) => Object.values(byValue));
  return [method, ...variants];
}

/** The method of `methods` whose task runs this one, and the settings that make it this one: `{ head: "dept" }`. */
export function askedFor(
  method: Method,
  methods: readonly Method[],
): { asked: Method; variant: Record<string, string> } {
  const asked = methods.find((one) => withVariants(one).includes(method)) ?? method;
  const variant = Object.entries(asked.variants ?? {}).flatMap(([name, byValue]) =>
    Object.keys(byValue).filter((value) => byValue[value] === method).map((value) => [name, value])
  );
  return { asked, variant: Object.fromEntries(variant) };
}

/** What stands in paths and lists as it is. */
const METHOD_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_.+-]*$/u;

/** What a file is expected to export, checked when a method comes from a file of the user's. */
export function methodFault(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "it is no object";
  const method = value as Record<string, unknown>;
  for (const name of ["name", "label", "title"]) {
    if (typeof method[name] !== "string" || method[name] === "") return `its "${name}" is no text`;
  }
  if (!METHOD_NAME.test(method.name as string)) return 'its "name" is not one word, as in cocoop or lp++';
  for (const name of ["settings", "presets"]) {
    if (typeof method[name] !== "object" || method[name] === null) return `its "${name}" is missing`;
  }
  for (const [name, setting] of Object.entries(method.settings as Record<string, Partial<Setting<unknown>>>)) {
    if (typeof setting?.parse === "function" && typeof setting.help === "string") continue;
    return `its setting "${name}" is none: make it with decimal, wholeNumber, choice, toggle or text`;
  }
  if (typeof method.prompt === "function") return undefined;
  if (typeof method.learn !== "function") return 'it has neither "prompt" nor "learn"';
  return typeof method.learnedNumbers === "function" ? undefined : 'its "learnedNumbers" is no function';
}
