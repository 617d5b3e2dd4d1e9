/**
 * Gets CLIP weights and data sets into `data/`: from the addresses of `data/catalogue.json`, or from a file that is at
 * hand.
 *
 * `deno task download eurosat ViT-B/16`
 */
import { CATALOGUE, catalogueHosts, type CatalogueItem, requireItem } from "../src/data/downloads.ts";
import { obtainItem } from "../src/data/obtain.ts";
import { UserError } from "../src/errors.ts";
import { text } from "../src/methods/setting.ts";
import type { Progress } from "../src/run/progress.ts";
import { readFlags } from "./cli/flags.ts";
import { shellLine } from "./cli/jobs.ts";
import { openProgress } from "./cli/progress.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

/** Where everything goes; the task may write there and nowhere else. */
const FOLDER = "data";

const { quiet, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = {
  source: text({
    section: "What runs",
    placeholder: "FILE_OR_FOLDER_OR_URL",
    help: "a file that you have, a folder with it, or an address, in place of the catalogue's",
  }),
  quiet,
  debug,
  help,
};

const program: Program = {
  title: helpText(),
  url: import.meta.url,
  settings: SETTINGS,
  kept: "What was fetched is kept: the same command goes on from there.",
  examples: [
    "deno task download eurosat ViT-B/16",
    "deno task download ViT-B/16 --source /media/stick/ViT-B-16.pt",
    "deno task download eurosat --source https://mirror.example/eurosat/",
  ],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { words: names, given: { source, quiet = false } } = readFlags(args, SETTINGS, { words: true });
  const items = names.map((name) => requireItem(name));
  if (items.length === 0) {
    throw new UserError(
      `Name what to download: ${CATALOGUE.items.map(({ name }) => name).join(", ")}; for example ` +
        '"deno task download eurosat ViT-B/16".',
    );
  }
  if (source !== undefined && items.length > 1) {
    throw new UserError(`--source goes with one name, and there are ${items.length}: give them one after the other.`);
  }
  const progress = openProgress({ quiet });
  for (const item of items) await getItem(item, { source, progress });
}

async function getItem(item: CatalogueItem, options: { source?: string; progress: Progress }): Promise<void> {
  const { source, progress } = options;
  progress.say(`${item.title}: licence ${item.licence}; ${item.home}`);
  let tenth = -1;
  const files = await withPermission(() =>
    obtainItem(item, {
      folder: FOLDER,
      source,
      say: (line) => progress.say(line),
      onProgress(what, { done, total }) {
        const now = total === undefined ? 0 : Math.floor(10 * done / total);
        const count = { done: megabytes(done), total: megabytes(total ?? done), unit: "MB" };
        progress.update({ what, ...count, milestone: now !== tenth });
        tenth = now;
      },
    }), source);
  for (const { path, sha256, isVerified, wasThere } of files) {
    const how = isVerified ? "as published" : "no hash is published";
    progress.finish(`${path}: ${wasThere ? "was there, " : ""}sha256 ${sha256}, ${how}`);
  }
  const place = files[0].path.includes("/models/") ? files[0].path : `${FOLDER}/${item.files[0].path.split("/")[0]}`;
  console.log(
    `${item.name} is in ${place}; use it with ${item.kind === "model" ? `--model ${item.name}` : `--data ${place}`}`,
  );
  console.log(`  cite: ${item.citation}`);
  if (item.byHand !== undefined) console.log(`  ${item.byHand}`);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

/** Says exactly what to type when Deno was started without the permission for the source. */
async function withPermission<T>(work: () => Promise<T>, source: string | undefined): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refused = [error, error instanceof Error ? error.cause : undefined].find((each) =>
      each instanceof Deno.errors.NotCapable
    );
    if (refused === undefined) throw error;
    const isAddress = source !== undefined && /^https?:/i.test(source);
    // Redirects lead to other hosts than the address says.
    const [, host] = /net access to "([^"]+)"/.exec((refused as Error).message) ?? [];
    const hosts = [...catalogueHosts(), ...(isAddress ? [new URL(source).host] : []), ...(host ? [host] : [])];
    const read = source === undefined || isAddress ? FOLDER : `${FOLDER},${source}`;
    const words = [`--allow-read=${read}`, `--allow-write=${FOLDER}`, `--allow-net=${[...new Set(hosts)].join(",")}`];
    const command = shellLine(["deno", "run", ...words, "recipes/download.ts", ...Deno.args]);
    throw new UserError(`Deno was started without a permission that this needs. Run: ${command}`);
  }
}

function helpText(): string {
  const width = Math.max(...CATALOGUE.items.map(({ name }) => name.length));
  const list = CATALOGUE.items.map(({ name, title, licence }) => `  ${name.padEnd(width)}  ${title} (${licence})`);
  return `Gets CLIP weights and data sets into data/, whole and checked, or not at all. What was cut off goes on.

Name what to get:

${list.join("\n")}`;
}
