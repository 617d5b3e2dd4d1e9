/**
 * ProMetaR's regulariser net: how much of the regulariser's gradient is added to the task's, number by number (Park et al.,
 * CVPR 2024; ProMetaR trainers/prometar.py).
 *
 * For each learned tensor [n, D]: γ = sigmoid(W₁·W₀·[g_ce; g_reg]) with g flattened, each of the nD/8 outputs standing for 8
 * neighbours, and m = g_ce + γ ∘ g_reg.
 */
import type { HostTensor, Ops } from "../engine/ops.ts";
import { linearInit } from "./linear_init.ts";

/** Neighbours that share an output; a literal in the published code. */
const SHARED_BY = 8;

/** The two maps of a learned tensor, by its name: [nD/8, 2nD] and [nD/8, nD/8]. */
export function mapNames(param: string): [string, string] {
  const [, block = "0"] = /resblocks\.(\d+)\./.exec(param) ?? [];
  const tower = param.startsWith("image_encoder") ? "vision" : "text";
  return [0, 1].map((i) => `linear_${tower}_gamma.${block}.${i}.weight`) as [string, string];
}

/** The net at its start: PyTorch's linear maps without bias. */
export function initialMaps(
  params: Readonly<Record<string, HostTensor>>,
  random: { uniform(lo: number, hi: number): number },
): Record<string, HostTensor> {
  const maps: Record<string, HostTensor> = {};
  for (const [param, { data: { length } }] of Object.entries(params)) {
    const [first, second] = mapNames(param);
    const outputs = length / SHARED_BY;
    maps[first] = linearInit([outputs, 2 * length], random)[0];
    maps[second] = linearInit([outputs, outputs], random)[0];
  }
  return maps;
}

/** `g_ce + γ ∘ g_reg` of every learned tensor. */
export function modulated<T>(
  ops: Ops<T>,
  at: { names: readonly string[]; task: readonly T[]; regulariser: readonly T[]; maps: Readonly<Record<string, T>> },
): T[] {
  return at.names.map((name, i) => {
    const shape = ops.shape(at.task[i]);
    const length = shape.reduce((a, b) => a * b, 1);
    const [first, second] = mapNames(name).map((map) => at.maps[map]);
    const both = ops.concat([at.task[i], at.regulariser[i]].map((g) => ops.reshape(g, [1, length])), 1);
    const hidden = ops.matMul(both, first, { transposeB: true });
    const gamma = ops.sigmoid(ops.matMul(hidden, second, { transposeB: true }));
    const outputs = length / SHARED_BY;
    const each = ops.broadcastTo(ops.reshape(gamma, [outputs, 1]), [outputs, SHARED_BY]);
    return ops.add(at.task[i], ops.mul(ops.reshape(each, shape), at.regulariser[i]));
  });
}
