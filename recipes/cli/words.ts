/** Command lines of recipes that take words besides flags: names, files, images. */
import { UserError } from "../../src/errors.ts";
import { isSwitch, type SettingName, settingsByFlag } from "./settings.ts";

/** A command line in its parts. */
export interface CommandWords {
  /** What is no flag and no flag's value. */
  words: string[];
  /** Values of the recipe's own flags, by name. */
  own: Record<string, string>;
  /** The rest, for `readFlags`. */
  flags: string[];
}

/**
 * Takes words and a recipe's own flags out of a command line.
 *
 * @param args as in `Deno.args`
 * @param options the recipe's own flags, each with a value, with what stands for it; the settings that it has
 * @throws {UserError} when a flag of its own has no value
 */
export function splitWords(
  args: readonly string[],
  options: { own: Readonly<Record<string, string>>; settings: readonly SettingName[] },
): CommandWords {
  const byFlag = settingsByFlag(options.settings);
  const parts: CommandWords = { words: [], own: {}, flags: [] };
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = args[i].split(/=(.*)/s);
    const name = flag.replace(/^--/, "");
    const next = args[i + 1]?.startsWith("--") ? undefined : args[i + 1];
    if (!flag.startsWith("-")) parts.words.push(args[i]);
    else if (Object.hasOwn(options.own, name)) {
      const value = inline ?? next;
      if (!value) throw new UserError(`${flag} needs a value: ${flag} ${options.own[name]}.`);
      parts.own[name] = value;
      if (inline === undefined) i++;
    } else {
      parts.flags.push(args[i]);
      const setting = byFlag.get(name);
      if (inline === undefined && next !== undefined && setting !== undefined && !isSwitch(setting)) {
        parts.flags.push(next);
        i++;
      }
    }
  }
  return parts;
}

/**
 * Class names from `--classes`: with commas between, or a file with one a line.
 *
 * @throws {UserError} when there are fewer than two, or one twice
 */
export async function readClassNames(value: string): Promise<string[]> {
  const isFile = /\.(txt|csv)$/i.test(value);
  const text = isFile ? await readNames(value) : value;
  const names = text.split(isFile ? /\r?\n/ : ",").map((name) => name.trim()).filter((name) => name !== "");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`--classes names "${twice}" twice: name each class once.`);
  if (names.length >= 2) return names;
  throw new UserError(
    `--classes has ${names.length === 1 ? "one name" : "no name"}: give at least two with commas between, such as ` +
      '--classes "river,forest,sea", or a text file with one a line.',
  );
}

async function readNames(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(`There is no file ${path} with class names: check the path given to --classes.`);
  }
}
