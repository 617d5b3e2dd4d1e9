/** The methods that can be compared, from what their recipes say of themselves. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { NO_NEW_CLASSES } from "../../src/methods/new_classes.ts";
import { recipe as clipAdapter } from "../clip_adapter.ts";
import { recipe as cocoop } from "../cocoop.ts";
import { recipe as coop } from "../coop.ts";
import { recipe as gda } from "../gda.ts";
import { recipe as kgcoop } from "../kgcoop.ts";
import { recipe as linearProbe } from "../linear_probe.ts";
import { recipe as lpPlusPlus } from "../lp_plus_plus.ts";
import { recipe as prograd } from "../prograd.ts";
import { recipe as tipAdapter } from "../tip_adapter.ts";
import { recipe as tipAdapterF } from "../tip_adapter_f.ts";
import type { FeatureDefaults } from "./feature_config.ts";
import type { SettingName } from "./settings.ts";

/** A method that can be compared. */
export interface ComparableMethod {
  /** Its recipe, beside `compare.ts`. */
  script: string;
  /** False for methods that learn nothing: no shots, no seeds. */
  learns: boolean;
  /** Settings that its recipe has; others are not handed on to it. */
  settings: readonly SettingName[];
  /** The published numbers of a method on features; prompts have presets instead. */
  defaults?: FeatureDefaults;
  /** Flags that make this method of the recipe's. */
  flags?: readonly string[];
  /** Why it has no result on new classes; absent where it has. */
  noNewClasses?: string;
  /** Why it is not among `--methods all`. */
  apart?: "variant" | "needs images";
}

const prompt = (script: string, { settings }: { settings: readonly SettingName[] }): ComparableMethod => ({
  script,
  learns: true,
  settings,
});

const features = (
  script: string,
  recipe: { settings: readonly SettingName[]; defaults: FeatureDefaults },
): ComparableMethod => ({ ...prompt(script, recipe), defaults: recipe.defaults });

/** The methods by the name that users write, in the order of tables. */
export const METHODS: Readonly<Record<string, ComparableMethod>> = {
  zeroshot: {
    script: "zero_shot.ts",
    learns: false,
    settings: ["model", "data", "dataset", "split", "engine", "device", "threads", "out", "debug", "templates"],
  },
  coop: prompt("coop.ts", coop),
  cocoop: prompt("cocoop.ts", cocoop),
  kgcoop: prompt("kgcoop.ts", kgcoop),
  "kgcoop-cocoop": { ...prompt("kgcoop.ts", kgcoop), flags: ["--over", "cocoop"], apart: "variant" },
  prograd: prompt("prograd.ts", prograd),
  "prograd-cocoop": { ...prompt("prograd.ts", prograd), flags: ["--over", "cocoop"], apart: "variant" },
  gda: features("gda.ts", gda),
  "gda-full-val": { ...features("gda.ts", gda), flags: ["--tune-on", "full"], apart: "needs images" },
  "tip-adapter": { ...features("tip_adapter.ts", tipAdapter), noNewClasses: NO_NEW_CLASSES["tip-adapter"] },
  "tip-adapter-f": { ...features("tip_adapter_f.ts", tipAdapterF), noNewClasses: NO_NEW_CLASSES["tip-adapter-f"] },
  "clip-adapter": features("clip_adapter.ts", clipAdapter),
  "lp++": { ...features("lp_plus_plus.ts", lpPlusPlus), noNewClasses: NO_NEW_CLASSES["lp++"] },
  "linear-probe": { ...features("linear_probe.ts", linearProbe), noNewClasses: NO_NEW_CLASSES["linear-probe"] },
};

/** What is compared when nothing is said. */
export const USUAL_METHODS: readonly string[] = ["zeroshot", "coop", "cocoop"];

/** What `--methods all` stands for: every method that can run on what is there. */
export function allMethods({ withImages }: { withImages: boolean }): string[] {
  return Object.keys(METHODS).filter((name) => {
    const { apart } = METHODS[name];
    return apart === undefined || (apart === "needs images" && withImages);
  });
}

/**
 * Why a method that learned from `train` has no result on `subset`; nothing where it has one.
 *
 * @param method one of {@linkcode METHODS}
 */
export function noResult(
  method: string,
  { train, subset }: { train: ClassSubset; subset: ClassSubset },
): string | undefined {
  const { defaults, noNewClasses } = METHODS[method];
  if (defaults === undefined || subset === train) return undefined;
  if (train === "all" || subset === "all") return "it tells apart the classes that it learned from, or the other half";
  return noNewClasses;
}
