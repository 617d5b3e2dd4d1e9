/** The runs that comparisons and sweeps start as processes, in this process: what kills them kills it too, as with a whole machine. */
import { pipeline } from "../../recipes/cli/pipeline.ts";
import { runMethod } from "../../recipes/cli/recipe.ts";
import { KIT_METHODS } from "../../src/methods/kit.ts";

/** Starts runs of the kit's methods here until it is disposed; `started` has the words of each. */
export function withRunsHere(): Disposable & { readonly started: string[][] } {
  const { Command } = Deno;
  const started: string[][] = [];
  Deno.Command = class {
    constructor(_program: string, readonly options: Deno.CommandOptions) {}
    spawn(): unknown {
      const args = this.options.args!;
      const at = args.findIndex((arg) => /recipes\/\w+\.ts$/.test(arg));
      const [, recipe] = /(\w+)\.ts$/.exec(args[at])!;
      const method = KIT_METHODS.find(({ name }) => name === recipe)!;
      const words = args.slice(at + 1);
      started.push([recipe, ...words]);
      const run = runMethod(
        import.meta.resolve(`../../recipes/${recipe}.ts`),
        { info: { method, examples: [] }, args: [...words, "--quiet"] },
        pipeline(method),
      );
      const ended = run.then(() => ({ code: 0, text: "" }), ({ message }) => ({ code: 2, text: `error: ${message}` }));
      const stderr = new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode((await ended).text));
          controller.close();
        },
      });
      return { stderr, status: ended, kill() {} };
    }
  } as unknown as typeof Deno.Command;
  return { started, [Symbol.dispose]: () => void (Deno.Command = Command) };
}
