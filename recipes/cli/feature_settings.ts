/** The flags of `features`: those of a comparison or a sweep that decide what its runs need, and which part of it. */
import { UserError } from "../../src/errors.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";
import type { Setting } from "../../src/methods/setting.ts";
import type { ComparisonRequest } from "../../src/run/comparison_runs.ts";
import type { Part } from "../../src/run/feature_parts.ts";
import { compareSettings, readCompareSettings, withWholePaths } from "./compare_settings.ts";
import { requireKnownFlags, type Settings, settingsByFlag } from "./flags.ts";
import { withoutFlags } from "./next_step.ts";
import { areOfSweep, readSweepSettings, SWEEP_SETTINGS, wholeSweep, withMethod } from "./sweep_settings.ts";
import type { TerminalValues } from "./terminal.ts";

/** What a comparison or a sweep is told besides. */
const NOT_OF_FEATURES = ["jobs", "emit", "featureTasks", "collect", "table", "json", "fresh", "out", "checkpointEvery"];

const MOST_PARTS = 1_000_000;

/** `3/16`. */
const part: Setting<Part> = {
  section: "What runs",
  placeholder: "K/N",
  help: "the part to compute, of as many: 3/16; parts may run at once",
  defaultWords: "all of it",
  parse(text, label) {
    const [, part, of] = /^\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(text)?.map(Number) ?? [];
    if (part >= 1 && part <= of && of <= MOST_PARTS) return { part, of };
    throw new UserError(
      `${label} is "${text}", and must be a part and the number of parts, such as 3/16: from 1/16 to 16/16` +
        `${of > MOST_PARTS ? `, with ${MOST_PARTS.toLocaleString("en-US")} parts at most` : ""}.`,
    );
  },
};

/** The flags of `features`, from those of a comparison or a sweep. */
export function featureFlags(settings: Settings): Settings {
  const shared = Object.entries(settings).filter(([name]) => !NOT_OF_FEATURES.includes(name));
  const dryRun = { ...settings.dryRun, help: "print how many images, hours and bytes it would be, and stop" };
  return { ...Object.fromEntries(shared), part, dryRun };
}

/** The flags that `--help` lists, from those of a comparison: a sweep's besides. */
export function featureHelpFlags(settings: Settings): Settings {
  const { method, vary, random, randomSeed } = SWEEP_SETTINGS;
  const { methods, ...others } = featureFlags(settings);
  const words = "in place of --methods, the method of a sweep, whose settings are varied";
  return { methods, method: { ...method, help: words }, vary, random, randomSeed, ...others };
}

/** What is computed. */
export interface FeatureSettings {
  /** The runs that need it; a description of the data is read where there is one. */
  request: Omit<ComparisonRequest, "description">;
  part: Part;
  terminal: Partial<TerminalValues>;
}

/**
 * Reads the command line of `features`: in the words of a comparison, or with `--method` of a sweep.
 *
 * @throws {UserError} for an unknown flag, method or setting to vary, or a missing or wrong value
 */
export async function readFeatureSettings(args: readonly string[]): Promise<FeatureSettings> {
  // Which of both it is, a misspelt flag may hide.
  const filesOf = (flag: string) => withWholePaths(withMethod(args), flag).files;
  const areOfKit = ["--methods", "--method"].every((flag) => filesOf(flag).length === 0);
  if (areOfKit) requireKnownFlags(args, featureHelpFlags(compareSettings(KIT_METHODS)));
  const read = async () => {
    if (!await areOfSweep(args)) {
      const settings = await readCompareSettings(args, featureFlags);
      return { settings, request: settings };
    }
    const settings = await readSweepSettings(args, featureFlags);
    return { settings, request: wholeSweep(settings) };
  };
  const { settings: { part = { part: 1, of: 1 }, terminal }, request } = await read();
  return { request, part, terminal };
}

/** The words after `features` that compute what a comparison or a sweep of these flags needs. */
export function featureWords(args: readonly string[], settings: Settings): string[] {
  const flags = [...settingsByFlag(settings).values()];
  const kept = Object.keys(featureFlags(settings)).filter((name) => !["threads", "dryRun", "quiet"].includes(name));
  return withoutFlags(args, settings, flags.filter((name) => !kept.includes(name)));
}
