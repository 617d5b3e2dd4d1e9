/** Tasks that may start certain programs only, where variables such as LD_LIBRARY_PATH are set: one sentence, and a command that works. */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@1.0.19";
import { loaderRefusal } from "../../src/refusal.ts";
import { ANCHORED, writeFiles } from "../method_files.ts";
import { readTasks, ROOT } from "../tasks.ts";

const SAYS =
  "error: LD_LIBRARY_PATH is set and decides what code programs load, so that Deno starts one only for a process " +
  "that may start any: unset it, or ";

/** The words of each such task with which it starts something at once. */
const CASES: Record<string, string[]> = {
  compare: ["--methods", "zeroshot", "--data", "FOLDER"],
  sweep: ["--method", "zeroshot", "--vary", "templates=single", "--data", "FOLDER"],
  features: ["--methods", "zeroshot", "--data", "FOLDER"],
  run: ["FOLDER/anchored.ts", "--help"],
  engines: [],
  "bench:load": [],
};
/** Others that start nothing before minutes of work, or only with what a machine may lack. */
const NOT_RUN: Record<string, string> = {
  "gpu:install": "starts its compilers and the probe of engines by the same calls",
  "page:install": "starts Deno by the same call as gpu:install, where it is not installed yet",
  "bench:step": "PyTorch",
  "bench:eval": "PyTorch",
  "bench:encode": "PyTorch",
  "bench:towers": "PyTorch",
  "bench:scale": "as bench:load",
  "bench:large": "as bench:load",
};

async function bash(command: string): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", command],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1", LD_LIBRARY_PATH: "/nowhere" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("every task that may start certain programs only has a case here, or a reason why not", () => {
  const narrow = readTasks().filter(({ command }) => command.includes("--allow-run=")).map(({ name }) => name);
  assertEquals([...Object.keys(CASES), ...Object.keys(NOT_RUN)].sort(), narrow.sort());
});

Deno.test("with LD_LIBRARY_PATH set they end with one sentence, whose command works", async () => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED });
  try {
    for (const [name, words] of Object.entries(CASES)) {
      const typed = words.map((word) => word.replace("FOLDER", folder)).join(" ");
      const { code, err } = await bash(`deno task -q ${name} ${typed}`);
      assertEquals(code, 2, `${name}: ${err}`);
      const [sentence, ...more] = err.trim().split("\n");
      assertEquals(more, [], name);
      assert(sentence.startsWith(SAYS), sentence);
      if (name.startsWith("bench:")) continue;
      const command = sentence.slice(SAYS.length);
      assertMatch(command, /^run: deno run /);
      assert(name === "run" || command.includes(`--allow-run recipes/${name}.ts`), command);
      if (name !== "run") continue;
      const { code: then, out, err: said } = await bash(command.slice("run: ".length));
      assertEquals(then, 0, said);
      assert(out.includes("--pull"), out);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a recipe that may start any program hands that on to itself with the paths that were typed", async () => {
  const folder = await writeFiles({ "anchored.ts": ANCHORED });
  try {
    const { err } = await bash(
      `deno run -P --allow-env --allow-run recipes/compare.ts --methods zeroshot --data ${folder}`,
    );
    assert(!err.includes("LD_LIBRARY_PATH") && err.includes(folder), err);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("several variables are named together, and other refusals are none of theirs", () => {
  const refusal = (variables: string) =>
    new Deno.errors.NotCapable(
      `Requires --allow-run permissions to spawn subprocess with ${variables}. Alternatively, spawn with it unset.`,
    );
  assert(loaderRefusal(refusal("LD_BIND_NOW, LD_PRELOAD environment variables"))!.startsWith(
    "LD_BIND_NOW, LD_PRELOAD are set and decide what code programs load",
  ));
  assert(loaderRefusal(refusal("DYLD_LIBRARY_PATH environment variable"))!.endsWith(": unset it"));
  assertEquals(loaderRefusal(new Deno.errors.NotCapable('Requires run access to "ls", run again')), undefined);
  assertEquals(loaderRefusal(new Error("else")), undefined);
});
