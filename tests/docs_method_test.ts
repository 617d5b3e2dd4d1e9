/** The methods that docs/methods.md shows work as they stand there: checked, run and compared in a folder outside the kit. */
import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import { ROOT } from "./tasks.ts";

/** The code block under "Adding a method" that exports `name`. */
function shown(name: string): string {
  const page = Deno.readTextFileSync(`${ROOT}docs/methods.md`);
  const [, section] = page.split("\n## Adding a method\n");
  const blocks = [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  const found = blocks.filter((code) => code.includes(`export const ${name}:`));
  assertEquals(found.length, 1, name);
  return found[0];
}

async function deno(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    stdin: "null",
    // A task started by a task, as here under `deno task test`, keeps the folder of the first.
    env: { NO_COLOR: "1", INIT_CWD: folder },
  }).output();
  const text = new TextDecoder();
  assertEquals(code, 0, `deno ${args.join(" ")}\n${text.decode(stderr)}`);
  return text.decode(stdout);
}

Deno.test("a method written as docs/methods.md shows runs and is compared", async (t) => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  const config = ["--config", `${ROOT}deno.json`];
  // The kit's own runs stay as they are.
  const out = ["--out", `${folder}/runs`];
  try {
    await Deno.writeTextFile(`${folder}/anchored.ts`, shown("anchored"));
    await Deno.writeTextFile(`${folder}/nearest_mean.ts`, shown("nearestMean"));

    await t.step("its types fit", async () => {
      await deno(folder, "check", ...config, "anchored.ts", "nearest_mean.ts");
    });

    await t.step("deno task run", async () => {
      const flags = ["--train", "base", "--eval", "base,new", "--epochs", "2", ...out];
      const said = await deno(folder, "task", ...config, "run", "./anchored.ts", ...flags);
      assert(/^anchored, seed 1, base: accuracy .*\nanchored, seed 1, new: accuracy /.test(said), said);
      const run = `${folder}/runs/eurosat/anchored/seed-notebook+epochs=2/sample/shots16/seed1`;
      const { run: { label, hyperparameters } } = JSON.parse(await Deno.readTextFile(`${run}/report-new.json`));
      assertEquals([label, hyperparameters.pull], ["Anchored CoOp", 0.01]);
      assert((await Deno.stat(`${run}/done`)).isFile);
    });

    await t.step("deno task compare takes what is there and runs the rest", async () => {
      const flags = ["--methods", "coop,./anchored.ts", "--seeds", "1,2", "--epochs", "2", "--json", ...out];
      const { methods } = JSON.parse(await deno(folder, "task", ...config, "compare", ...flags));
      assertEquals(methods.map(({ method }: { method: string }) => method), ["coop", "anchored"]);
    });

    await t.step("a method on image features", async () => {
      const said = await deno(folder, "task", ...config, "run", "./nearest_mean.ts", ...out);
      assert(said.startsWith("nearest-mean, seed 1, base: accuracy "), said);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
