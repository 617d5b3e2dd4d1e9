/**
 * Everything that is to be known of a card, in one go of under six minutes: engines, parity, the benches beside PyTorch on
 * the same card, a whole run, memory. Every result is a line of JSON; a part that fails or is late is a line as well.
 *
 *     deno run --allow-all bench/gpu/run.ts --out results.jsonl
 *     deno run --allow-all bench/gpu/run.ts --size small --engines webgpu --dry
 *
 * All permissions, because Deno needs them to tell a task where Vulkan's loader is.
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/errors.ts";
import type { ParityRow } from "../../src/parity/row.ts";
import { tellUserErrors } from "../measure.ts";

/** Something to run, the last JSON on whose output is a result. */
interface Part {
  name: string;
  engine?: string;
  /** The script, and its words. */
  words: string[];
  /** Its share of the time, at most. */
  seconds: number;
  /** Left out of a dry run, because it takes minutes without a card. */
  long?: boolean;
  /** What is kept of a long result. */
  // deno-lint-ignore no-explicit-any
  short?: (result: any) => unknown;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ENGINES: Readonly<Record<string, string[]>> = {
  webgpu: ["--engine", "webgpu"],
  "onnx-webgpu": ["--engine", "onnx", "--device", "webgpu"],
};
/** Where drivers put what Vulkan's loader looks for, besides its own folders. */
const DRIVER_FILES = [
  "/usr/share/vulkan/icd.d",
  "/etc/vulkan/icd.d",
  "/usr/local/nvidia/share/vulkan/icd.d",
];
const BENCHES = ["step", "eval", "encode", "towers"];

tellUserErrors();
const args = parseArgs(Deno.args, {
  string: ["out", "minutes", "engines", "size", "only"],
  boolean: ["dry", "help"],
  default: { minutes: "6", engines: Object.keys(ENGINES).join(), size: "ViT-B/16" },
  unknown: (arg) => {
    throw new UserError(`bench/gpu/run.ts does not know ${arg}: --help lists its flags.`);
  },
});
if (args.help) {
  console.log(
    "deno run --allow-all bench/gpu/run.ts [--out FILE] [--minutes 6] [--engines webgpu,onnx-webgpu] [--size ViT-B/16] [--only PARTS] [--dry]\n\n" +
      "--out also writes the lines into a file.\n" +
      "--only takes some parts: engines, kernels, step, eval, encode, towers, cocoop, parity.\n" +
      "--size small is for trying out; PyTorch is left out then.\n" +
      "--dry runs each bench once, and leaves out what takes minutes without a card.",
  );
  Deno.exit(0);
}
const engines = args.engines.split(",").map((name) => {
  if (name in ENGINES) return name;
  throw new UserError(`--engines names ${name}: use ${Object.keys(ENGINES).join(" or ")}.`);
});
const seconds = 60 * Number(args.minutes);
if (!(seconds > 0)) throw new UserError(`--minutes is ${args.minutes}: give a number above 0.`);

const start = performance.now();
const elapsed = () => (performance.now() - start) / 1000;

function tell(line: Record<string, unknown>): void {
  const text = JSON.stringify({ at: Number(elapsed().toFixed(1)), ...line });
  console.log(text);
  if (args.out !== undefined) Deno.writeTextFileSync(args.out, `${text}\n`, { append: true });
}

/** The environment in which the loader and the card's driver are found. */
function environment(): Record<string, string> {
  const env: Record<string, string> = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const own = `${ROOT}../vulkan/usr/lib/x86_64-linux-gnu`;
  if (isThere(own)) env.LD_LIBRARY_PATH = [own, Deno.env.get("LD_LIBRARY_PATH") ?? ""].filter(Boolean).join(":");
  const nvidia = DRIVER_FILES.map((folder) => `${folder}/nvidia_icd.json`).find(isThere);
  if (nvidia !== undefined && Deno.env.get("VK_DRIVER_FILES") === undefined) env.VK_DRIVER_FILES = nvidia;
  return env;
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What a command prints; undefined where there is no such command, or it fails. */
async function said(command: string, words: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args: words, stdin: "null", stderr: "null" })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The card's memory in use, in MiB. */
async function memoryOfCard(): Promise<number | undefined> {
  const text = await said("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"]);
  return text === undefined ? undefined : Number(text.split("\n")[0]);
}

/** Runs a part, and looks at the card's memory meanwhile. */
async function run(
  { name, engine, words, seconds: most, short = (x) => x }: Part,
  env: Record<string, string>,
): Promise<void> {
  const about = { part: name, ...engine !== undefined && { engine } };
  const left = seconds - elapsed();
  if (left < 5) return tell({ ...about, skipped: "no time is left" });
  const began = elapsed();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", "--allow-all", ...words],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // Native code that computes does not hear of a gentler one.
    child.kill("SIGKILL");
  }, 1000 * Math.min(most, left));
  let cardMiB: number | undefined;
  const watch = setInterval(async () => {
    const now = await memoryOfCard();
    if (now !== undefined) cardMiB = Math.max(cardMiB ?? 0, now);
  }, 500);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  clearInterval(watch);
  const took = Number((elapsed() - began).toFixed(1));
  const result = lastJson(new TextDecoder().decode(stdout));
  const why = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  tell({
    ...about,
    seconds: took,
    ...cardMiB !== undefined && { cardMiB },
    ...late ? { failed: `it took more than ${Math.min(most, Math.round(left))} s` } : {},
    ...!late && result === undefined ? { failed: why === "" ? `code ${code}` : why } : {},
    ...result !== undefined && { result: short(result) },
  });
}

/** The JSON at the end of what a task prints: one line, or indented. */
function lastJson(text: string): unknown {
  for (const candidate of [text.trim().split("\n").at(-1)!, text.slice(text.search(/^\{/m))]) {
    try {
      return JSON.parse(candidate);
    } catch {
      // The other form, or no JSON at all.
    }
  }
}

/** A folder with the fixtures of the mini models' towers and prompts: the others take minutes more. */
async function miniFixtures(): Promise<string> {
  const all = `${ROOT}../shared/reference`;
  const folder = await Deno.makeTempDir();
  for (const { name } of isThere(all) ? Deno.readDirSync(all) : []) {
    if (!/^(deep|mini4|sample)_/.test(name)) await Deno.symlink(`${all}/${name}`, `${folder}/${name}`);
  }
  return folder;
}

/** All parts in their order; engines take turns, twice, so that what the machine does besides falls on both. */
function plan({ pytorch, fixtures }: { pytorch: boolean; fixtures: string }): Part[] {
  const rounds = args.dry ? ["--rounds", "1"] : ["--rounds", "5"];
  const of = (engine: string) => ENGINES[engine];
  const beside = pytorch ? ["--pytorch", "--cuda"] : [];
  const bench = (name: string, engine: string, more: string[] = []): Part => ({
    name: `bench:${name}`,
    engine,
    words: [
      `bench/${name === "kernels" ? "gpu/" : ""}${name}.ts`,
      ...of(engine),
      "--size",
      args.size,
      ...rounds,
      ...more,
      "--json",
    ],
    seconds: 90,
    // Prompts inside both towers are three benches.
    long: name === "towers",
  });
  const whole = (engine: string): Part => ({
    name: "cocoop:base",
    engine,
    words: [
      "recipes/cocoop.ts",
      "--train",
      "base",
      "--eval",
      "base",
      ...of(engine),
      // All of them take minutes without a card.
      ...args.size === "small" ? ["--epochs", "1"] : [],
      "--fresh",
      "--json",
      "--out",
      `runs/gpu-${engine}`,
    ],
    // Software evaluates 40 images/s.
    seconds: args.size === "small" ? 150 : 90,
    long: true,
    short: ({ on, results, timing }) => ({ accuracy: results.metrics.accuracy, engine: on.engine, timing }),
  });
  const parity = (engine: string): Part => ({
    name: "parity",
    engine,
    words: ["recipes/parity.ts", fixtures, ...of(engine), "--json"],
    seconds: 90,
    long: true,
    short: ({ passed, rows }) => ({
      passed,
      stages: rows.length,
      failed: rows.filter(({ passed, skipped }: ParityRow) => !passed && skipped === undefined),
    }),
  });
  return [
    { name: "engines", words: ["recipes/engines.ts", "--json"], seconds: 60, long: true },
    ...engines.includes("webgpu") ? [bench("kernels", "webgpu")] : [],
    ...BENCHES.flatMap((name) => engines.map((engine) => bench(name, engine, beside))),
    ...engines.map(whole),
    ...engines.map(parity),
    // The second turn is without PyTorch, which has had its turns inside the first.
    ...args.dry ? [] : BENCHES.flatMap((name) => engines.map((engine) => bench(name, engine))),
  ];
}

const env = environment();
const cards = await said("nvidia-smi", ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]);
const torch = await said("python3", ["-c", "import torch; print(torch.__version__, torch.cuda.get_device_name(0))"]);
tell({
  part: "machine",
  deno: Deno.version.deno,
  processors: navigator.hardwareConcurrency,
  card: cards ?? "none that nvidia-smi knows",
  pytorch: torch ?? "none with CUDA",
  size: args.size,
});
const only = args.only?.split(",");
const fixtures = await miniFixtures();
for (const part of plan({ pytorch: torch !== undefined && args.size === "ViT-B/16", fixtures })) {
  if (only !== undefined && !only.includes(part.name.replace("bench:", "").replace(":base", ""))) continue;
  if (args.dry && part.long) tell({ part: part.name, ...part.engine && { engine: part.engine }, skipped: "dry" });
  else await run(part, env);
}
await Deno.remove(fixtures, { recursive: true });
tell({ part: "end", seconds: Number(elapsed().toFixed(1)) });
