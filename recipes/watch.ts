/**
 * Lists runs while they run, on a page for the browser of this machine.
 *
 * `deno task watch`
 */
import { UserError } from "../src/errors.ts";
import { RUN_PAGES, runList, WATCH_SCRIPT, watchPage } from "../src/eval/page/watch_page.ts";
import { infoOf } from "../src/files.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { runWatcher } from "../src/run/watch.ts";
import { readFlags } from "./cli/flags.ts";
import { type Content, filesOf, portSetting, serveOnLoopback } from "./cli/loopback_server.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { debug, help } = TERMINAL_SETTINGS;
const SETTINGS = { port: portSetting, debug, help };

const program: Program = {
  title:
    "Lists runs while they run, with loss, rate and reports, on a page for the browser of this machine. It reads " +
    "what runs write\nand changes nothing; the page is of `runs`, or of the folder that is named.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task watch", "deno task watch runs/eurosat --port 0"],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { given, words } = readFlags(args, SETTINGS, { words: true });
  const [folder = RUN_SETTINGS.out.default as string, ...more] = words;
  if (more.length > 0) throw new UserError("Name one folder of runs: deno task watch runs.");
  const isThere = (await infoOf(folder))?.isDirectory;
  if (!isThere && words.length > 0) throw new UserError(`There is no folder ${folder}: name one that holds runs.`);
  const port = given.port ?? portSetting.default as number;
  await serveOnLoopback({ port, what: `Runs in ${folder}`, find: pagesOf(folder) });
}

/** What stands where: the list, and the pages that it links to. */
function pagesOf(folder: string): (path: readonly string[]) => Promise<Content | undefined> {
  const look = runWatcher(folder);
  const file = filesOf(folder);
  return async (path) => {
    const asked = `/${path.join("/")}`;
    if (asked === "/watch.js") return { body: WATCH_SCRIPT, extension: ".js" };
    const seen = await look();
    if (asked === "/") return { body: watchPage(folder, seen), extension: ".html" };
    if (asked === "/runs.json") return { body: JSON.stringify({ ...seen, list: runList(seen) }), extension: ".json" };
    const isListed = [...seen.pages, ...seen.runs.flatMap(({ pages }) => pages)].some((page) =>
      RUN_PAGES + page === asked
    );
    return isListed ? await file(path.slice(1)) : undefined;
  };
}
