import { parseArgs } from "node:util";
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import {
  flagName,
  type GivenSettings,
  isSwitch,
  type Setting,
  type SettingName,
  SETTINGS,
  settingsByFlag,
} from "./settings.ts";

/**
 * Reads the command line. Of a flag given twice the last counts, so that a task's flags can be overridden.
 *
 * @param args as in `Deno.args`
 * @param names the settings that this recipe has
 * @throws {UserError} for an unknown flag, a missing or wrong value, or a word that is no flag
 */
export function readFlags(args: readonly string[], names: readonly SettingName[]): GivenSettings {
  const byFlag = settingsByFlag(names);
  const options = Object.fromEntries(
    [...byFlag].map(([flag, name]) => [flag, { type: isSwitch(name) ? "boolean" as const : "string" as const }]),
  );
  const { tokens } = parseArgs({
    args: expandHelp(args),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: GivenSettings = {};
  for (const token of tokens) {
    if (token.kind === "positional") {
      throw new UserError(
        `"${token.value}" is not a flag and stands alone: flags look like --shots 16, lists like --eval base,new.`,
      );
    }
    if (token.kind !== "option") continue;
    const name = byFlag.get(token.name);
    if (name === undefined) throw new UserError(unknownFlag(token.rawName, names));
    // A forgotten value would otherwise swallow the next flag.
    const swallowed = token.value?.startsWith("--") && !token.inlineValue;
    if (!isSwitch(name) && (token.value === undefined || swallowed)) {
      throw new UserError(`${token.rawName} needs a value: ${token.rawName} ${placeholder(name)}.`);
    }
    setSetting(given, name, { text: token.value ?? "true", label: token.rawName });
  }
  return given;
}

/** Sets one setting from text. */
export function setSetting(given: GivenSettings, name: SettingName, value: { text: string; label: string }): void {
  Object.assign(given, { [name]: SETTINGS[name].parse(value.text, value.label) });
}

function expandHelp(args: readonly string[]): string[] {
  return args.map((arg) => arg === "-h" ? "--help" : arg);
}

function placeholder(name: SettingName): string {
  const setting: Setting<unknown> = SETTINGS[name];
  return setting.placeholder ?? "";
}

function unknownFlag(flag: string, names: readonly SettingName[]): string {
  const elsewhere = settingsByFlag(Object.keys(SETTINGS) as SettingName[]).has(flag.replace(/^-+/, ""));
  if (elsewhere) return `${flag} is not a flag of this recipe, though of others: --help lists what this one has.`;
  const suggestion = didYouMean(flag, names.map((name) => `--${flagName(name)}`));
  return `There is no flag ${flag}.${suggestion || " --help lists all flags."}`;
}
