/** The command line as settings. */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { didYouMean } from "../../src/did_you_mean.ts";
import { UserError } from "../../src/errors.ts";
import { flagName, type Setting } from "../../src/methods/setting.ts";

/** Settings by name. */
export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** What was typed. */
export interface CommandLine<S extends Settings> {
  /** Values of the settings that were given, by name. */
  given: { [K in keyof S]?: ReturnType<S[K]["parse"]> };
  /** What is no flag and no flag's value. */
  words: string[];
}

/** Settings by the name that users write; `--seed` is `--seeds`. */
export function settingsByFlag(settings: Settings): Map<string, string> {
  const byFlag = new Map(
    Object.keys(settings).filter((name) => !settings[name].fixed).map((name) => [flagName(name), name]),
  );
  if (byFlag.has("seeds")) byFlag.set("seed", "seeds");
  return byFlag;
}

/** True for settings that need no value. */
export function isSwitch({ placeholder }: Setting<unknown>): boolean {
  return placeholder === undefined;
}

/**
 * Refuses the first flag that is not known, before anything else that may be wrong is told: a misspelt one is often why.
 *
 * @throws {UserError} for it, with a near one
 */
export function requireKnownFlags(args: readonly string[], settings: Settings): void {
  const byFlag = settingsByFlag(settings);
  for (let i = 0; i < args.length && args[i] !== "--"; i++) {
    const [, flag, value] = /^--([^=]+)(=.*)?$/s.exec(args[i]) ?? [];
    if (flag === undefined) continue;
    const name = byFlag.get(flag);
    if (name === undefined) throw new UserError(unknownFlag(`--${flag}`, [...byFlag.keys()]));
    // Its value may be anything.
    const takesNext = value === undefined && !isSwitch(settings[name]) && !args[i + 1]?.startsWith("--");
    if (takesNext) i++;
  }
}

/**
 * Reads a command line. Of a flag given twice the last counts, so that a task's flags can be overridden.
 *
 * @throws {UserError} for an unknown flag, a missing or wrong value, or a word that is no flag
 */
export function readFlags<S extends Settings>(
  args: readonly string[],
  settings: S,
  options: { words?: boolean } = {},
): CommandLine<S> {
  requireKnownFlags(args, settings);
  const byFlag = settingsByFlag(settings);
  const flags = [...byFlag.keys()];
  const switches = flags.filter((flag) => isSwitch(settings[byFlag.get(flag)!]));
  const valued = flags.filter((flag) => !switches.includes(flag));
  const whole: string[] = [];
  const switched = new Set<string>();
  const pairs = new Map<string, string[]>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] === "-h" ? "--help" : args[i];
    const [, flag = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    if (switches.includes(flag)) {
      switched.add(flag);
      // parseArgs takes any other word for true.
      if (value !== undefined) settings[byFlag.get(flag)!].parse(value, `--${flag}`);
    }
    const isPair = valued.includes(flag) && settings[byFlag.get(flag)!].pairs === true;
    if (value !== undefined && isPair) pairs.set(flag, [...pairs.get(flag) ?? [], value]);
    else if (value !== undefined || !valued.includes(flag)) whole.push(arg);
    if (value !== undefined || !valued.includes(flag)) continue;
    const next = args[++i];
    // A forgotten value would otherwise be the next flag or nothing; joined, an empty value and -1 stay values.
    if (next === undefined || next.startsWith("--")) {
      throw new UserError(`${arg} needs a value: ${arg} ${settings[byFlag.get(flag)!].placeholder}.`);
    }
    if (isPair) pairs.set(flag, [...pairs.get(flag) ?? [], next]);
    else whole.push(`${arg}=${next}`);
  }
  for (const [flag, values] of pairs) whole.push(`--${flag}=${values.join(",")}`);
  const read = parseArgs(whole, {
    string: [...valued, "_"],
    boolean: switches,
    alias: byFlag.has("seed") ? { seeds: "seed" } : {},
    unknown(arg, key) {
      if (key === undefined) return true;
      throw new UserError(unknownFlag(arg.replace(/=.*$/s, ""), flags));
    },
  });
  const given: Record<string, unknown> = {};
  for (const flag of flags) {
    const value = read[flag];
    const name = byFlag.get(flag)!;
    if (typeof value === "string") given[name] = settings[name].parse(value, `--${flag}`);
    else if (switched.has(flag)) given[name] = value;
  }
  const words = read._.map(String);
  if (words.length > 0 && !options.words) {
    throw new UserError(
      `"${words[0]}" is not a flag and stands alone: flags look like --shots 16, lists like --eval base,new.`,
    );
  }
  return { given: given as CommandLine<S>["given"], words };
}

/** Flags by what the published code, its papers and other trainers call them. */
const ELSEWHERE = new Map([
  ["n-ctx", "context-tokens"],
  ["num-tokens", "context-tokens"],
  ["prompt-length", "context-tokens"],
  ["ctx-init", "init-words"],
  ["csc", "class-specific"],
  ["prompt-depth", "depth"],
  ["num-shots", "shots"],
  ["n-shots", "shots"],
  ["k-shot", "shots"],
  ["num-epochs", "epochs"],
  ["max-epoch", "epochs"],
  ["num-train-epochs", "epochs"],
  ["per-device-train-batch-size", "batch-size"],
  ["subsample-classes", "train"],
  ["eval-only", "eval"],
  ["backbone", "model"],
  ["arch", "model"],
  ["root", "data"],
  ["data-dir", "data"],
  ["output-dir", "out"],
  ["num-workers", "threads"],
  ["random-seed", "seeds"],
  ["trainer", "methods"],
  ["overwrite", "fresh"],
]);

/** A suggestion for a flag or a key that is not known; empty where no known one is near. */
export function flagSuggestion(word: string, known: readonly string[]): string {
  const [, dashes, name] = /^(-*)(.*)$/s.exec(word)!;
  const meant = ELSEWHERE.get(name.toLowerCase().replaceAll("_", "-"));
  const isKnown = meant !== undefined && known.includes(meant);
  return isKnown ? ` Did you mean "${dashes}${meant}"?` : didYouMean(word, known.map((one) => dashes + one));
}

function unknownFlag(flag: string, flags: readonly string[]): string {
  const suggestion = flagSuggestion(flag, flags);
  return `There is no flag ${flag}.${suggestion || " --help lists all flags."}`;
}
