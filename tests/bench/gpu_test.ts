/** The two scripts for a machine with a card, tried without one. */
import { assert, assertEquals, assertStringIncludes } from "jsr:@std/assert@1.0.19";
import { webgpuDevice } from "../../src/engine/webgpu.ts";
import { engineTest } from "../engine/engine_cases.ts";
import { sharedTest } from "../shared.ts";
import { ROOT } from "../tasks.ts";

async function script(name: string, args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", `${ROOT}bench/gpu/${name}.ts`, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  return { code, out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
}

const options = { there: await webgpuDevice() !== undefined, engine: "webgpu", variable: "CI_REQUIRE_WEBGPU" };

engineTest(
  "the runner for a card tells every part as a line of JSON, also one that was left out or was late",
  options,
  async () => {
    const only = ["--size", "small", "--engines", "webgpu", "--only", "kernels,encode,parity"];
    const file = await Deno.makeTempFile();
    const { code, out, err } = await script("run", [...only, "--dry", "--out", file]);
    assertEquals(code, 0, err);
    const lines = out.split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ part }) => part), ["machine", "bench:kernels", "bench:encode", "parity", "end"]);
    const [, kernels, encode, parity] = lines;
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

Deno.test("the runner and the packer refuse flags that they do not have", async () => {
  for (
    const [name, args, says] of [
      ["run", ["--fast"], "bench/gpu/run.ts does not know --fast: --help lists its flags."],
      ["run", ["--engines", "cuda"], "--engines names cuda: use webgpu or onnx-webgpu."],
      ["run", ["--minutes", "soon"], "--minutes is soon: give a number above 0."],
      ["pack", ["--fast"], "bench/gpu/pack.ts does not know --fast: --help lists its flags."],
    ] as const
  ) {
    const { code, err } = await script(name, [...args]);
    assertEquals(err, `error: ${says}\n`);
    assertEquals(code, 2);
  }
});

sharedTest("the packer takes Deno, the loader, the packages, the kit with its sample, and the fixtures", async () => {
  const { code, out, err } = await script("pack", ["--list"]);
  assertEquals(code, 0, err);
  const lines = out.split("\n");
  for (
    const line of [
      "deno: deno",
      "deno: vulkan",
      "packages: clip-prompts/node_modules",
      "kit: clip-prompts/bench/gpu/run.ts",
      "kit: clip-prompts/data/sample/model.safetensors",
      "kit: shared/reference",
    ]
  ) assert(lines.includes(line), line);
});
