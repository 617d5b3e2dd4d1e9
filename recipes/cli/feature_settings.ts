/** The flags of `features`: those of a comparison that decide what its runs need, and which part of it. */
import { UserError } from "../../src/errors.ts";
import type { Setting } from "../../src/methods/setting.ts";
import type { Part } from "../../src/run/feature_parts.ts";
import { type Settings, settingsByFlag } from "./flags.ts";
import { withoutFlags } from "./next_step.ts";

/** What a comparison is told besides. */
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

/** The flags of `features`, from those of a comparison. */
export function featureFlags(settings: Settings): Settings {
  const shared = Object.entries(settings).filter(([name]) => !NOT_OF_FEATURES.includes(name));
  const dryRun = { ...settings.dryRun, help: "print how many images, hours and bytes it would be, and stop" };
  return { ...Object.fromEntries(shared), part, dryRun };
}

/** The words after `features` that compute what a comparison of these flags needs. */
export function featureWords(args: readonly string[], settings: Settings): string[] {
  const flags = [...settingsByFlag(settings).values()];
  const kept = Object.keys(featureFlags(settings)).filter((name) => !["threads", "dryRun", "quiet"].includes(name));
  return withoutFlags(args, settings, flags.filter((name) => !kept.includes(name)));
}
