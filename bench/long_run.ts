/**
 * Whether memory or file handles grow with the number of steps: a training of the sample model's size with what a run does
 * besides, a checkpoint and a line of metrics every so often. Nothing may grow once everything is loaded.
 *
 *     deno run --allow-all --v8-flags=--expose-gc bench/long_run.ts --json
 *
 * All permissions, because Deno needs them to read the open files of a process.
 */
import { parseArgs } from "jsr:@std/cli@1.0.30/parse-args";
import { openRunFolder } from "../src/run/folder.ts";
import { loadModel } from "../src/clip/model.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { loadWeights } from "../src/clip/weights/load.ts";
import { namedStream } from "../src/data/random.ts";
import type { Engine } from "../src/engine/ops.ts";
import { openEngine } from "../src/engine/choose.ts";
import { cocoopPrompt } from "../src/methods/cocoop.ts";
import { normalizeRows } from "../src/methods/zero_shot.ts";
import { train } from "../src/train/loop.ts";
import type { StepRecord } from "../src/train/training.ts";
import { openPrompt } from "../src/prompt/session.ts";
import { EUROSAT_BASE, round } from "./measure.ts";
import { noiseTensor } from "./random_clip.ts";

/** What a process holds at one step. */
export interface Sample {
  step: number;
  /** All that the system counts as resident, JavaScript's heap, and memory outside of it, in bytes. */
  rss: number;
  heap: number;
  external: number;
  /** Open files; -1 where the system does not tell. */
  handles: number;
  /** Tensors alive in the engine. */
  tensors: number;
  seconds: number;
}

/** How long to run. */
export interface LongRunOptions {
  engine: Engine;
  steps: number;
  /** Steps between two samples; each is also a checkpoint. */
  every: number;
  /** Where the run folder goes; it is removed afterwards. */
  folder: string;
  onSample?: (sample: Sample) => void;
}

const IMAGES = 80;
const BATCH = 4;

/** Trains CoCoOp on images that are noise, and looks at the process as it goes. */
export async function longRun({ engine, steps, every, folder, onSample }: LongRunOptions): Promise<Sample[]> {
  const weights = await loadWeights(new URL("../data/sample/model.safetensors", import.meta.url).pathname);
  const model = loadModel(weights, { engine, tokenizer: await loadTokenizer() });
  const session = await openPrompt(model, {
    method: cocoopPrompt({
      model,
      initWords: "a photo of a",
      contextTokens: 4,
      embedding: model.config.embedding,
      random: namedStream(1, "context-init"),
      metaNetRandom: namedStream(1, "meta-net-init"),
    }),
    classNames: EUROSAT_BASE,
  });
  const features = normalizeRows(noiseTensor([IMAGES, model.config.embedding], 1));
  const labels = Int32Array.from({ length: IMAGES }, (_, i) => i % EUROSAT_BASE.length);
  const perEpoch = IMAGES / BATCH;
  const run = await openRunFolder(folder);
  const samples: Sample[] = [];
  const began = performance.now();
  let waiting: StepRecord[] = [];
  try {
    await run.writeMetrics([]);
    await train(session, {
      images: { labels, views: 1, view: () => Promise.resolve(features) },
      batchSize: BATCH,
      schedule: { rate: 0.0025, epochs: Math.ceil(steps / perEpoch), warmupEpochs: 1, warmupRate: 1e-5 },
      momentum: 0.9,
      weightDecay: 5e-4,
      order: namedStream(1, "batch-order"),
      checkpointEvery: every,
      async save(state) {
        await run.appendMetrics(waiting);
        waiting = [];
        await run.saveCheckpoint(state, { metadata: {} });
        samples.push({
          ...memoryNow(),
          step: state.step,
          tensors: engine.tensorCount(),
          seconds: (performance.now() - began) / 1000,
        });
        onSample?.(samples.at(-1)!);
      },
      onStep: (record) => void waiting.push(record),
    });
  } finally {
    run.close();
    await Deno.remove(folder, { recursive: true });
    await session.dispose();
    await model.dispose();
  }
  return samples;
}

function memoryNow(): Pick<Sample, "rss" | "heap" | "external" | "handles"> {
  // Without a collection the heap tells how long ago the last one was.
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = Deno.memoryUsage();
  return { rss, heap: heapUsed, external, handles: openHandles() };
}

function openHandles(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return -1;
    throw error;
  }
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["engine", "threads", "steps", "every"],
    boolean: ["json", "help"],
    default: { engine: "onnx", steps: "20000", every: "1000" },
  });
  if (args.help) {
    console.log("long_run.ts [--engine onnx] [--threads N] [--steps 20000] [--every 1000] [--json]");
    Deno.exit(0);
  }
  const engine = await openEngine(args.engine, args.threads === undefined ? {} : { threads: Number(args.threads) });
  console.log(
    `CoCoOp, sample model, batch ${BATCH}, ${engine.name}: MB resident, heap, outside it; open files, tensors, seconds`,
  );
  const samples = await longRun({
    engine,
    steps: Number(args.steps),
    every: Number(args.every),
    folder: "runs/bench-long",
    onSample({ step, rss, heap, external, handles, tensors, seconds }) {
      const [r, h, e] = [rss, heap, external].map((bytes) => (bytes / 1e6).toFixed(1));
      console.log(`${String(step).padStart(6)}  ${r}  ${h}  ${e}  ${handles}  ${tensors}  ${seconds.toFixed(0)}`);
    },
  });
  const [first, last] = [samples[Math.min(1, samples.length - 1)], samples.at(-1)!];
  console.log(
    `From step ${first.step} to step ${last.step}: ${round((last.rss - first.rss) / 1e6)} MB resident, ` +
      `${round((last.heap - first.heap) / 1e6)} MB of heap, ${last.handles - first.handles} open files.`,
  );
  if (args.json) console.log(JSON.stringify({ bench: "long", engine: engine.name, samples }));
  Deno.exit();
}
