/** A comparison as files beside one another, and one of them on standard output. */
import { formatJson } from "../../src/eval/report_file.ts";
import type { TableForm } from "../../src/eval/result_files.ts";
import { openRunFolder } from "../../src/run/folder.ts";

/** What a comparison is printed and kept as. */
export interface ComparisonOutput {
  /** Of `compare.json`. */
  json: unknown;
  /** Of `compare.csv`, `compare.md` and `compare.tex`. */
  tables: Record<TableForm, string>;
  /** For a terminal. */
  lines: string[];
}

/** Writes `compare.json` and the tables, and takes away what killed processes left half-written. */
export async function writeComparison(path: string, { json, tables }: ComparisonOutput): Promise<void> {
  const folder = await openRunFolder(path);
  try {
    await folder.write("compare.json", `${formatJson(json, "")}\n`);
    for (const [form, text] of Object.entries(tables)) await folder.write(`compare.${form}`, text);
  } finally {
    folder.close();
  }
}

/** Prints what was asked for; true where that is the text for people, which more may follow. */
export function printComparison(
  { json, tables, lines }: ComparisonOutput,
  asked: { table?: TableForm; json?: boolean },
): boolean {
  if (asked.table !== undefined) printExactly(tables[asked.table]);
  else if (asked.json) printExactly(`${formatJson(json, "")}\n`);
  else {
    for (const line of lines) console.log(line);
    return true;
  }
  return false;
}

/** What is redirected to a file must be that file's content and nothing else. */
export function printExactly(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Width and emphasis of standard output. */
export function screen(): { columns: number; colour: boolean } {
  if (!Deno.stdout.isTerminal()) return { columns: 100, colour: false };
  return { columns: Deno.consoleSize().columns || 80, colour: !Deno.noColor };
}
