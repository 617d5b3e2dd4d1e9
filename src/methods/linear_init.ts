/** Linear maps at their start. */
import type { HostTensor } from "../engine/ops.ts";

/** Weight and bias of a linear map as PyTorch starts them: uniform within ±1/√in. */
export function linearInit(
  shape: [number, number],
  random: { uniform(lo: number, hi: number): number },
): [HostTensor, HostTensor] {
  const bound = 1 / Math.sqrt(shape[1]);
  const draw = (size: number[]) => ({
    shape: size,
    data: Float32Array.from({ length: size.reduce((a, b) => a * b, 1) }, () => random.uniform(-bound, bound)),
  });
  return [draw(shape), draw([shape[0]])];
}
