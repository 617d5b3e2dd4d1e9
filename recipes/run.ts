/**
 * Runs a method of your own: a file that exports one. docs/methods.md shows how to write it.
 *
 * `deno task run ./anchored.ts --train base --eval base,new`
 *
 * The task itself may do nothing but start Deno: it starts this file again with the permissions of the recipes and that
 * to read the method's folder.
 */
import { UserError } from "../mod.ts";
import { RECIPE } from "./cli/permissions.ts";
import { isMethodFile, loadMethod, typedPath } from "./cli/method_file.ts";
import { pipeline } from "./cli/pipeline.ts";
import { KEPT, runMethod, runProgram } from "./cli/recipe.ts";
import { isStarter, startWithPermissions } from "./cli/start.ts";

const examplesOf = (
  file: string,
) => [`deno task run ${file} --train base --eval base,new`, `deno task run ${file} --help`];
const program = {
  url: import.meta.url,
  title: "Runs a method of your own, from its file; --help after the file tells the method's settings.",
  settings: {},
  examples: examplesOf("./anchored.ts"),
};

if (import.meta.main) {
  const [file = "", ...args] = Deno.args;
  await (isMethodFile(file) ? runFile(typedPath(file), args) : runProgram(program, noFile));
}

async function runFile(path: string, args: readonly string[]): Promise<void> {
  if (await isStarter()) Deno.exit(await startWithPermissions(import.meta.url, [path, ...args]));
  const code = `${path} or of this kit`;
  await runProgram({ ...program, task: RECIPE, code, settings: undefined, kept: KEPT }, async () => {
    const { method, file } = await loadMethod(path);
    const info = {
      method,
      examples: examplesOf(path),
      command: ["deno", "task", "run", path],
      methodSha256: file?.sha256,
    };
    await runMethod(import.meta.url, { info, args }, pipeline(method));
  });
}

function noFile(args: readonly string[]): Promise<void> {
  throw new UserError(
    `${args.length === 0 ? "There is no file" : `"${args[0]}" is not the file`} of a method: type ` +
      "deno task run ./anchored.ts --train base --eval base,new.",
  );
}
