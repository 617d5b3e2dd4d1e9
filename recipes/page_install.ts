/**
 * Fetches what exported pages carry: ONNX Runtime for browsers, from npm, by its hash.
 *
 * `deno task page:install` (once, before the first `deno task export … --page`)
 */
import { fileURLToPath } from "node:url";
import { UserError } from "../src/errors.ts";
import { readFlags } from "./cli/flags.ts";
import { installRuntime, isRuntimeThere, RUNTIME_COST } from "./cli/page_runtime.ts";
import { openProgress } from "./cli/progress.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { quiet, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = { quiet, debug, help };

const program: Program = {
  title: `Fetches what pages of deno task export carry: ONNX Runtime for browsers (${RUNTIME_COST}).`,
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task page:install"],
};

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const progress = openProgress({ quiet: readFlags(args, SETTINGS).given.quiet ?? false });
  const stage = new URL("../.cache/page", import.meta.url);
  if (stage.protocol !== "file:") throw new UserError("It is fetched into a clone of the kit: clone it.");
  if (await isRuntimeThere()) return progress.finish("ONNX Runtime for browsers is there: deno task export … --page.");
  progress.say(`Fetching ONNX Runtime for browsers from npm, ${RUNTIME_COST}.`);
  await installRuntime(fileURLToPath(stage));
  progress.finish("ONNX Runtime for browsers is there: deno task export … --page.");
}
