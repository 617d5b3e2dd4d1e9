/** ONNX Runtime's graphs on WebGPU. */
import { openEngine } from "../../src/engine/choose.ts";
import { assertOptimizers } from "../optim/on_device_cases.ts";
import { assertDeviceSteps, assertStops, FEW } from "../train/device_cases.ts";
import { assertFlat, assertHeld, assertParity, assertSameTraining } from "./engine_cases.ts";
import { onnxWebgpuTest } from "./onnx_webgpu_cases.ts";

onnxWebgpuTest("onnx on webgpu agrees with the published code", assertParity);

onnxWebgpuTest("onnx on webgpu trains as onnx does on the processor", async (engine) => {
  await assertSameTraining(engine);
});

onnxWebgpuTest("onnx on webgpu keeps the number of its sessions over 200 steps", assertFlat);

onnxWebgpuTest("onnx on webgpu's optimisers are the host's but for rounding", assertOptimizers);

onnxWebgpuTest("onnx on webgpu stops at a loss that is not finite", assertStops);

onnxWebgpuTest("onnx on webgpu holds tensors on its device until they are released", async (engine) => {
  const other = await openEngine("onnx", { device: "webgpu" });
  await assertHeld(engine, other);
  await other.dispose();
});

onnxWebgpuTest(
  "onnx on webgpu's optimisers do what the host's do, and go on from a checkpoint to the bits of the uninterrupted run",
  async (engine) => await assertDeviceSteps(engine, { tolerance: 1e-4, cuts: [6], variants: FEW }),
);
