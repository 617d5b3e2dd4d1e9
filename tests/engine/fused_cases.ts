/**
 * What is fused, as one program: every kernel, with every option, that an engine may have of its own.
 */
import type { AttentionRows, HostTensor, Ops, RowRange } from "../../src/engine/ops.ts";
import { attention, silu, standardized } from "../../src/engine/fused.ts";
import { pickRows, rangeOf, spreadRows } from "../../src/engine/rows.ts";
import { randomTensor } from "./ops_cases.ts";

const [L, Q, N, H, D, X] = [7, 5, 3, 2, 8, 2];
const LEAVE: RowRange = { from: 2, count: 2 };

/** Rows up to which `attention` is one kernel on WebGPU, and more. */
const MANY = 800;

/** Inputs: rows, weights of three maps, shared keys and values, two masks, gradients of two sizes, a picking matrix. */
export const FUSED_INPUTS: readonly HostTensor[] = [
  randomTensor([L, N, D], 1, 2),
  randomTensor([1, N, L, 3 * D], 2),
  randomTensor([X, 1, H, D / H], 3),
  randomTensor([X, 1, H, D / H], 4),
  randomTensor([N, 1, L, X + L], 5),
  randomTensor([1, 1, Q, X + L], 6),
  randomTensor([L, N, D], 7),
  randomTensor([Q, N, D], 8),
  { shape: [1, Q, L], data: Float32Array.from({ length: Q * L }, (_, i) => +(i % L === (2 * Math.floor(i / L)) % L)) },
  randomTensor([MANY, 1, 2], 9),
  randomTensor([2, 130], 10, 5),
];

/** Everything that is fused, of {@linkcode FUSED_INPUTS}. */
export function fused<T>(ops: Ops<T>, inputs: readonly T[]): T[] {
  const [x, packed, sharedKeys, sharedValues, mask, askingMask, dy, dAsking, matrix, many, wide] = inputs;
  const rows = standardized(ops, x, 1e-5);
  const active = silu(ops, x);
  const centred = ops.sub(dy, ops.mean(dy, -1));
  const all = ops.reshape(packed, [L, N, 3 * D]);
  const columns = (of: T, i: number) => ({ of, from: i * D, count: D });
  const shared = { keys: sharedKeys, values: sharedValues };
  const same: AttentionRows<T> = { query: columns(all, 0), key: columns(all, 1), value: columns(all, 2), heads: H };
  const whole = attention(ops, { ...same, shared, mask });
  const back = whole.pullback(dy);
  const fewer = { ...same, query: { of: dAsking, from: 0, count: D }, mask: askingMask, shared };
  const leaving = attention(ops, fewer, LEAVE);
  const left = leaving.pullback(dAsking);
  const plain = attention(ops, same);
  const most = attention(ops, {
    query: { of: many, from: 0, count: 2 },
    key: { of: many, from: 0, count: 2 },
    value: { of: many, from: 0, count: 2 },
    heads: 1,
  });
  return [
    rows.normalized,
    rows.pullback(dy),
    rows.pullback(dy, { plus: x }),
    rows.pullback(centred, { centred: true }),
    rows.pullback(rangeOf(ops, dy, LEAVE), { rows: (x) => rangeOf(ops, x, LEAVE) }),
    active.y,
    active.pullback(dy),
    whole.attended,
    back.query(),
    back.keyValue(),
    back.keyValue(LEAVE),
    back.queryKeyValue(),
    leaving.attended,
    left.query(),
    left.queryKeyValue(),
    plain.attended,
    plain.pullback(dy).queryKeyValue(),
    most.attended,
    pickRows(ops, matrix, x),
    spreadRows(ops, matrix, dAsking),
    ops.logSoftmax(wide),
    ops.sum(x, 0),
    ops.mean(x, 1),
    ops.mean(x, -1),
  ];
}
