/** A YAML file with settings: keys are the flags' names without dashes in front. */
import { UserError } from "../../src/errors.ts";
import { MOST_TEXT_BYTES, readText } from "../../src/files.ts";
import { flagSuggestion, type Settings, settingsByFlag } from "./flags.ts";
import { parseYaml } from "./yaml.ts";

const WHAT = "the configuration";

/**
 * Reads a file for `--config`.
 *
 * @throws {UserError} when it is missing, not YAML, or has an unknown key or a wrong value
 */
export async function readConfigFile(path: string, settings: Settings): Promise<Record<string, unknown>> {
  return settingsFromYaml(await readText(path, WHAT), { where: path, settings });
}

/**
 * Reads settings from YAML.
 *
 * @throws {UserError} for YAML that cannot be read, an unknown key or a wrong value; names the file
 */
export function settingsFromYaml(
  text: string,
  options: { where: string; settings: Settings },
): Record<string, unknown> {
  const { where, settings } = options;
  const byFlag = settingsByFlag(settings);
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(documentOf(text, where))) {
    const name = byFlag.get(key);
    if (name === undefined || name === "config" || name === "help") {
      throw new UserError(
        `The configuration ${where} has an unknown key "${key}".${
          flagSuggestion(key, [...byFlag.keys()].filter((flag) => !["config", "help"].includes(flag)))
        }`,
      );
    }
    if (name in given) throw new UserError(`The configuration ${where} gives "${name}" twice: leave one of them out.`);
    const items = settings[name].pairs ? pairsOf(value, { key, where }) : Array.isArray(value) ? value : [value];
    if (!items.every((item) => ["string", "number", "boolean"].includes(typeof item))) {
      throw new UserError(`In the configuration ${where}, "${key}" is not a value or a list of values.`);
    }
    given[name] = settings[name].parse(items.join(","), `"${key}" in ${where}`);
  }
  return given;
}

/** `lr: [0.001, 0.002]` as `lr=0.001,0.002`. */
function pairsOf(value: unknown, { key, where }: { key: string; where: string }): unknown[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [value].flat();
  return Object.entries(value).map(([name, values]) => {
    const texts = [values].flat().map(String);
    const odd = texts.find((text) => /[,=]/.test(text));
    if (odd === undefined) return `${name}=${texts.join(",")}`;
    throw new UserError(`In the configuration ${where}, "${key}" has the value "${odd}": a value has neither , nor =.`);
  });
}

/**
 * What a configuration says of one key, before anything else of it is known.
 *
 * @throws {UserError} when the file is missing or not YAML
 */
export async function valueInConfig(path: string, key: string): Promise<string | undefined> {
  const value = documentOf(await readText(path, WHAT), path)[key];
  return value === undefined ? undefined : String(value);
}

/** What a configuration says, as flags; nothing where it cannot be read. What is wrong with it is told elsewhere. */
export function flagsInConfig(path: string): string[] {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile || size > MOST_TEXT_BYTES) return [];
    const document = documentOf(Deno.readTextFileSync(path), path);
    return Object.entries(document).map(([key, value]) => `--${key}=${value}`);
  } catch {
    return [];
  }
}

function documentOf(text: string, where: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = parseYaml(text) ?? {};
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`The configuration ${where} is not YAML (${reason}): one "key: value" a line.`);
  }
  if (typeof document === "object" && document !== null && !Array.isArray(document)) {
    return document as Record<string, unknown>;
  }
  throw new UserError(`The configuration ${where} is not a list of settings: one "key: value" a line.`);
}
