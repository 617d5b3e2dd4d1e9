/** The engine `cpu` as if its device were apart from the host: what stays on a device is tried without one. */
import { loadTfjs, loadTfjsBackendCpu } from "../../src/deps.ts";
import type { Engine } from "../../src/engine/ops.ts";
import { tfjsEngine } from "../../src/engine/tfjs.ts";

export async function apartEngine(options: { joinOutputs?: boolean } = {}): Promise<Engine> {
  const tf = await loadTfjs();
  await loadTfjsBackendCpu();
  await tf.setBackend("cpu");
  return tfjsEngine(tf, {
    name: "apart",
    device: "cpu",
    threads: 1,
    transposeFirst: false,
    apart: true,
    ...options,
  });
}
