/**
 * Where `onnx --device webgpu` can be tested: on the machine's own Vulkan if that suffices, or on the software Vulkan that
 * `.ci/get_vulkan` puts into `.cache/vulkan`.
 */
import { openEngine } from "../../src/engine/choose.ts";
import type { Engine } from "../../src/engine/ops.ts";
import { ROOT } from "../tasks.ts";
import { engineTest } from "./engine_cases.ts";

/** Environment variables that lead to a Vulkan which ONNX Runtime accepts; undefined where there is none. */
export const onnxVulkan: Readonly<Record<string, string>> | undefined = await findVulkan();

/** The options of {@linkcode engineTest} for it. */
export const onnxWebgpu = {
  there: onnxVulkan !== undefined,
  engine: "onnx --device webgpu",
  variable: "CI_REQUIRE_ONNX_WEBGPU",
};

async function findVulkan(): Promise<Record<string, string> | undefined> {
  const fetched: Record<string, string> = { VK_DRIVER_FILES: `${ROOT}.cache/vulkan/icd.json` };
  for (const env of [{}, fetched]) if (await opensWith(env)) return env;
}

/** Asked in a process of its own: the first device that a process opens is looked for once. */
async function opensWith(env: Record<string, string>): Promise<boolean> {
  const script = `const { openEngine } = await import(${JSON.stringify(`file://${ROOT}src/engine/choose.ts`)});
    await (await openEngine("onnx", { device: "webgpu" })).dispose();`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/** A test of the engine; skipped where there is no such Vulkan, or fails if `CI_REQUIRE_ONNX_WEBGPU` is 1. */
export function onnxWebgpuTest(name: string, fn: (engine: Engine) => Promise<void>): void {
  engineTest(name, onnxWebgpu, async () => {
    // Sessions look for the driver when the device opens, and that may be again whenever none was left.
    const before = Object.keys(onnxVulkan!).map((name) => [name, Deno.env.get(name)] as const);
    for (const [name, value] of Object.entries(onnxVulkan!)) Deno.env.set(name, value);
    const engine = await openEngine("onnx", { device: "webgpu" });
    try {
      await fn(engine);
    } finally {
      await engine.dispose();
      for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  });
}
