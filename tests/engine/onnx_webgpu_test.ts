/** ONNX Runtime's graphs on WebGPU. */
import { assertFlat, assertParity, assertSameTraining } from "./engine_cases.ts";
import { onnxWebgpuTest } from "./onnx_webgpu_cases.ts";

onnxWebgpuTest("onnx on webgpu agrees with the published code", assertParity);

onnxWebgpuTest("onnx on webgpu trains as onnx does on the processor", async (engine) => {
  await assertSameTraining(engine);
});

onnxWebgpuTest("onnx on webgpu keeps the number of its sessions over 200 steps", assertFlat);
