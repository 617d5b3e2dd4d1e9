/** The two scripts for a machine with a card, tried without one. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { webgpuDevice } from "../../src/engine/webgpu.ts";
import { engineTest } from "../engine/engine_cases.ts";
import { onnxVulkan, onnxWebgpu } from "../engine/onnx_webgpu_cases.ts";
import { sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";

async function script(
  name: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", `${ROOT}bench/gpu/${name}.ts`, ...args],
    stdin: "null",
    env: { NO_COLOR: "1", ...env },
  }).output();
  return { code, out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
}

const options = { there: await webgpuDevice() !== undefined, engine: "webgpu", variable: "CI_REQUIRE_WEBGPU" };
const linesOf = (out: string) => out.split("\n").map((line) => JSON.parse(line));

/** A folder with a `python3` that says it has PyTorch, and then does as told. */
async function fakePython(then: string): Promise<{ folder: string; env: Record<string, string> }> {
  const folder = await Deno.makeTempDir();
  const text = `#!/bin/sh\n[ "$1" = -c ] && exec echo 2.0\necho $$ >> "${folder}/ids"\necho '{}'\n${then}\n`;
  await Deno.writeTextFile(`${folder}/python3`, text, { mode: 0o755 });
  return { folder, env: { PATH: `${folder}:${Deno.env.get("PATH")}` } };
}

/** Whether a process is there, and not one that ended and is not buried yet. */
function isRunning(id: string): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${id}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

engineTest(
  "the runner for a card tells every part as a line of JSON, also one that was left out or was late",
  options,
  async () => {
    const only = ["--size", "small", "--engines", "webgpu", "--only", "kernels,encode,parity"];
    const file = await Deno.makeTempFile();
    const { code, out, err } = await script("run", [...only, "--dry", "--out", file]);
    assertEquals(code, 0, err);
    const lines = linesOf(out);
    assertEquals(lines.map(({ part }) => part), [
      "machine",
      "pytorch",
      "bench:kernels",
      "bench:encode",
      "parity",
      "end",
    ]);
    const [machine, pytorch, kernels, encode, parity] = lines;
    assert(machine.vulkan.loader.endsWith("libvulkan.so.1"), out);
    assertEquals(pytorch.skipped, "left out of every bench: python3 has no torch that sees a card");
    assert(kernels.result.dispatches <= 302, out);
    assertEquals(kernels.result.size, "small");
    const { steps, device, host } = kernels.result.transfers;
    assertEquals([device, host], [1, steps], out);
    assert(encode.result.imagesPerSecond > 0, out);
    assertEquals(parity.skipped, "dry");
    assertEquals(await Deno.readTextFile(file), `${out}\n`);
    await Deno.remove(file);
    const late = await script("run", [...only, "--minutes", "0.01"]);
    assertStringIncludes(late.out, '"part":"bench:kernels","engine":"webgpu","skipped":"no time is left"');
  },
);

engineTest(
  "the runner for a card runs the published loop beside the kit's, in both precisions; what hangs is ended with all it started",
  options,
  async () => {
    const words = ["--size", "small", "--engines", "webgpu", "--only", "step", "--pytorch", "cpu", "--dry"];
    const quick = await fakePython("while read -r line; do echo 1000; done");
    const [, pytorch, step] = linesOf((await script("run", words, quick.env)).out);
    assertEquals(pytorch.result, { version: "2.0", on: "cpu" });
    assertEquals([step.result.pytorchMs, step.result.pytorchHalfMs], [1000, 1000]);
    assert(step.result.ratioToHalf > 0);
    const hanging = await fakePython("sleep 100");
    const { out } = await script("run", [...words, "--patience", "0.2"], hanging.env);
    const [, , late, end] = linesOf(out);
    assertEquals(late.failed, "it took more than 18 s", out);
    // Not the hundred seconds for which the hanging process would have kept it waiting.
    assert(late.seconds < 60, out);
    assertEquals(end.part, "end");
    const ids = (await Deno.readTextFile(`${hanging.folder}/ids`)).trim().split("\n");
    assertEquals(ids.filter(isRunning), [], out);
    for (const { folder } of [quick, hanging]) await Deno.remove(folder, { recursive: true });
  },
);

engineTest("the runner for a card runs ONNX Runtime's WebGPU", onnxWebgpu, async () => {
  const words = ["--size", "small", "--engines", "onnx-webgpu", "--only", "step,encode,parity", "--dry"];
  const { code, out, err } = await script("run", words, onnxVulkan);
  assertEquals(code, 0, err);
  const [, , step, encode, parity] = linesOf(out);
  for (const { engine, result } of [step, encode]) {
    assertEquals(engine, "onnx-webgpu");
    assert(result.ms > 0 && result.device.startsWith("webgpu (ONNX Runtime"), out);
  }
  assertEquals(parity.skipped, "dry");
});

Deno.test("the runner for a card tells why a part failed, with what the driver said", async () => {
  const words = ["--size", "small", "--engines", "onnx-webgpu", "--only", "step", "--dry"];
  const { code, out, err } = await script("run", words, { VK_DRIVER_FILES: "/nowhere/icd.json" });
  assertEquals(code, 0, err);
  const [machine, , step] = linesOf(out);
  assertEquals(machine.vulkan.drivers, ["/nowhere/icd.json"]);
  assertStringIncludes(step.failed, "error: ONNX Runtime's WebGPU finds no suitable device");
  assert(step.said.length > 0 && step.said.at(-1) === step.failed, out);
});

Deno.test("the runner for a card finds a driver that came without its description, and tells which libraries it lacks", async () => {
  const folder = await Deno.makeTempDir();
  const fakes = {
    ldconfig: "\tlibGLX_nvidia.so.0 (libc6,x86-64) => /driver/libGLX_nvidia.so.0\n",
    ldd: "\tlibX11.so.6 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibXext.so.6 => not found\n",
    "nvidia-smi": "NVIDIA H100, 580.1, 81559 MiB\n",
  };
  for (const [name, says] of Object.entries(fakes)) {
    await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\nprintf '%s' '${says}'\n`, { mode: 0o755 });
  }
  const path = { PATH: `${folder}:${Deno.env.get("PATH")}` };
  const [machine] = linesOf((await script("run", ["--only", "parity", "--dry"], path)).out);
  assertEquals(machine.card, "NVIDIA H100, 580.1, 81559 MiB");
  assertEquals(machine.vulkan.missing, ["libX11.so.6", "libXext.so.6"]);
  assertMatch(machine.vulkan.drivers.join(), /nvidia_icd(\.x86_64)?\.json$/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the runner and the packer refuse flags that they do not have", async () => {
  for (
    const [name, args, says] of [
      ["run", ["--fast"], "bench/gpu/run.ts does not know --fast: --help lists its flags."],
      ["run", ["--engines", "cuda"], "--engines names cuda: use webgpu or onnx-webgpu."],
      [
        "run",
        ["--only", "maple"],
        "--only names maple: use some of engines, kernels, step, eval, encode, towers, cocoop, parity.",
      ],
      ["run", ["--pytorch", "gpu"], "--pytorch is gpu: use cuda, cpu or none."],
      ["run", ["--size", "large"], "--size is large: use ViT-B/16 or small."],
      ["run", ["--patience", "0"], "--patience is 0: give a number above 0."],
      ["run", ["--minutes", "soon"], "--minutes is soon: give a number above 0."],
      ["pack", ["--fast"], "bench/gpu/pack.ts does not know --fast: --help lists its flags."],
    ] as const
  ) {
    const { code, err } = await script(name, [...args]);
    assertEquals(err, `error: ${says}\n`);
    assertEquals(code, 2);
  }
});

sharedTest(
  "the packer takes Deno, the drivers' libraries, the packages, the kit with its sample, and the fixtures",
  async () => {
    const { code, out, err } = await script("pack", ["--list"]);
    assertEquals(code, 0, err);
    const lines = out.split("\n");
    for (
      const line of [
        "deno: deno",
        "deno: vulkan",
        "deno: x11",
        "packages: clip-prompts/node_modules",
        "kit: clip-prompts/bench/gpu/run.ts",
        "kit: clip-prompts/data/sample/model.safetensors",
        "kit: shared/reference",
      ]
    ) assert(lines.includes(line), line);
  },
);
