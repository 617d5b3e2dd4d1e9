/**
 * What all benchmarks share: options, medians, the machine's own product rate, PyTorch beside us, and how results are printed.
 */
import process from "node:process";
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { table } from "../src/text_table.ts";
import { openEngine } from "../src/engine/choose.ts";
import { loaderRefusal } from "../src/refusal.ts";
import { messageOf, UserError } from "../src/errors.ts";
import type { Engine } from "../src/engine/ops.ts";
import type { ClipConfig } from "../src/clip/config.ts";
import { noiseTensor, SMALL, VIT_B_16 } from "./random_clip.ts";

/** Options of every benchmark. */
export interface BenchOptions {
  engine: Engine;
  threads: number;
  rounds: number;
  json: boolean;
  pytorch: boolean;
  /** PyTorch computes on the card. */
  cuda: boolean;
  /** PyTorch also computes in half precision. */
  half: boolean;
  /** The size of the model, and its name. */
  size: ClipConfig;
  sizeName: string;
}

/** Sizes by their names. */
export const SIZES: Readonly<Record<string, ClipConfig>> = { "ViT-B/16": VIT_B_16, small: SMALL };

/** Milliseconds of the wall's clock, or with `--cpu` of this process's time on processors. */
let clock = () => performance.now();
let onProcessor = false;

/** The five base classes of EuroSAT. */
export const EUROSAT_BASE = [
  "Annual Crop Land",
  "Forest",
  "Herbaceous Vegetation Land",
  "Highway or Road",
  "Industrial Buildings",
];

/** Its five new classes. */
export const EUROSAT_NEW = [
  "Pasture Land",
  "Permanent Crop Land",
  "Residential Buildings",
  "River",
  "Sea or Lake",
];

/** Reads the command line. */
export async function benchOptions(name: string, rounds: number, engine = "auto"): Promise<BenchOptions> {
  tellUserErrors();
  const args = parseArgs(Deno.args, {
    string: ["engine", "device", "threads", "rounds", "size"],
    boolean: ["cpu", "json", "pytorch", "cuda", "half", "help"],
    default: { engine, rounds: String(rounds), size: "ViT-B/16", threads: String(navigator.hardwareConcurrency) },
    unknown: (arg) => {
      throw new UserError(`bench:${name} does not know ${arg}: --help lists its flags.`);
    },
  });
  if (args.help) {
    console.log(
      `deno task bench:${name} [--engine ${engine}] [--device NAME] [--threads ${navigator.hardwareConcurrency}] ` +
        `[--rounds ${rounds}] [--size ViT-B/16] [--cpu] [--pytorch [--cuda] [--half]] [--json]\n\n` +
        "--device is where the engine runs, as recipes have it.\n" +
        "--size small takes a model that is quick everywhere, for trying out.\n" +
        "--cpu counts processor time, for a machine that others use too; with --threads 1, as waiting threads use it too.\n" +
        "--pytorch runs the published loop beside ours, alternately; it needs python3 with torch.\n" +
        "--cuda runs that on the card; --half runs it in half precision as well.\n" +
        "--json prints one line of JSON last.",
    );
    Deno.exit(0);
  }
  if (!/^[1-9]\d{0,5}$/.test(args.rounds)) {
    throw new UserError(`--rounds is ${args.rounds}: give a whole number from 1 up.`);
  }
  const size = SIZES[args.size];
  if (size === undefined) throw new UserError(`--size is ${args.size}: give one of ${Object.keys(SIZES).join(", ")}.`);
  if (args.cuda && !args.pytorch) throw new UserError("--cuda is where PyTorch runs: add --pytorch.");
  if (args.half && !args.pytorch) throw new UserError("--half is what PyTorch runs in: add --pytorch.");
  const threads = Number(args.threads);
  if (args.cpu) {
    if (threads !== 1) throw new UserError(`bench:${name} --cpu would count threads that wait: add --threads 1.`);
    onProcessor = true;
    clock = () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    };
  }
  const onnx = args.engine === "auto" || args.engine === "onnx";
  const opened = await openEngine(args.engine, { device: args.device, ...onnx && { threads } });
  return {
    engine: opened,
    threads: opened.threads,
    rounds: Number(args.rounds),
    json: args.json,
    pytorch: args.pytorch,
    cuda: args.cuda,
    half: args.half,
    size,
    sizeName: args.size,
  };
}

/** What the user can mend is one sentence, as in recipes; anything else keeps its stack. */
export function tellUserErrors(): void {
  addEventListener("unhandledrejection", tellUserError);
}

function tellUserError(event: PromiseRejectionEvent): void {
  const loader = loaderRefusal(event.reason);
  const said = loader === undefined ? event.reason : `${loader}, or start the script with deno run --allow-all`;
  if (loader === undefined && !(event.reason instanceof UserError)) return;
  console.error(`error: ${messageOf(said)}`);
  Deno.exit(2);
}

/** The middle of the numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Milliseconds of one call. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = clock();
  await work();
  return clock() - start;
}

/** Something to time. */
export interface Contestant {
  run(): Promise<number>;
  close(): Promise<void>;
}

const NO_PYTORCH = "PyTorch's part did not run: --pytorch needs python3 on the path, with torch (pip install torch).";

/** What PyTorch is to do. */
interface Published {
  kind: string;
  tokens: number[][];
  images: number;
  script?: "published" | "towers";
}

/** The published loop beside ours. */
export interface Beside {
  /** A run each: in float32, and where asked for in half precision; none where PyTorch is not asked for. */
  runs: (() => Promise<number>)[];
  /** Their medians, and how many times ours they are. */
  results(ms: number, medians: readonly number[]): Record<string, number>;
  close(): Promise<void>;
}

/** Starts what the options ask for. */
export async function besides(options: BenchOptions, published: Published): Promise<Beside> {
  const precisions = options.pytorch ? options.half ? [[], ["--half"]] : [[]] : [];
  const contestants: Contestant[] = [];
  for (const precision of precisions) {
    contestants.push(await publishedPytorch(published, options, [...options.cuda ? ["--cuda"] : [], ...precision]));
  }
  return {
    runs: contestants.map(({ run }) => run),
    results: (ms, medians) =>
      Object.fromEntries(medians.flatMap((median, i) => [
        [i === 0 ? "pytorchMs" : "pytorchHalfMs", round(median, 3)],
        [i === 0 ? "ratio" : "ratioToHalf", round(median / ms, 2)],
      ])),
    async close() {
      for (const { close } of contestants) await close();
    },
  };
}

/** The published loop in a process of its own. */
async function publishedPytorch(
  { kind, tokens, images, script: name = "published" }: Published,
  { threads, size }: Pick<BenchOptions, "threads" | "size">,
  more: string[],
): Promise<Contestant> {
  const script = new URL(`./pytorch/${name}.py`, import.meta.url).pathname;
  const command = new Deno.Command("python3", {
    // Without -B, what one script imports from the other would be compiled into the checkout.
    args: [
      "-B",
      script,
      kind,
      String(threads),
      JSON.stringify(tokens),
      String(images),
      JSON.stringify(size),
      ...onProcessor ? ["--cpu"] : [],
      ...more,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  let child: Deno.ChildProcess;
  try {
    child = command.spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new UserError(NO_PYTORCH, { cause: error });
    throw error;
  }
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  async function line(): Promise<string> {
    while (!rest.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new UserError(NO_PYTORCH);
      rest += value;
    }
    const at = rest.indexOf("\n");
    const out = rest.slice(0, at);
    rest = rest.slice(at + 1);
    return out;
  }
  await line();
  return {
    async run() {
      await writer.write(new TextEncoder().encode("\n"));
      return Number(await line());
    },
    async close() {
      await writer.close();
      await child.status;
    },
  };
}

/** Threads of a contestant spin for a while after its work; the next one gets the cores when they sleep. */
const PAUSE_MS = 250;

/** Contestants that take less get an untimed run at the start of each turn: training does not start from cold for every step. */
const WARM_MS = 1000;

/** Times contestants alternately (A B A B …) after one warm-up each; medians in milliseconds. */
export async function alternate(rounds: number, contestants: readonly (() => Promise<number>)[]): Promise<number[]> {
  const times = contestants.map(() => [] as number[]);
  const isQuick: boolean[] = [];
  for (const run of contestants) isQuick.push(await timed(run) < WARM_MS);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contestants.length; i++) {
      await new Promise((done) => setTimeout(done, PAUSE_MS));
      if (isQuick[i]) await contestants[i]();
      times[i].push(await contestants[i]());
    }
  }
  return times.map(median);
}

/** A product of frozen and fresh numbers, large enough to show the machine's rate: GFLOP/s of one run. */
export function productRate(
  engine: Engine,
  options: Pick<BenchOptions, "size">,
): { run(): Promise<number>; close(): Promise<void> } {
  const size = options.size === VIT_B_16 ? 1536 : 128;
  const weight = engine.freeze("peak", noiseTensor([size, size], 1));
  const x = engine.freeze("peak_input", noiseTensor([size, size], 2));
  const repeats = 8;
  // A chain of products ends in one number, so that neither the copy out nor the start of a run counts.
  const program = engine.program("peak", (ops, [x]) => {
    let y = x;
    for (let i = 0; i < repeats; i++) y = ops.scale(ops.linear(y, weight), 1 / size);
    return [ops.sum(ops.sum(y, 0), 1)];
  });
  return {
    async run() {
      const ms = await timed(() => program.run([x]));
      return repeats * 2 * size ** 3 / ms / 1e6;
    },
    async close() {
      await program.dispose();
      engine.release(x);
      engine.release(weight);
    },
  };
}

/** Prints rows as an aligned table. */
export function printTable(rows: readonly (readonly string[])[]): void {
  for (const line of table(rows, { right: (column) => column > 0 })) console.log(line);
}

/** Rounds for people and for JSON. */
export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

/** A tick that one step took, as a line of JSON, when asked for. */
export function printJson(options: Pick<BenchOptions, "json">, value: Record<string, unknown>): void {
  if (options.json) console.log(JSON.stringify(value));
}
