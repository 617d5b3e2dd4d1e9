/** Settings of the terminal: what is shown and where settings are read from. They decide no result. */
import { type SettingsOf, text, toggle } from "../../src/methods/setting.ts";

/** Their values. */
export type TerminalValues = {
  config: string;
  dryRun: boolean;
  json: boolean;
  quiet: boolean;
  debug: boolean;
  help: boolean;
};

const OUTPUT = { section: "Output", changesNumbers: false } as const;

/** All of them, in the order of `--help`. */
export const TERMINAL_SETTINGS: SettingsOf<TerminalValues> = {
  config: text({
    section: "What runs",
    changesNumbers: false,
    placeholder: "FILE",
    help: "YAML with any of these settings; goes over the preset, flags go over it",
  }),
  dryRun: toggle({
    ...OUTPUT,
    help: "print what would run, with prompts, permissions and estimates, and stop",
  }),
  json: toggle({ ...OUTPUT, help: "the report on standard output, and nothing else there" }),
  quiet: toggle({ ...OUTPUT, help: "no progress" }),
  debug: toggle({ ...OUTPUT, help: "a stack trace with an error" }),
  help: toggle({ ...OUTPUT, help: "this page" }),
};
