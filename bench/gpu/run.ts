/**
 * Everything that is to be known of a card, in one go of under six minutes: engines, parity, the benches beside PyTorch on
 * the same card, a whole run, memory. Every result is a line of JSON; a part that fails or is late is a line as well.
 *
 *     deno run --cached-only --allow-all bench/gpu/run.ts --out results.jsonl
 *     deno run --allow-all bench/gpu/run.ts --size small --engines webgpu --dry
 *
 * All permissions, because Deno needs them to tell a task where Vulkan's loader is.
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/errors.ts";
import type { ParityRow } from "../../src/parity/row.ts";
import { SIZES, tellUserErrors } from "../measure.ts";
import { isThere, lookAtMachine, lookAtPytorch } from "./machine.ts";
import { type Part, type Running, start } from "./part.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ENGINES: Readonly<Record<string, string[]>> = {
  webgpu: ["--engine", "webgpu"],
  "onnx-webgpu": ["--engine", "onnx", "--device", "webgpu"],
};
const BENCHES = ["step", "eval", "encode", "towers"];
const PARTS = ["engines", "kernels", ...BENCHES, "cocoop", "parity"];

/** Why the published loops are not beside ours. */
const NO_PYTORCH: Readonly<Record<string, string>> = {
  cuda: "left out of every bench: python3 has no torch that sees a card",
  cpu: "left out of every bench: python3 has no torch",
  none: "left out of every bench, as --pytorch none asks",
};

tellUserErrors();
const args = parseArgs(Deno.args, {
  string: ["out", "minutes", "patience", "engines", "size", "only", "pytorch"],
  boolean: ["dry", "help"],
  default: { minutes: "6", patience: "1", engines: Object.keys(ENGINES).join(), size: "ViT-B/16", pytorch: "cuda" },
  unknown: (arg) => {
    throw new UserError(`bench/gpu/run.ts does not know ${arg}: --help lists its flags.`);
  },
});
if (args.help) {
  console.log(
    "deno run --allow-all bench/gpu/run.ts [--out FILE] [--minutes 6] [--engines webgpu,onnx-webgpu] [--size ViT-B/16] [--only PARTS] [--pytorch cuda] [--patience 1] [--dry]\n\n" +
      "--out also writes the lines into a file.\n" +
      `--only takes some parts: ${PARTS.join(", ")}.\n` +
      "--pytorch is where the published loop runs beside the kit's: cuda, cpu, or none. Without a card it is left out.\n" +
      "--size small, --pytorch cpu and --patience, which multiplies the time of each part, are for trying out.\n" +
      "--dry runs each bench once, and leaves out what takes minutes without a card.",
  );
  Deno.exit(0);
}
const engines = args.engines.split(",").map((name) => {
  if (name in ENGINES) return name;
  throw new UserError(`--engines names ${name}: use ${Object.keys(ENGINES).join(" or ")}.`);
});
const only = args.only?.split(",").map((name) => {
  if (PARTS.includes(name)) return name;
  throw new UserError(`--only names ${name}: use some of ${PARTS.join(", ")}.`);
});
if (!["cuda", "cpu", "none"].includes(args.pytorch)) {
  throw new UserError(`--pytorch is ${args.pytorch}: use cuda, cpu or none.`);
}
if (!(args.size in SIZES)) throw new UserError(`--size is ${args.size}: use ${Object.keys(SIZES).join(" or ")}.`);
const [minutes, patience] = (["minutes", "patience"] as const).map((flag) => {
  const value = Number(args[flag]);
  if (value > 0) return value;
  throw new UserError(`--${flag} is ${args[flag]}: give a number above 0.`);
});
const isSmall = args.size === "small";

const began = performance.now();
const elapsed = () => (performance.now() - began) / 1000;

function tell(line: Record<string, unknown>): void {
  const text = JSON.stringify({ at: Number(elapsed().toFixed(1)), ...line });
  console.log(text);
  if (args.out !== undefined) Deno.writeTextFileSync(args.out, `${text}\n`, { append: true });
}

/** Takes what only this run needs. */
const folder = await Deno.makeTempDir();
let running: Running | undefined;
/** Stopped from outside, it leaves nothing behind that keeps the card. */
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.addSignalListener(signal, () => {
    running?.kill();
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(code);
  });
}

/** Runs a part in what is left of the time. */
async function run(part: Part, env: Record<string, string>): Promise<void> {
  const { name, engine } = part;
  const about = { part: name, ...engine !== undefined && { engine } };
  if (args.dry && part.long) return tell({ ...about, skipped: "dry" });
  const left = 60 * minutes - elapsed();
  if (left < 5) return tell({ ...about, skipped: "no time is left" });
  running = start(part, { seconds: Math.min(patience * part.seconds, left), env });
  tell({ ...about, ...await running.outcome });
}

/** A folder with the fixtures of the mini models' towers and prompts: the others take minutes more. */
async function miniFixtures(parent: string): Promise<string> {
  const all = `${ROOT}../shared/reference`;
  const folder = `${parent}/reference`;
  await Deno.mkdir(folder);
  for (const { name } of isThere(all) ? Deno.readDirSync(all) : []) {
    if (!/^(deep|mini4|sample)_/.test(name)) await Deno.symlink(`${all}/${name}`, `${folder}/${name}`);
  }
  return folder;
}

/** All parts in their order; engines take turns, twice, so that what the machine does besides falls on both. */
function plan({ pytorch, fixtures }: { pytorch: boolean; fixtures: string }): Part[] {
  const rounds = args.dry ? ["--rounds", "1"] : ["--rounds", "5"];
  const of = (engine: string) => ENGINES[engine];
  const beside = pytorch ? ["--pytorch", ...args.pytorch === "cuda" ? ["--cuda"] : [], "--half"] : [];
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
      ...isSmall ? ["--epochs", "1"] : [],
      "--fresh",
      "--json",
      "--out",
      `runs/gpu-${engine}`,
    ],
    // Software evaluates 40 images/s.
    seconds: isSmall ? 150 : 90,
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
    ...engines.map(parity),
    ...engines.map(whole),
    // The second turn is without PyTorch, which has had its turns inside the first.
    ...args.dry ? [] : BENCHES.flatMap((name) => engines.map((engine) => bench(name, engine))),
  ];
}

const { env, vulkan, cards } = await lookAtMachine(folder);
const torch = args.pytorch === "none" ? undefined : await lookAtPytorch(args.pytorch as "cuda" | "cpu");
tell({
  part: "machine",
  deno: Deno.version.deno,
  processors: navigator.hardwareConcurrency,
  card: cards ?? "none that nvidia-smi knows",
  vulkan,
  size: args.size,
});
const parts = plan({ pytorch: torch !== undefined, fixtures: await miniFixtures(folder) })
  .filter(({ name }) => only === undefined || only.includes(name.replace("bench:", "").replace(":base", "")));
if (torch !== undefined) tell({ part: "pytorch", result: { version: torch, on: args.pytorch } });
else tell({ part: "pytorch", skipped: NO_PYTORCH[args.pytorch] });
for (const part of parts) await run(part, env);
await Deno.remove(folder, { recursive: true });
tell({ part: "end", seconds: Number(elapsed().toFixed(1)) });
// The listeners would keep it waiting.
Deno.exit(0);
