/** A comparison as files beside one another, and one of them on standard output. */
import type { Warning } from "../../src/eval/collapse.ts";
import { formatJson } from "../../src/eval/report_file.ts";
import type { TableForm } from "../../src/eval/result_files.ts";
import { openRunFolder } from "../../src/run/folder.ts";
import { SAMPLE_IMAGES } from "../../src/run/open_data.ts";

/** What a comparison is printed and kept as. */
export interface ComparisonOutput {
  /** Of `compare.json`. */
  json: unknown;
  /** Of `compare.csv`, `compare.md` and `compare.tex`. */
  tables: Record<TableForm, string>;
  /** For a terminal. */
  lines: string[];
}

/** Writes `compare.json` and the tables, or others of that name, and takes away what killed processes left half-written. */
export async function writeComparison(
  path: string,
  { json, tables }: ComparisonOutput,
  name = "compare",
): Promise<void> {
  const folder = await openRunFolder(path);
  try {
    await folder.write(`${name}.json`, `${formatJson(json, "")}\n`);
    for (const [form, text] of Object.entries(tables)) await folder.write(`${name}.${form}`, text);
  } finally {
    folder.close();
  }
}

/** Said of numbers on the images that ship with the kit. */
export const PART_OF_TESTS: Warning = {
  kind: "part",
  method: null,
  seed: null,
  text: "The test images are the sample's, a part of the published ones: --data EuroSAT.zip takes all.",
};

/** Training images a class that the sample's stored features hold. */
const SAMPLE_SHOTS = 16;

/** What is to be known of numbers of the sample model; nothing of others. */
export function sampleLines(
  { model: { sample } }: { model: { sample: boolean } },
  { on, shots }: { on: { data?: string }; shots: readonly number[] },
): string[] {
  if (!sample) return [];
  const isFirst = (on.data ?? SAMPLE_IMAGES) === SAMPLE_IMAGES && shots.some((count) => count < SAMPLE_SHOTS);
  return [
    ...isFirst
      ? [
        `Fewer than ${SAMPLE_SHOTS} shots are the first images of the sample's ${SAMPLE_SHOTS}-shot draw; the published ` +
        "draws need the images (--data EuroSAT.zip).",
      ]
      : [],
    "This was the small sample model: its numbers say nothing about OpenAI's CLIP.",
  ];
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
