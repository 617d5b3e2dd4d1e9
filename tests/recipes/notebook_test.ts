import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { type Cell, NOTEBOOK, type Output, readNotebook, runCells } from "./notebook.ts";

const { cells } = await readNotebook(NOTEBOOK);
const codeCells = cells.filter((cell) => cell.cell_type === "code");

const textOf = (outputs: readonly Output[]) =>
  outputs.map((output) => output.output_type === "stream" ? output.text.join("") : "").join("");
const kindsOf = (outputs: readonly Output[]) =>
  outputs.map((output) => output.output_type === "stream" ? output.name : Object.keys(output.data).join());
const accuracy = (text: string, of: string) => Number(new RegExp(`^${of}: (\\d+\\.\\d) %$`, "m").exec(text)?.[1]);

Deno.test("the notebook is stored with its outputs: text and four charts", () => {
  assertEquals(codeCells.map(({ execution_count }) => execution_count), codeCells.map((_, i) => i + 1));
  const kinds = codeCells.flatMap(({ outputs = [] }) => kindsOf(outputs));
  assertEquals(kinds.filter((kind) => kind === "image/svg+xml").length, 4);
  for (const { outputs = [] } of codeCells) {
    for (const output of outputs) {
      if (output.output_type === "stream") continue;
      const svg = output.data["image/svg+xml"].join("");
      // Outside of the kit's pages no style sheet gives the colours.
      assert(svg.startsWith("<svg") && !svg.includes("var(--"), svg.slice(0, 200));
    }
  }
});

Deno.test("the notebook needs mod.ts and the charts of pages, and nothing else of the kit", () => {
  const sources = codeCells.map(({ source }) => source.join("")).join("\n");
  const modules = Array.from(sources.matchAll(/from "([^"]+)"/g), ([, module]) => module);
  assert(modules.includes("../mod.ts"));
  for (const module of modules) assert(module === "../mod.ts" || module.startsWith("../src/eval/page/"), module);
});

Deno.test("the cells run in order and give outputs of the kind that is stored", async () => {
  const found = await runCells(cells, NOTEBOOK);
  assertEquals(found.map(kindsOf), codeCells.map(({ outputs = [] }: Cell) => kindsOf(outputs)));
  const [text, stored] = [found, codeCells.map(({ outputs = [] }) => outputs)].map((all) => all.map(textOf).join(""));
  for (const subset of ["base", "new"]) {
    // Nothing is learned here, so the numbers are the same on every machine.
    assertAlmostEquals(accuracy(text, `Zero-shot, ${subset}`), accuracy(stored, `Zero-shot, ${subset}`), 0.15);
  }
  for (const method of ["CoOp", "CoCoOp"]) {
    for (const seed of [1, 2, 3]) {
      const base = accuracy(text, `${method}, seed ${seed}, base`);
      assert(base > accuracy(text, "Zero-shot, base") + 20, `${method}, seed ${seed}: ${base} % on base classes`);
    }
  }
  for (const label of ["Zero-shot", "CoOp", "CoCoOp"]) assert(new RegExp(`^${label} +\\d`, "m").test(text), text);
  assertStringIncludes(text, "95 % interval");
});

Deno.test("a cell that fails, fails with its own words", async () => {
  const cell = (...source: string[]): Cell => ({ cell_type: "code", source });
  assertEquals(await runCells([cell("const a = 2;\n", 'console.log("a", a);'), cell("a;")], NOTEBOOK), [
    [{ output_type: "stream", name: "stdout", text: ["a 2\n"] }],
    [],
  ]);
  const message = await runCells([cell('throw new Error("no such city");')], NOTEBOOK).then(() => "", String);
  assertStringIncludes(message, "no such city");
});
