/**
 * Runs the cells of a notebook in order, as Deno's Jupyter kernel would, without Jupyter: all cells become one module, and what a
 * cell prints or ends with becomes its outputs.
 *
 * `deno run -A tests/recipes/notebook.ts` runs `recipes/notebook.ipynb` and writes the outputs into it.
 */
import { ROOT } from "../tasks.ts";

/** The notebook that ships with the kit. */
export const NOTEBOOK = `${ROOT}recipes/notebook.ipynb`;

/** A cell, as far as this file looks into it. */
export interface Cell {
  cell_type: "code" | "markdown";
  source: string[];
  outputs?: Output[];
  execution_count?: number | null;
}

/** What a cell printed, or what it ended with. */
export type Output =
  | { output_type: "stream"; name: "stdout"; text: string[] }
  | {
    output_type: "execute_result";
    execution_count: number;
    metadata: Record<string, never>;
    data: Record<string, string[]>;
  };

/** Reads a notebook. */
export async function readNotebook(path: string): Promise<{ cells: Cell[] }> {
  return JSON.parse(await Deno.readTextFile(path));
}

/**
 * Runs the code cells in a process of its own.
 *
 * @returns the outputs of each code cell, in order
 * @throws {Error} with what the process said, when a cell fails
 */
export async function runCells(cells: readonly Cell[], path: string): Promise<Output[][]> {
  const folder = await Deno.makeTempDir();
  try {
    const script = `${folder}/cells.js`;
    await Deno.writeTextFile(script, moduleOf(cells, new URL(`file://${path}`)));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "--no-prompt", "--allow-all", `--config=${ROOT}deno.json`, script],
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return (await Deno.readTextFile(`${folder}/outputs.jsonl`)).trimEnd().split("\n").map((line) => JSON.parse(line));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** One module of all code cells. Imports count from the notebook's folder, as in the kernel. */
function moduleOf(cells: readonly Cell[], address: URL): string {
  const bodies = cells.filter((cell) => cell.cell_type === "code").map(({ source }, i) => {
    const text = source.join("")
      .replaceAll(/(from ")(\.\.?\/[^"]+)(")/g, (_, head, path, end) => head + new URL(path, address).href + end)
      .replaceAll("import.meta.url", JSON.stringify(address.href));
    const { before, last } = lastExpression(text);
    return `${before}\n__end(${i + 1}, ${last === "" ? "undefined" : `await (${last})`});\n`;
  });
  return `${PRELUDE}\n${bodies.join("\n")}`;
}

const PRELUDE = `
let __said = [];
console.log = (...words) => __said.push(words.join(" ") + "\\n");
function __end(execution_count, value) {
  const outputs = [];
  const lines = (text) => text.match(/[^\\n]*\\n|[^\\n]+$/g) ?? [];
  if (__said.length > 0) outputs.push({ output_type: "stream", name: "stdout", text: lines(__said.join("")) });
  const shown = value?.[Symbol.for("Jupyter.display")]?.();
  if (shown) {
    const data = Object.fromEntries(Object.entries(shown).map(([type, text]) => [type, lines(text)]));
    outputs.push({ output_type: "execute_result", execution_count, metadata: {}, data });
  }
  __said = [];
  Deno.writeTextFileSync(new URL("outputs.jsonl", import.meta.url), JSON.stringify(outputs) + "\\n", { append: true });
}`;

/** A cell without its last statement, and that statement where it is an expression. Cells are formatted: statements start at the left. */
function lastExpression(text: string): { before: string; last: string } {
  const lines = text.trimEnd().split("\n");
  const at = lines.findLastIndex((line) => /^[^\s)}\]]/.test(line));
  const last = lines.slice(at).join("\n").replace(/;$/, "");
  if (/^(const|let|import|for|if|while|async|function|class|throw|\/\/|\/\*|\})/.test(last)) {
    return { before: text, last: "" };
  }
  return { before: lines.slice(0, at).join("\n"), last };
}

if (import.meta.main) {
  const notebook = await readNotebook(NOTEBOOK);
  const outputs = await runCells(notebook.cells, NOTEBOOK);
  for (const [i, cell] of notebook.cells.filter((cell) => cell.cell_type === "code").entries()) {
    cell.outputs = outputs[i];
    cell.execution_count = i + 1;
  }
  await Deno.writeTextFile(NOTEBOOK, `${JSON.stringify(notebook, null, 1)}\n`);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", NOTEBOOK] }).output();
}
