/**
 * The configuration of a prompt that was trained elsewhere: what its tensors and folders tell, over the published
 * configuration that fits it best; and which settings nothing tells, so that no report claims them.
 */
import type { ClipConfig } from "../clip/config.ts";
import { KIT_METHODS } from "../methods/kit.ts";
import { askedFor, type Method, type PromptLearning, publishedValues, type Values } from "../methods/method.ts";
import { flagName } from "../methods/setting.ts";
import type { PublishedPrompt } from "../published/checkpoint.ts";
import { INITIAL_WORDS, type PromptWords } from "../published/class_names.ts";
import type { FolderFacts } from "../published/folder_names.ts";
import type { ReportedRun } from "../eval/report.ts";
import { completeSettings, type Given, type RunConfig } from "./config.ts";
import type { Imported, Learned } from "./learned.ts";
import { RUN_SETTINGS } from "./settings.ts";

/** What a prompt is imported as. */
export interface ImportedConfig {
  config: RunConfig;
  /** What is known of its settings, as its checkpoint keeps it. */
  metadata: Record<string, string>;
  /** The settings that nothing tells; in `config` they are the preset's. */
  unknown: string[];
}

/** Settings that the published code does not have. */
const OWN: readonly string[] = ["views", "wise", "meta"];

/** The configuration whose run folder a published prompt goes into. */
export function importedConfig(
  prompt: PublishedPrompt,
  { method: learning, facts, given, words, path, layers: { text, image } }: {
    method: PromptLearning;
    facts: FolderFacts;
    given: Given;
    words: PromptWords;
    path: string;
    layers: Pick<ClipConfig, "text" | "image">;
  },
): ImportedConfig {
  const method = learning as unknown as Method;
  const { layout, params, epoch } = prompt;
  const deepest: Values = layout.deepest?.({ text: text.layers, image: image.layers }) ?? {};
  const { lambda, classTokenPosition } = facts;
  const told: Values = { epochs: epoch };
  const ofFile = { ...layout.settings(params), ...initialWords(prompt, words) };
  for (const [name, value] of Object.entries({ lambda, classTokenPosition, ...ofFile, ...given })) {
    if (name in method.settings && value !== undefined) told[name] = value;
  }
  const ofRun = Object.fromEntries(Object.entries(given).filter(([name]) => name in RUN_SETTINGS || !(name in told)));
  const valuesOf = (preset: string) => publishedValues(method, preset, given.shots!);
  // Beyond the last layer nothing changes: a preset of nine layers is what a model of six had.
  const isAs = (published: Values) => ([name, value]: [string, unknown]) =>
    published[name] === value ||
    (deepest[name] !== undefined && [value, published[name]].every((depth) => Number(depth) >= Number(deepest[name])));
  const score = (preset: string) => Object.entries(told).filter(isAs(valuesOf(preset))).length;
  const names = Object.keys(method.presets);
  const configured = names.find((name) => namesConfiguration(path, method.presets[name].source));
  const preset = given.preset ?? configured ?? names.toSorted((a, b) => score(b) - score(a))[0];
  const published = names.includes(preset) ? valuesOf(preset) : {};
  const differing = Object.entries(told).filter((entry) => !isAs(published)(entry));
  const { asked, variant } = askedFor(method, KIT_METHODS);
  const config = completeSettings(asked, { ...ofRun, ...Object.fromEntries(differing), ...variant, preset });
  const isPresetKnown = given.preset !== undefined || configured !== undefined;
  const settings = Object.keys(method.settings).filter((name) => method.settings[name].changesNumbers !== false);
  const known = settings.filter((name) => isPresetKnown || name in told || method.settings[name].fixed);
  return {
    config,
    metadata: {
      ...isPresetKnown ? { preset } : {},
      ...Object.fromEntries(known.map((name) => [flagName(name), String(config.values[name])])),
    },
    unknown: settings.filter((name) => !known.includes(name) && !OWN.includes(name) && config.values[name] !== ""),
  };
}

/** What a checkpoint says of its training elsewhere; undefined where this kit trained it. */
export function importedFrom(
  metadata: Record<string, string>,
  { settings }: Pick<PromptLearning, "settings">,
): Imported | undefined {
  const { "imported-from": from, preset = null } = metadata;
  if (from === undefined) return undefined;
  return { from, preset, settings: Object.keys(settings).filter((name) => flagName(name) in metadata) };
}

/** The settings that decide the numbers, as reports list them; of what was trained elsewhere, those that are known. */
export function recordedSettings(
  { method, values, preset, changed }: RunConfig,
  { given, chosen, imported }: Learned,
): Pick<ReportedRun, "preset" | "hyperparameters" | "changed" | "importedFrom"> {
  const isKnown = (name: string) => imported?.settings.includes(name) ?? true;
  const isPresetKnown = imported === undefined || imported.preset !== null;
  const names = Object.keys(method.settings).filter((name) => method.settings[name].changesNumbers !== false);
  const own = names.filter(isKnown).map((name) => [name, values[name] as string | number | boolean]);
  return {
    preset: imported === undefined ? preset : imported.preset,
    hyperparameters: { ...Object.fromEntries(own), ...given, ...chosen },
    changed: isPresetKnown ? changed.filter(isKnown) : [],
    ...(imported === undefined ? {} : { importedFrom: imported.from }),
  };
}

/** The words that a text starts from, as far as those that stay tell them. */
function initialWords({ layout, params: { ctx: { shape } } }: PublishedPrompt, { wordsAfter }: PromptWords): Values {
  const M = shape[shape.length - 2];
  if (!layout.wordsStay || (wordsAfter === "" && M >= INITIAL_WORDS.length)) return {};
  if (wordsAfter === "") return { initWords: "" };
  const isUsual = INITIAL_WORDS.slice(M).join(" ") === wordsAfter;
  const first = isUsual ? INITIAL_WORDS.slice(0, M) : new Array<string>(M).fill("X");
  return { initWords: [...first, wordsAfter].join(" ") };
}

/** Whether the path has a folder of the name of the configuration file that a preset comes from. */
function namesConfiguration(path: string, source: string): boolean {
  const file = /([^/\s]+)\.yaml/.exec(source)?.[1];
  return path.split(/[\\/]/).some((part) => part.replace(/_\d+shots$/, "") === file);
}
