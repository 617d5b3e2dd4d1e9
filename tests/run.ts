/**
 * Runs all tests, the examples in the documentation among them, and ends with the line `N passed, N failed`.
 * Words after `deno task test` are handed to `deno test`: `deno task test --filter sgd`.
 */
import { stripVTControlCharacters } from "node:util";

/** The counts in the last line of `deno test`. */
export interface Counts {
  passed: number;
  failed: number;
  ignored: number;
}

/** Reads the counts from what `deno test` printed; nothing when it never came to an end. */
export function readCounts(output: string): Counts | undefined {
  const lines = stripVTControlCharacters(output).split("\n");
  const summary = lines.findLast((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
  if (summary === undefined) return undefined;
  const count = (what: string) => Number(new RegExp(`(\\d+) ${what}`).exec(summary)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), ignored: count("ignored") };
}

/** `deno test` at once. Tests of one process share its folder and environment, so files go to processes and not to threads. */
const AT_ONCE = Math.min(2, navigator.hardwareConcurrency);
/** Files of a process: starting one takes a second. */
const FILES = 8;

/** What each process tests. Whole runs come last by name and take longest: they begin first, so that no process ends alone. */
export function partsOf(files: readonly string[]): string[][] {
  const sorted = files.toSorted().reverse();
  const parts = Array.from(
    { length: Math.ceil(sorted.length / FILES) },
    (_, i) => ["--no-check", ...sorted.slice(i * FILES, (i + 1) * FILES)],
  );
  return [...parts, ["--doc", "mod.ts", "README.md", "src"]];
}

function testFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? testFiles(path) : name.endsWith("_test.ts") ? [path] : [];
  });
}

async function deno(args: string[]): Promise<{ output: string; code: number }> {
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args,
    // The folder that `deno task` was typed in would stand for that of every task which a test starts.
    clearEnv: true,
    env: Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => name !== "INIT_CWD")),
    stdin: "null",
  }).output();
  // Whole, so that what two processes say does not mix.
  for (const [bytes, to] of [[stderr, Deno.stderr], [stdout, Deno.stdout]] as const) {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  }
  return { output: new TextDecoder().decode(stdout), code };
}

async function main(): Promise<void> {
  const total: Counts = { passed: 0, failed: 0, ignored: 0 };
  const { code } = await deno(["check", "--quiet"]);
  if (code !== 0) total.failed++;
  const waiting = partsOf(testFiles("tests")).values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const part of waiting) {
      console.log(`begins: ${part.join(" ")}`);
      const { output, code } = await deno(["test", "--allow-all", ...part, ...Deno.args]);
      const counts = readCounts(output) ?? { passed: 0, failed: 0, ignored: 0 };
      total.passed += counts.passed;
      total.ignored += counts.ignored;
      // A file that does not compile, or a process that dies, fails without a failed test.
      total.failed += code === 0 ? counts.failed : Math.max(1, counts.failed);
    }
  }));
  if (total.ignored > 0) console.log(`${total.ignored} skipped, each with its reason in its name`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed === 0 ? 0 : 1);
}

if (import.meta.main) await main();
