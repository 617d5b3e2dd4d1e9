/** YAML that users write: configurations and descriptions of data sets. */
import { parse } from "jsr:@std/yaml@1.3.0";

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
