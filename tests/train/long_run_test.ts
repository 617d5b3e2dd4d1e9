import { assert, assertEquals } from "jsr:@std/assert@1.0.19";
import type { Sample } from "../../bench/long_run.ts";
import { ROOT } from "../tasks.ts";

/** What the long run sees in a process of its own, where garbage can be collected before each look. */
async function samplesOf(args: string[]): Promise<Sample[]> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--allow-all",
        "--v8-flags=--expose-gc",
        `${ROOT}bench/long_run.ts`,
        "--json",
        ...args,
      ],
      cwd: folder,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!).samples;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const MB = 1e6;

function assertFlat(samples: readonly Sample[]): void {
  const [warm, last] = [samples[Math.floor(samples.length / 4)], samples.at(-1)!];
  const story = JSON.stringify([warm, last]);
  assertEquals(last.tensors, warm.tensors, story);
  assertEquals(last.handles, warm.handles, story);
  // A step's loss is kept, and nothing else: 600 steps are a few kilobytes.
  assert(last.heap - warm.heap < 1 * MB, story);
  assert(last.external - warm.external < 2 * MB, story);
  assert(last.rss - warm.rss < 20 * MB, story);
}

Deno.test("800 steps with checkpoints and metrics hold no more memory, tensors or files than 200", async () => {
  const samples = await samplesOf(["--engine", "onnx", "--threads", "1", "--steps", "800", "--every", "40"]);
  assertEquals(samples.map(({ step }) => step), Array.from({ length: 20 }, (_, i) => 40 * (i + 1)));
  assertFlat(samples);
});

Deno.test("an eager engine holds no more after 80 steps than after 20", async () => {
  assertFlat(await samplesOf(["--engine", "wasm", "--steps", "80", "--every", "4"]));
});
