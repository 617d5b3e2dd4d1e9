/**
 * CoCoOp with 10, 100 and 1,000 classes (ImageNet's names) at ViT-B/16's size, batch 8: one training step, and an
 * evaluation of 8 images, each in a process of its own so that memory is that of the size alone.
 *
 *     deno task bench:scale --json
 */
import names from "./imagenet_classes.json" with { type: "json" };
import { benchOptions, printJson, printTable, round, timed } from "./measure.ts";
import { promptBench } from "./prompt_bench.ts";

const BATCH = 8;
const SIZES = [10, 100, 1000];

/** The largest resident size of this process so far, in bytes; the present one where the system does not tell. */
function peakResident(): number {
  try {
    const line = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s+(\d+) kB/);
    if (line) return Number(line[1]) * 1024;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable)) throw error;
  }
  return Deno.memoryUsage().rss;
}

const only = Deno.env.get("BENCH_CLASSES");
const options = await benchOptions("scale", 1);
if (only !== undefined) {
  const classes = names.slice(0, Number(only));
  const bench = await promptBench(options.engine, classes);
  const images = bench.images(BATCH);
  const batch = { imageFeatures_BE: images, labels: Array.from({ length: BATCH }, (_, i) => i % classes.length) };
  const first = await timed(() => bench.session.step(batch));
  const stepMs = await timed(() => bench.session.step(batch));
  await bench.session.logits(images);
  const evalMs = await timed(() => bench.session.logits(images));
  console.log(JSON.stringify({
    classes: classes.length,
    tokenRows: BATCH * bench.session.tokenRows,
    firstStepMs: round(first),
    stepMs: round(stepMs),
    evalMs: round(evalMs),
    stepMicrosecondsPerRow: round(1000 * stepMs / (BATCH * bench.session.tokenRows)),
    peakResidentBytes: peakResident(),
  }));
} else {
  const results: Record<string, number>[] = [];
  for (const size of SIZES) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-env", "--allow-sys", "--allow-ffi", import.meta.url, ...Deno.args],
      env: { BENCH_CLASSES: String(size) },
      stderr: "inherit",
    }).output();
    if (code !== 0) Deno.exit(code);
    results.push(JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!));
  }
  console.log(`CoCoOp, ViT-B/16 size, batch ${BATCH}`);
  printTable([
    ["classes", "token rows", "step ms", "µs a row", "evaluation ms", "peak MB"],
    ...results.map((r) =>
      [r.classes, r.tokenRows, r.stepMs, r.stepMicrosecondsPerRow, r.evalMs, round(r.peakResidentBytes / 1e6)].map(
        String,
      )
    ),
  ]);
  printJson(options, { bench: "scale", engine: options.engine.name, threads: options.threads, sizes: results });
}
await options.engine.dispose();
