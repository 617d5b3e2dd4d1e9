/**
 * Damaged files for every reader, the same for the same seed: `deno task fuzz` for a hundred thousand of them,
 * `deno task fuzz --target zip --case 123` for one again. Before them, what is no file that can be read: a pipe, a device,
 * a folder, and one of 3 GiB; and for lists, long ones. A reader may succeed or throw a `UserError` of one line that names the file. It must not throw
 * anything else, hang, take memory or time beyond what the file can stand for, touch a file outside the given folder, or
 * start a program.
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { fitsALine, UserError } from "../src/errors.ts";
import { growthFailures } from "./fuzz_parts/growth.ts";
import { mutate } from "./fuzz_parts/mutate.ts";
import { type Target, TARGETS } from "./fuzz_parts/targets.ts";
import { startWatch } from "./fuzz_parts/watch.ts";

/** What came of one target. */
export interface FuzzResult {
  target: string;
  inputs: number;
  /** Inputs that were refused with a sentence; the others were read. */
  refused: number;
  /** One line each: which input, and what it did. */
  failures: string[];
}

/** How many inputs, and from where they start. */
export interface FuzzOptions {
  seed: number;
  first?: number;
  inputs: number;
}

/** Fuzzes one reader. */
export async function fuzz(target: Target, { seed, first = 0, inputs }: FuzzOptions): Promise<FuzzResult> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "fuzz-" }));
  const result: FuzzResult = { target: target.name, inputs, refused: 0, failures: [] };
  try {
    const inner = `${folder}/given`;
    await Deno.mkdir(inner);
    await Deno.writeTextFile(`${folder}/secret.jpg`, "what no reader may see");
    const corpus = await target.corpus(folder);
    const wrap = target.wrap ?? ((bytes) => bytes);
    const path = `${inner}/file${target.ending}`;
    // Whole files first: what is loaded once and for all is not the damaged file's doing.
    for (const file of corpus.files) {
      await Deno.writeFile(path, wrap(file));
      await target.read(path).catch(() => {});
    }
    const watch = startWatch();
    try {
      await Deno.writeFile(path, wrap(corpus.files[0]));
      await target.read(path);
      const attempt = async (label: string, size: number): Promise<boolean> => {
        let thrown: unknown;
        const limits = { folder: inner, writes: target.writes ?? false, mostBytes: target.mostBytes(size), label };
        const wrong = await watch.run(async () => {
          try {
            await target.read(path);
          } catch (error) {
            thrown = error;
          }
        }, limits);
        wrong.push(...thrown === undefined ? [] : faults(thrown, path));
        result.failures.push(...wrong.map((what) => `${label}: ${what}`));
        await empty(inner);
        return thrown instanceof UserError;
      };
      const mustBeRefused = async (label: string, size: number) => {
        if (!await attempt(label, size)) result.failures.push(`${label}: was read`);
      };
      if (first === 0) {
        for (const [name, make] of Object.entries(NO_FILES)) {
          if (target.readable?.includes(name)) continue;
          await empty(inner);
          await make(path);
          await mustBeRefused(`${target.name}, ${name}`, 0);
        }
        await empty(inner);
        result.failures.push(...await growthFailures(target, path));
        for (const [i, bytes] of (corpus.refused ?? []).entries()) {
          await Deno.writeFile(path, wrap(bytes));
          await mustBeRefused(`${target.name}, file ${i} to be refused`, bytes.length);
        }
      }
      for (let number = first; number < first + inputs; number++) {
        const bytes = wrap(mutate(corpus, { seed, number }));
        await Deno.writeFile(path, bytes);
        if (await attempt(`${target.name}, seed ${seed}, case ${number}`, bytes.length)) result.refused++;
      }
    } finally {
      watch.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return result;
}

/** A watch takes its place. */
const Program = Deno.Command;

/** What has the name of a file and cannot be read as one, or not as a whole. */
const NO_FILES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "a pipe": async (path) => void await new Program("mkfifo", { args: [path] }).output(),
  "a device": (path) => Deno.symlink("/dev/zero", path),
  "a folder": (path) => Deno.mkdir(path),
  "a link that leads nowhere": (path) => Deno.symlink("nowhere", path),
  "a link to itself": (path) => Deno.symlink(path, path),
  "3 GiB": async (path) => {
    await Deno.writeFile(path, new Uint8Array());
    await Deno.truncate(path, 3 * 2 ** 30);
  },
};

async function empty(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) await Deno.remove(`${folder}/${name}`, { recursive: true });
}

/** What is wrong with what a reader threw. */
function faults(error: unknown, path: string): string[] {
  if (!(error instanceof UserError)) {
    const stack = error instanceof Error ? error.stack ?? error.message : String(error);
    return [`throws ${stack.split("\n").slice(0, 4).join(" | ")}`];
  }
  const { message } = error;
  const problems = [
    message.includes(path) ? "" : "does not name the file",
    fitsALine(message) ? "" : "has control characters",
    message.length > 1500 ? `has ${message.length} characters` : "",
    /[.?]$/.test(message) ? "" : "is no sentence",
  ].filter((problem) => problem !== "");
  return problems.map((problem) => `says something that ${problem}: ${JSON.stringify(message.slice(0, 300))}`);
}

const LONG_INPUTS = Math.ceil(100_000 / TARGETS.length);
const SHORT_INPUTS = 40;

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["target", "case", "seed", "inputs"],
    boolean: ["long", "help"],
    default: { seed: "1" },
  });
  if (args.help) {
    console.log("deno task fuzz [--seed 1] [--inputs N] [--target WORD] [--case N]\n\nTargets:");
    TARGETS.forEach(({ name }) => console.log(`  ${name}`));
    Deno.exit(0);
  }
  const one = args.case === undefined ? undefined : Number(args.case);
  const inputs = one !== undefined ? 1 : Number(args.inputs ?? (args.long ? LONG_INPUTS : SHORT_INPUTS));
  const start = performance.now();
  let [total, failed] = [0, 0];
  for (const target of TARGETS.filter(({ name }) => args.target === undefined || name.includes(args.target))) {
    const result = await fuzz(target, { seed: Number(args.seed), first: one, inputs });
    console.log(`${result.target}: ${inputs} inputs, ${result.refused} refused, ${result.failures.length} failures`);
    result.failures.slice(0, 20).forEach((failure) => console.log(`  ${failure}`));
    total += inputs;
    failed += result.failures.length;
  }
  console.log(`${total} damaged inputs, ${failed} failures, ${Math.round((performance.now() - start) / 1000)} s`);
  Deno.exit(failed === 0 ? 0 : 1);
}
