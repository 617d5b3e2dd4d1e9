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

/** Hands everything on at once, and keeps it. */
async function passOn(stream: ReadableStream<Uint8Array>, to: { writeSync(bytes: Uint8Array): number }) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

async function main(): Promise<void> {
  const own = ["test", "--allow-all", "--doc", "mod.ts", "README.md", "src", "tests"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...own, ...Deno.args],
    // The folder that `deno task` was typed in would stand for that of every task which a test starts.
    clearEnv: true,
    env: Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => name !== "INIT_CWD")),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output, , { code }] = await Promise.all([
    passOn(child.stdout, Deno.stdout),
    passOn(child.stderr, Deno.stderr),
    child.status,
  ]);
  const counts = readCounts(output) ?? { passed: 0, failed: 0, ignored: 0 };
  // A file that does not compile, or a process that dies, fails without a failed test.
  const failed = code === 0 ? counts.failed : Math.max(1, counts.failed);
  if (counts.ignored > 0) console.log(`${counts.ignored} skipped, each with its reason in its name`);
  console.log(`${counts.passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}

if (import.meta.main) await main();
