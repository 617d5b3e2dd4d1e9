/** What the help of comparisons and sweeps says of settings that they share with runs. */
import type { Setting, SettingsOf } from "../../src/methods/setting.ts";
import { TERMINAL_SETTINGS, type TerminalValues } from "./terminal.ts";

/** Of settings that a comparison takes less of than a run, or makes something else of. */
export const HANDED_ON_WORDS: Partial<Record<string, Partial<Setting<unknown>>>> = {
  train: { help: "classes to train on", defaultWords: "base, or all where all alone is evaluated" },
  eval: {
    placeholder: "base,new,all",
    help: "classes to evaluate on, each against its own names only",
    defaultWords: "base,new",
  },
  preset: { help: "published configuration to start from; the --help of each method's task lists its own" },
};

/** Settings of the terminal, of a comparison or a sweep; a method stands in no configuration of some. */
export function terminalSettings(
  { json, config = "" }: { json: string; config?: string },
): SettingsOf<TerminalValues> {
  return {
    ...TERMINAL_SETTINGS,
    config: {
      ...TERMINAL_SETTINGS.config,
      help: `YAML with any of these settings${config}; goes over the preset, flags go over it`,
    },
    dryRun: {
      ...TERMINAL_SETTINGS.dryRun,
      help: "print which runs are there and the command of each that is not, and stop",
    },
    json: { ...TERMINAL_SETTINGS.json, help: `${json} on standard output, and nothing else there` },
  };
}
