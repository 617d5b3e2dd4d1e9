/**
 * tfjs on Deno's own WebGPU: any card with a Vulkan, Metal or DirectX 12 driver, or Mesa's lavapipe without a card.
 */
import { loadTfjs, loadTfjsBackendWebgpu, TFJS_VERSION } from "../deps.ts";
import { UserError } from "../errors.ts";
import type { Engine } from "./ops.ts";
import { tested } from "./self_test.ts";
import { tfjsEngine } from "./tfjs.ts";
import { webgpuOps } from "./webgpu_kernels.ts";

/** The part of Deno's WebGPU device that is used here. */
interface Device extends EventTarget {
  readonly queue: { onSubmittedWorkDone(): Promise<void> };
  readonly lost: Promise<{ reason: string; message: string }>;
}

/** The WebGPU device's name; undefined when there is none. */
export async function webgpuDevice(): Promise<{ name: string; software: boolean } | undefined> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { description, vendor, device } = adapter.info;
  const name = description || `vendor ${vendor}, device ${device}`;
  return { name, software: /llvmpipe|lavapipe|swiftshader|software|basic render/i.test(name) };
}

/** Opens WebGPU. Throws {@linkcode UserError} when no driver offers a device, or it computes wrong numbers. */
export async function openWebgpu(): Promise<Engine> {
  const found = await webgpuDevice();
  if (found === undefined) {
    throw new UserError(
      "WebGPU finds no device: install a Vulkan driver (on Debian the card's own, or mesa-vulkan-drivers), or use --engine onnx.",
    );
  }
  const tf = await loadTfjs();
  await loadTfjsBackendWebgpu();
  // Removing the backend also removed its factory, so it is registered again.
  knownFactory ??= tf.findBackendFactory("webgpu");
  if (tf.findBackendFactory("webgpu") === null) tf.registerBackend("webgpu", knownFactory, 3);
  if (!await tf.setBackend("webgpu")) {
    throw new UserError(`tfjs could not start its webgpu backend on ${found.name}: use --engine onnx.`);
  }
  await tf.ready();
  const { device } = tf.backend() as unknown as { device: Device };
  let failure: string | undefined;
  device.lost.then(({ reason, message }) => failure ??= `device lost: ${message || reason}`);
  // Reported without an exception: a buffer that could not be allocated, or a kernel that was rejected.
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as Event & { error: Error };
    failure ??= `${error.constructor.name === "GPUOutOfMemoryError" ? "out of memory: " : ""}${error.message}`;
  });
  openEngines++;
  const engine = tfjsEngine(tf, {
    name: "webgpu",
    device: `${found.name}${
      found.software ? ", software" : ""
    } (WebGPU of Deno ${Deno.version.deno}, tfjs ${TFJS_VERSION})`,
    threads: 1,
    transposeFirst: false,
    own: webgpuOps(tf),
    joinOutputs: true,
    apart: true,
    settled: () => device.queue.onSubmittedWorkDone(),
    failure: () => failure,
    close() {
      if (--openEngines === 0) tf.removeBackend("webgpu");
    },
  });
  return await tested(engine);
}

/** How many engines share tfjs's only WebGPU backend; closing the last one removes the backend and its device. */
let openEngines = 0;

let knownFactory: ReturnType<Awaited<ReturnType<typeof loadTfjs>>["findBackendFactory"]> | undefined;
