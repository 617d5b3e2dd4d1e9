/**
 * Shows a folder with a page in it, such as `export --page` writes, to the browser of this machine.
 *
 * `deno task serve runs/eurosat/zeroshot/sample/export`
 */
import { UserError } from "../src/errors.ts";
import { infoOf } from "../src/files.ts";
import { readFlags } from "./cli/flags.ts";
import { filesOf, portSetting, serveOnLoopback } from "./cli/loopback_server.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { debug, help } = TERMINAL_SETTINGS;
const SETTINGS = { port: portSetting, debug, help };

const program: Program = {
  title: "Serves a folder with a page in it to this machine alone, without changing it and without the network.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task serve runs/page", "deno task serve runs/page --port 0"],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { given, words } = readFlags(args, SETTINGS, { words: true });
  const [folder, ...more] = words;
  if (folder === undefined || more.length > 0) {
    throw new UserError("Name one folder: deno task serve runs/page shows the page in it.");
  }
  if (!(await infoOf(`${folder}/index.html`))?.isFile) {
    throw new UserError(`There is no page (index.html) in ${folder}: deno task export RUN --page writes one.`);
  }
  await serveOnLoopback({ port: given.port ?? 8017, what: folder, find: filesOf(folder) });
}
