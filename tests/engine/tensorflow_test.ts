/**
 * npm:@tensorflow/tfjs-node and npm:@tensorflow/tfjs-node-gpu, if `deno task gpu:install` has installed them.
 * TensorFlow loads once per process, so each of the two runs in a separate process.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { openEngine } from "../../src/engine/choose.ts";
import type { TensorflowEngineName } from "../../src/engine/tensorflow.ts";
import { readFound } from "../../src/engine/tensorflow.ts";
import { UserError } from "../../src/errors.ts";
import { PROBE_MARK } from "../../recipes/cli/probe.ts";
import { assertFeatures } from "../clip/fixture_features.ts";
import { assertDeviceSteps, assertStops, FEW } from "../train/device_cases.ts";
import { assertFlat, assertHeld, assertParity, assertSameTraining, engineTest } from "./engine_cases.ts";
import { readTasks, resolveTask } from "../tasks.ts";

const ROOT = new URL("../../", import.meta.url);

/** All checks of one engine, in a separate process. */
async function checkEngine(name: TensorflowEngineName): Promise<void> {
  const { cuda } = readFound(name)!;
  if (name === "tensorflow-gpu" && !cuda) {
    for (const device of [undefined, "cuda"]) {
      await assertRejects(() => openEngine(name, { device }), UserError, "does not compute on the processor");
    }
  }
  const engine = await openEngine(name, { device: cuda ? "cuda" : "cpu" });
  assertEquals(engine.name, cuda ? "tensorflow-gpu" : "tensorflow");
  assertStringIncludes(engine.device, "TensorFlow 2.");
  await assertParity(engine);
  await assertFeatures(engine);
  await assertSameTraining(engine);
  await assertFlat(engine);
  assertEquals(engine.memory !== undefined, cuda);
  if (cuda) {
    const second = await openEngine(name, { device: "cuda" });
    await assertHeld(engine, second);
    await assertDeviceSteps(engine, { tolerance: 1e-4, cuts: [6], variants: FEW });
    await assertStops(engine);
  }
  const other = name === "tensorflow" ? "tensorflow-gpu" : "tensorflow";
  await assertRejects(() => openEngine(other), UserError, `already computes with ${name}`);
  // 16 trillion results.
  const program = engine.program("too_large", (ops, [a, b]) => [ops.matMul(a, b)]);
  const column = { shape: [4_000_000, 1], data: new Float32Array(4_000_000) };
  const row = { shape: [1, 4_000_000], data: new Float32Array(4_000_000) };
  await assertRejects(() => program.run([column, row]), UserError, "ran out of memory in too_large");
  await program.dispose();
  await engine.dispose();
}

async function deno(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1", TF_CPP_MIN_LOG_LEVEL: "3" },
  }).output();
  const said = new TextDecoder().decode(stderr).split("\n").filter((line) => !/already registered/.test(line));
  assertEquals(code, 0, said.slice(-30).join("\n"));
  return new TextDecoder().decode(stdout).trim();
}

for (const name of ["tensorflow", "tensorflow-gpu"] as const) {
  const options = { there: readFound(name) !== undefined, engine: name, variable: "CI_REQUIRE_TENSORFLOW" };
  const device = readFound(name)?.cuda ? [] : ["--device", "cpu"];
  engineTest(
    `${name} agrees with the published code, trains as onnx does, keeps its tensors, and reports when memory runs out`,
    options,
    async () => console.log(await deno(["run", "--no-check", "--no-prompt", "--allow-all", import.meta.url, name])),
  );

  engineTest(`${name} runs under the recipes' narrow permissions`, options, async () => {
    const tasks = readTasks();
    const { command } = resolveTask(tasks.find((task) => task.name === "cocoop")!, tasks);
    const flags = command.match(/--(allow|deny)-\S+/g)!;
    const said = await deno(["run", "--no-prompt", ...flags, "recipes/engines.ts", "--probe", name, ...device]);
    const result = JSON.parse(said.split("\n").find((line) => line.startsWith(PROBE_MARK))!.slice(PROBE_MARK.length));
    assertEquals(result.available, true, said);
    assert(result.probe.gflops > 1, said);
  });

  engineTest(`${name} trains CoCoOp on the sample, and steps at ViT-B/16's size`, options, async () => {
    const out = await Deno.makeTempDir();
    try {
      const flags = ["--engine", name, ...device, "--epochs", "1", "--shots", "4", "--train", "base", "--eval", "base"];
      await deno(["run", "--no-check", "--allow-all", "recipes/cocoop.ts", ...flags, "--quiet", "--out", out]);
      const reports = await filesNamed(out, "report-base.json");
      assertEquals(reports.length, 1);
      const report = await Deno.readTextFile(reports[0]);
      assertStringIncludes(report, device.length === 0 ? `"${name}"` : '"tensorflow"');
      assertStringIncludes(report, "TensorFlow 2.");
    } finally {
      await Deno.remove(out, { recursive: true });
    }
    const bench = await deno([
      "run",
      "--no-check",
      "--allow-all",
      "bench/step.ts",
      "--engine",
      name,
      ...device,
      "--rounds",
      "3",
      "--json",
    ]);
    const result = JSON.parse(bench.split("\n").at(-1)!);
    console.log(
      `${name}: ${result.ms} ms and ${result.kernelsPerStep} kernels a step at ViT-B/16's size, ${result.device}`,
    );
    assert(result.kernelsPerStep > 100);
  });
}

async function filesNamed(folder: string, name: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await filesNamed(path, name));
    else if (entry.name === name) found.push(path);
  }
  return found;
}

if (import.meta.main && Deno.args.length > 0) await checkEngine(Deno.args[0] as TensorflowEngineName);
