/**
 * Parity with the published PyTorch code: every stage against numbers that it produced, one row a stage.
 *
 * The fixtures and their format are described in the folder's README; docs/parity.md has the table as last measured.
 *
 * `deno task parity ../shared/reference --engine onnx`
 */
import { engineName, openEngine } from "../src/engine/choose.ts";
import { UserError } from "../src/errors.ts";
import { openFixtures } from "../src/parity/fixtures.ts";
import type { ParityRow } from "../src/parity/row.ts";
import { deepEngineRows, engineRows, eurosatBeside, modelNames, plainRows } from "../src/parity/run.ts";
import { readFlags } from "./cli/flags.ts";
import { RUN_SETTINGS } from "../src/run/settings.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

/** The folder of fixtures where none is named. */
const FOLDER = "../shared/reference";
/** Engines that run everywhere. */
const ENGINES = "onnx,wasm,cpu";

const { engine, device, threads } = RUN_SETTINGS;
const { json, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = {
  engine: { ...engine, placeholder: "NAME,NAME", default: undefined, defaultWords: ENGINES },
  device,
  threads,
  json: { ...json, help: "the rows on standard output as JSON" },
  debug,
  help,
};

const program: Program = {
  title:
    "Compares every stage with numbers of the published PyTorch code: deno task parity [DIR] [--engine onnx,wasm,cpu]. " +
    `DIR is a folder of fixtures [${FOLDER}]. Exit code 1 when a stage differs, 2 when a file is missing.`,
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task parity", "deno task parity ../shared/reference --engine onnx --json"],
};

const WIDTHS = [42, 14, 6, 9, 9, 17];
const HEADINGS = ["stage", "engine", "cases", "largest", "tolerance", "unit", "verdict"];

const line = (cells: readonly string[]) =>
  cells.map((cell, i) => i === 0 || i >= 5 ? cell.padEnd(WIDTHS[i] ?? 0) : cell.padStart(WIDTHS[i])).join("  ")
    .trimEnd();

const isFailed = (row: ParityRow) => !row.passed && row.skipped === undefined;

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { given, words } = readFlags(args, SETTINGS, { words: true });
  if (words.length > 1) throw new UserError(`Two folders were given, ${words.join(" and ")}: give one.`);
  const [folder = FOLDER] = words;
  const engines = (given.engine ?? ENGINES).split(",").map((name) => engineName(name.trim()));
  const fixtures = openFixtures(folder);
  const names = modelNames(fixtures);
  const rows: ParityRow[] = [];
  const tell = (row: ParityRow) => {
    if (!given.json && rows.length === 0) console.log(line(HEADINGS));
    rows.push(row);
    if (!given.json) console.log(line(cells(row)));
  };

  const eurosat = [...new Set([eurosatBeside(folder), eurosatBeside(FOLDER)])];
  for await (const row of plainRows(fixtures, { eurosat })) tell(row);
  for (const name of engines) {
    const engine = await openEngine(name, {
      threads: given.threads,
      device: name === "onnx" || engines.length === 1 ? given.device : undefined,
    });
    try {
      for await (const row of engineRows(engine, { fixtures, names })) tell(row);
      for await (const row of deepEngineRows(engine, { fixtures })) tell(row);
    } finally {
      await engine.dispose();
    }
  }

  const failed = rows.filter(isFailed);
  if (given.json) console.log(JSON.stringify({ fixtures: folder, passed: failed.length === 0, rows }));
  else summarise(rows, failed);
  if (failed.length > 0) Deno.exitCode = 1;
}

function cells(row: ParityRow): string[] {
  if (row.skipped !== undefined) return [row.stage, row.engine, "0", "", "", "", `not compared: ${row.skipped}`];
  const number = (value: number) => Number.isInteger(value) ? String(value) : value.toExponential(1);
  const verdict = row.passed
    ? "ok"
    : `FAILED: ${row.failures.slice(0, 3).join("; ")}${row.failures.length > 3 ? "; …" : ""}`;
  return [row.stage, row.engine, String(row.cases), number(row.largest), number(row.tolerance), row.unit, verdict];
}

function summarise(rows: readonly ParityRow[], failed: readonly ParityRow[]): void {
  const skipped = rows.filter((row) => row.skipped !== undefined).length;
  const passed = rows.length - failed.length - skipped;
  console.log(`${passed} of ${rows.length} stages agree, ${failed.length} differ, ${skipped} not compared.`);
}
