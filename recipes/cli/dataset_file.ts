/** Data sets that users describe in a YAML file. */
import { type DatasetDescription, parseDescription } from "../../src/data/description.ts";
import { UserError } from "../../src/errors.ts";
import { readText } from "../../src/files.ts";
import { parseYaml } from "./yaml.ts";

const WHAT = "the data set description";

/**
 * Reads a description.
 *
 * @throws {UserError} when it is missing or not YAML, or a key is unknown, missing or of the wrong kind
 */
export async function readDescription(path: string): Promise<DatasetDescription> {
  return parseDescription(parse(await readText(path, WHAT), path), path);
}

function parse(text: string, path: string): unknown {
  try {
    return parseYaml(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`The data set description ${path} is not valid YAML (${reason}): correct it.`, {
      cause: error,
    });
  }
}

/** Whether `--dataset` names a file. */
export function isDescription(nameOrPath: string | undefined): nameOrPath is string {
  return nameOrPath !== undefined && /\.ya?ml$/i.test(nameOrPath);
}

/**
 * What `--dataset` names, as `openDataset` takes it: a name stays a name, the path of a YAML file becomes what it says.
 *
 * @throws {UserError} as {@linkcode readDescription}
 */
export async function namedDataset(nameOrPath: string | undefined): Promise<string | DatasetDescription | undefined> {
  return isDescription(nameOrPath) ? await readDescription(nameOrPath) : nameOrPath;
}
