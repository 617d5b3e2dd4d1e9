/** Class names as users give them to `--classes`. */
import { spokenName } from "../../src/clip/spoken_name.ts";
import { UserError } from "../../src/errors.ts";
import { readText } from "../../src/files.ts";
import { requireLine, text } from "../../src/methods/setting.ts";

/** The flag. */
export const classesSetting = text({
  section: "What runs",
  placeholder: '"NAME,NAME,…"',
  help: "class names with commas between, or a text file with a name a line",
});

/** The largest sets of images have half as many classes; each takes kilobytes and a pass through the text tower. */
const MOST_NAMES = 50_000;

/**
 * Class names with commas between, or from a file with one a line.
 *
 * @throws {UserError} when there are fewer than two, or one twice
 */
export async function readClassNames(value: string): Promise<string[]> {
  const isFile = /\.(txt|csv)$/i.test(value);
  const words = isFile ? await readText(value, "the list of class names") : value;
  const names = words.split(isFile ? /\r?\n/ : ",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length > MOST_NAMES) {
    throw new UserError(
      `--classes has ${names.length.toLocaleString("en")} names, and ${
        MOST_NAMES.toLocaleString("en")
      } are the most: ` +
        "take those that may be in the images.",
    );
  }
  names.forEach((name) => requireLine(name, "A name of --classes"));
  // Prompts know no capitals, and underscores are spaces in them.
  const spoken = names.map((name) => spokenName(name).normalize("NFC").toLowerCase().trim());
  const seen = new Set<string>();
  const twice = names.find((_, i) => seen.size === seen.add(spoken[i]).size);
  if (twice !== undefined) throw new UserError(`--classes names "${twice}" twice: name each class once.`);
  if (names.length >= 2) return names;
  throw new UserError(
    `--classes has ${names.length === 1 ? "one name" : "no name"}: give at least two with commas between, such as ` +
      '--classes "river,forest,sea", or a text file with one a line.',
  );
}
