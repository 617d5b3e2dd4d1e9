/**
 * The doctor: which engines run on this machine, on what device and how fast, why the others do not, and what to do.
 *
 * `deno task engines` (half a minute: every engine is measured for two seconds, in a process of its own)
 */
import { openEngine } from "../src/engine/choose.ts";
import { probeEngine } from "../src/engine/probe.ts";
import { installCommand } from "../src/engine/tensorflow.ts";
import { text } from "../src/methods/setting.ts";
import { readFlags } from "./cli/flags.ts";
import { PROBE_MARK, probeInChild, type ProbeResult } from "./cli/probe.ts";
import { type Program, runProgram } from "./cli/recipe.ts";
import { TERMINAL_SETTINGS } from "./cli/terminal.ts";

const { json, debug, help } = TERMINAL_SETTINGS;
const SETTINGS = {
  json: { ...json, help: "one JSON object on standard output, for programs" },
  debug,
  help,
};
/** What a probing process is given as well. */
const OF_PROBES = { probe: text({ help: "" }), device: text({ help: "" }) };

const program: Program = {
  title: "Lists what can compute on this machine, measured for two seconds each, and what to do about the rest.",
  url: import.meta.url,
  settings: SETTINGS,
  examples: ["deno task engines", "deno task engines --json"],
};

/** An engine, and what brings it to a machine that lacks it. */
interface Candidate {
  engine: string;
  device?: string;
  toGet: string;
}

const CANDIDATES: readonly Candidate[] = [
  { engine: "onnx", device: "cpu", toGet: "deno install (it is an npm package of this kit)" },
  {
    engine: "onnx",
    device: "webgpu",
    toGet: "install the Vulkan driver of the card",
  },
  { engine: "onnx", device: "cuda", toGet: "install CUDA 12 and cuDNN 9, then: deno task gpu:install --onnx" },
  { engine: "wasm", toGet: "deno install (it is an npm package of this kit)" },
  { engine: "cpu", toGet: "deno install (it is an npm package of this kit)" },
  {
    engine: "webgpu",
    toGet: "install the Vulkan driver of the card; without a card, on Debian: apt-get install mesa-vulkan-drivers",
  },
  { engine: "tensorflow", toGet: installCommand("tensorflow") },
  { engine: "tensorflow-gpu", toGet: `install CUDA 11 and cuDNN 8, then: ${installCommand("tensorflow-gpu")}` },
];

/** One engine of the list, as `--json` prints it. */
export interface EngineRow {
  /** As given with `--engine`. */
  engine: string;
  /** As given with `--device`, where the engine has several. */
  option?: string;
  available: boolean;
  /** Why not, where it does not run. */
  why?: string;
  /** What to do to get it, where it does not run. */
  toGet?: string;
  /** What it computes on, in words. */
  device?: string;
  version?: string;
  threads?: number;
  /** Products of matrices, measured for two seconds. */
  gflops?: number;
}

if (import.meta.main) await runProgram(program, main);

async function main(args: string[]): Promise<void> {
  const { json, probe, device } = readFlags(args, { ...SETTINGS, ...OF_PROBES }).given;
  if (probe !== undefined) return await answer(probe, device);
  const rows: EngineRow[] = [];
  for (const candidate of CANDIDATES) {
    const found = row(candidate, await probeInChild(candidate.engine, { device: candidate.device }));
    rows.push(found);
    if (!json) console.log(describe(found));
  }
  const auto = choice(rows);
  if (json) console.log(JSON.stringify({ deno: Deno.version.deno, engines: rows, auto }, null, 2));
  else console.log(`\n--engine auto takes ${auto.engine}, because ${auto.reason}.`);
}

/** The probing process: one line, whatever happens. */
async function answer(name: string, device: string | undefined): Promise<void> {
  let result: ProbeResult;
  try {
    const engine = await openEngine(name, { device });
    result = { available: true, probe: await probeEngine(engine) };
  } catch (error) {
    result = { available: false, why: (error as Error).message.split("\n")[0] };
  }
  console.log(PROBE_MARK + JSON.stringify(result));
}

function row({ engine, device, toGet }: Candidate, result: ProbeResult): EngineRow {
  const about = { engine, ...(device === undefined ? {} : { option: device }) };
  if (result.available) return { ...about, available: true, ...result.probe };
  return { ...about, available: false, why: result.why, toGet };
}

/** What `auto` takes, and why: the same rule as openEngine's. */
function choice(rows: readonly EngineRow[]): { engine: string; reason: string } {
  const cuda = rows.find(({ engine }) => engine === "tensorflow-gpu")!;
  return cuda.available
    ? { engine: "tensorflow-gpu", reason: "CUDA is ready" }
    : { engine: "onnx on cpu", reason: "no CUDA engine is ready" };
}

function describe(row: EngineRow): string {
  const name = row.option === undefined ? row.engine : `${row.engine} --device ${row.option}`;
  const label = `${name.padEnd(22)} ${row.available ? "yes" : "no "} `;
  if (!row.available) return `${label} ${row.why}\n${" ".repeat(27)}To get it: ${row.toGet}`;
  const speed = `${row.gflops} GFLOP/s`.padStart(14);
  return `${label} ${speed}  ${row.device} (${row.version}), ${row.threads} thread${row.threads === 1 ? "" : "s"}`;
}
