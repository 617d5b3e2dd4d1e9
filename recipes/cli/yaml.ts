/** YAML that users write: configurations and descriptions of data sets. */
import { parse } from "jsr:@std/yaml@1.3.0";
import { UserError } from "../../src/errors.ts";

/**
 * Reads YAML. Plain words are text, numbers, true, false and null: a date stays text, and `<<` is a key like others.
 *
 * @throws {SyntaxError} when it is not YAML; the message is one line that ends with the place
 */
export function parseYaml(text: string): unknown {
  try {
    return parse(text, { schema: "core" });
  } catch (error) {
    // What follows the first line is the faulty line with a caret below it.
    const reason = error instanceof Error ? error.message.split("\n")[0].replace(/:$/, "") : String(error);
    throw new SyntaxError(reason.charAt(0).toLowerCase() + reason.slice(1), { cause: error });
  }
}

/**
 * The text of a YAML file, without the byte-order mark that some editors put first.
 *
 * @throws {UserError} when it is not UTF-8
 */
export function yamlText(bytes: Uint8Array, { path, what }: { path: string; what: string }): string {
  const file = `${what.charAt(0).toUpperCase()}${what.slice(1)} ${path}`;
  if (isUtf16(bytes)) throw new UserError(`${file} is written in UTF-16: save it as UTF-8.`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`${file} is not written in UTF-8: save it as UTF-8.`, { cause });
  }
}

/** By its byte-order mark, or by the zero byte that every first character of YAML has in UTF-16. */
function isUtf16([first, second]: Uint8Array): boolean {
  const marked = first === 0xff && second === 0xfe || first === 0xfe && second === 0xff;
  return marked || first === 0 !== (second === 0) && second !== undefined;
}
