/**
 * Kernels of our own on tfjs's WebGPU backend, one dispatch each: rows of LayerNorm, SiLU, attention, picked rows,
 * an optimiser's step.
 *
 * All tensors are read by their flat index. Sizes that change from run to run are uniforms; those that are the model's
 * are written into the code, of which tfjs compiles and keeps one for each `key`.
 *
 * Shapes: see `fused.ts`.
 */
import type { Tfjs as tf } from "../deps.ts";
import { count } from "./host_tensor.ts";
import type { AdamConstants, AttentionRows, Kernels, Ops, OptimizerRows, SgdConstants } from "./ops.ts";
import { ATTENTION, ATTENTION_PULLBACK, ATTENTION_SCORES, type HeadCode } from "./webgpu_attention.ts";
import { ADAM, SGD } from "./webgpu_optimizer.ts";

type Tfjs = typeof tf;

/** A shader as tfjs's backend runs it (tfjs-backend-webgpu webgpu_program.ts). */
interface Program {
  variableNames: string[];
  outputShape: number[];
  workgroupSize: [number, number, number];
  dispatchLayout: { x: number[] };
  dispatch: [number, number, number];
  uniforms: string;
  shaderKey: string;
  getUserCode(): string;
}

interface Backend {
  runWebGPUProgram(
    program: Program,
    inputs: tf.TensorInfo[],
    dtype: "float32",
    uniforms: { type: "int32" | "float32"; data: number[] }[],
  ): tf.TensorInfo;
}

/** One dispatch. */
interface Dispatch {
  /** Of the code: what is written into it besides its text. */
  key: string;
  inputs: Record<string, tf.Tensor>;
  shape: readonly number[];
  /** Groups of {@linkcode THREADS} threads. */
  groups: number;
  /** Whole numbers, by their names in the code. */
  sizes?: Record<string, number>;
  numbers?: Record<string, number>;
  code: string;
}

/** Threads of a group. */
const THREADS = 64;
/** Queries of a group. */
const QUERIES = 4;
/** What a group keeps of its queries has to fit 16 KiB, the least that WebGPU promises. */
const MAX_KEYS = 768;

const KERNEL = "ClipPromptsProgram";
/** Makes `group`, the number of the group, and `thread`, that of the thread in it. */
const MAIN = `fn main(index : i32) {
  let group = index / ${THREADS};
  let thread = i32(localIndex);`;

/** The sum over a group's threads, for each of them. */
const TOTAL = `
var<workgroup> parts : array<vec2<f32>, ${THREADS}>;
fn total(value : vec2<f32>, thread : i32) -> vec2<f32> {
  parts[thread] = value;
  workgroupBarrier();
  for (var half = ${THREADS / 2}; half > 0; half = half >> 1) {
    if (thread < half) { parts[thread] += parts[thread + half]; }
    workgroupBarrier();
  }
  let sum = parts[0];
  workgroupBarrier();
  return sum;
}`;

// The last groups may have no row: they read another one, since barriers are for all, and write nothing.
const STANDARDIZE = `${TOTAL}
${MAIN}
  let row = min(group, uniforms.rows - 1);
  let base = row * uniforms.width;
  let size = f32(uniforms.width);
  var sum = 0.0;
  for (var i = thread; i < uniforms.width; i += ${THREADS}) { sum += x[base + i]; }
  let mean = total(vec2<f32>(sum, 0.0), thread).x / size;
  var squares = 0.0;
  for (var i = thread; i < uniforms.width; i += ${THREADS}) {
    let centred = x[base + i] - mean;
    squares += centred * centred;
  }
  let rstd = inverseSqrt(total(vec2<f32>(squares, 0.0), thread).x / size + uniforms.epsilon);
  if (group < uniforms.rows) {
    for (var i = thread; i < uniforms.width; i += ${THREADS}) { result[base + i] = (x[base + i] - mean) * rstd; }
  }
}`;

const standardizePullback = (plus: boolean) =>
  `${TOTAL}
${MAIN}
  let row = min(group, uniforms.rows - 1);
  let base = row * uniforms.width;
  let size = f32(uniforms.width);
  var sums = vec2<f32>(0.0);
  for (var i = thread; i < uniforms.width; i += ${THREADS}) { sums += vec2<f32>(x[base + i], dy[base + i]); }
  let means = total(sums, thread) / size;
  var along = vec2<f32>(0.0);
  for (var i = thread; i < uniforms.width; i += ${THREADS}) {
    let centred = x[base + i] - means.x;
    along += vec2<f32>(centred * centred, centred * dy[base + i]);
  }
  along = total(along, thread) / size;
  let rstd = inverseSqrt(along.x + uniforms.epsilon);
  let share = along.y * rstd * rstd;
  if (group < uniforms.rows) {
    for (var i = thread; i < uniforms.width; i += ${THREADS}) {
      let dx = rstd * (dy[base + i] - means.y - (x[base + i] - means.x) * share);
      result[base + i] = ${plus ? "plus[base + i] + dx" : "dx"};
    }
  }
}`;

/** One thread a number. */
const each = (expression: string) =>
  `${MAIN}
  if (index < uniforms.size) { result[index] = ${expression}; }
}`;

const SILU = each("z[index] / (1.0 + exp(-z[index]))");
const SILU_PULLBACK = `
fn slope(z : f32) -> f32 {
  let gate = 1.0 / (1.0 + exp(-z));
  return gate + z * gate * (1.0 - gate);
}
${each("dy[index] * slope(z[index])")}`;

/** One group a row: the largest number, then the sum of powers, then all. */
const LOG_SOFTMAX = `${TOTAL}
var<workgroup> largest : array<f32, ${THREADS}>;
${MAIN}
  let row = min(group, uniforms.rows - 1);
  let base = row * uniforms.width;
  var most = x[base];
  for (var i = thread; i < uniforms.width; i += ${THREADS}) { most = max(most, x[base + i]); }
  largest[thread] = most;
  workgroupBarrier();
  for (var i = 0; i < ${THREADS}; i++) { most = max(most, largest[i]); }
  var sum = 0.0;
  for (var i = thread; i < uniforms.width; i += ${THREADS}) { sum += exp(x[base + i] - most); }
  let shift = most + log(total(vec2<f32>(sum, 0.0), thread).x);
  if (group < uniforms.rows) {
    for (var i = thread; i < uniforms.width; i += ${THREADS}) { result[base + i] = x[base + i] - shift; }
  }
}`;

/** One thread a sum along an axis that others follow. */
const SUM = `${MAIN}
  if (index < uniforms.size) {
    let first = index / uniforms.after * uniforms.along * uniforms.after + index % uniforms.after;
    var sum = 0.0;
    for (var i = 0; i < uniforms.along; i++) { sum += x[first + i * uniforms.after]; }
    result[index] = sum * uniforms.factor;
  }
}`;

/** Rows of the matrix's other side are added up; `step` leads along it, and `stride` to the next row. */
const PICK_ROWS = `${MAIN}
  if (index < uniforms.size) {
    let column = index % uniforms.width;
    let sequence = index / uniforms.width % uniforms.sequences;
    let row = index / (uniforms.width * uniforms.sequences);
    let at = sequence % uniforms.matrices * uniforms.picked * uniforms.all + row * uniforms.stride;
    var sum = 0.0;
    for (var other = 0; other < uniforms.others; other++) {
      sum += matrix[at + other * uniforms.step] * x[(other * uniforms.sequences + sequence) * uniforms.width + column];
    }
    result[index] = sum;
  }
}`;

/** Registers the one kernel, of tfjs's own registry, that runs any of these programs. */
function register(tf: Tfjs): void {
  if (tf.getKernel(KERNEL, "webgpu") !== undefined) return;
  tf.registerKernel({
    kernelName: KERNEL,
    backendName: "webgpu",
    kernelFunc({ inputs, backend, attrs }) {
      const { key, shape, groups, sizes, numbers, code } = attrs as unknown as Dispatch;
      const names = Object.keys(inputs);
      const declared = [
        ...Object.entries(sizes ?? {}).map(([name, value]) => ({
          name,
          type: "i32",
          uniform: "int32" as const,
          value,
        })),
        ...Object.entries(numbers ?? {})
          .map(([name, value]) => ({ name, type: "f32", uniform: "float32" as const, value })),
      ];
      const program: Program = {
        variableNames: names,
        outputShape: [count(shape)],
        workgroupSize: [THREADS, 1, 1],
        dispatchLayout: { x: [0] },
        dispatch: [groups, 1, 1],
        uniforms: declared.map(({ name, type }) => `${name} : ${type}, `).join(""),
        shaderKey: `${KERNEL} ${key}`,
        getUserCode: () => code,
      };
      const flat = names.map((name) => {
        const { dataId, dtype, shape } = inputs[name] as tf.TensorInfo;
        return { dataId, dtype, shape: [count(shape)] };
      });
      const uniforms = declared.map(({ uniform, value }) => ({ type: uniform, data: [value] }));
      const out = (backend as unknown as Backend).runWebGPUProgram(program, flat, "float32", uniforms);
      return { ...out, shape: [...shape] };
    },
  });
}

/** The operations that run on kernels of our own, of a tfjs namespace whose backend is WebGPU. */
export function webgpuOps(
  tf: Tfjs,
): Required<Pick<Ops<tf.Tensor>, "kernels" | "logSoftmax" | "sum" | "mean">> {
  register(tf);
  function run({ inputs, ...dispatch }: Dispatch): tf.Tensor {
    return tf.engine().runKernel(KERNEL, inputs, dispatch as unknown as tf.NamedAttrMap) as tf.Tensor;
  }
  const widthOf = ({ shape }: tf.Tensor): number => shape[shape.length - 1];
  const groupsOf = (threads: number) => Math.ceil(threads / THREADS);
  const ofRows = (x: tf.Tensor) => {
    const width = widthOf(x);
    const rows = count(x.shape) / width;
    return { shape: x.shape, groups: rows, sizes: { rows, width } };
  };
  const ofNumbers = ({ shape }: tf.Tensor) => ({
    shape,
    groups: groupsOf(count(shape)),
    sizes: { size: count(shape) },
  });

  /** Attention's operands, and what its code has to know of them. */
  function heads({ query, key, value, heads, shared, mask }: AttentionRows<tf.Tensor>) {
    const [Q, N] = query.of.shape;
    const [L] = key.of.shape;
    const X = shared?.keys.shape[0] ?? 0;
    const code: HeadCode = { heads, width: key.count / heads, shared: shared !== undefined, mask: mask !== undefined };
    return {
      code,
      key: Object.values(code).join(),
      inputs: {
        queries: query.of,
        keys: key.of,
        ...(shared && { sharedKeys: shared.keys }),
      },
      values: { values: value.of, ...(shared && { sharedValues: shared.values }), ...(mask && { mask }) },
      sizes: {
        Q,
        N,
        X,
        K: X + L,
        masks: mask?.shape[0] ?? 1,
        queryRow: widthOf(query.of),
        queryFrom: query.from,
        keyRow: widthOf(key.of),
        keyFrom: key.from,
        valueRow: widthOf(value.of),
        valueFrom: value.from,
      },
      groups: N * heads * Math.ceil(Q / QUERIES),
    };
  }

  /** tfjs transposes before it sums along any axis but the last. */
  function sumAlong(x: tf.Tensor, axis: number, factor: number): tf.Tensor {
    const at = axis < 0 ? axis + x.shape.length : axis;
    const shape = x.shape.with(at, 1);
    const [size, along, after] = [count(shape), x.shape[at], count(x.shape.slice(at + 1))];
    return run({
      key: "sum",
      inputs: { x },
      shape,
      groups: groupsOf(size),
      sizes: { size, along, after },
      numbers: { factor },
      code: SUM,
    });
  }
  /** An optimiser's step: a new state. */
  function descend(
    { key, code }: { key: string; code: string },
    { state, gradient, numbers }: OptimizerRows<tf.Tensor>,
    constants: SgdConstants | AdamConstants,
  ): tf.Tensor {
    const at = { ...ofNumbers(gradient), shape: state.shape, numbers: { ...constants } };
    return run({ ...at, key, code, inputs: { state, gradient, numbers } });
  }
  const isLast = (x: tf.Tensor, axis: number) => axis === -1 || axis === x.shape.length - 1;

  const kernels: Kernels<tf.Tensor> = {
    maxKeys: MAX_KEYS,
    standardize: (x, epsilon) =>
      run({ key: "standardize", inputs: { x }, ...ofRows(x), numbers: { epsilon }, code: STANDARDIZE }),
    standardizePullback: (dy, { x, epsilon, plus }) =>
      run({
        key: `standardizePullback ${plus !== undefined}`,
        inputs: { dy, x, ...(plus && { plus }) },
        ...ofRows(dy),
        numbers: { epsilon },
        code: standardizePullback(plus !== undefined),
      }),
    silu: (z) => run({ key: "silu", inputs: { z }, ...ofNumbers(z), code: SILU }),
    siluPullback: (dy, z) => run({ key: "siluPullback", inputs: { dy, z }, ...ofNumbers(z), code: SILU_PULLBACK }),
    pickRows(matrix, x, transpose) {
      const [matrices, picked, all] = matrix.shape;
      const [others, sequences, width] = x.shape;
      const shape = [transpose ? all : picked, sequences, width];
      return run({
        key: "pickRows",
        inputs: { matrix, x },
        shape,
        groups: groupsOf(count(shape)),
        sizes: {
          size: count(shape),
          width,
          sequences,
          matrices,
          picked,
          all,
          others,
          stride: transpose ? 1 : all,
          step: transpose ? all : 1,
        },
        code: PICK_ROWS,
      });
    },
    attention(rows) {
      const { code, key, inputs, values, sizes, groups } = heads(rows);
      return run({
        key: `attention ${key}`,
        inputs: { ...inputs, ...values },
        shape: [sizes.Q, sizes.N, rows.key.count],
        groups,
        sizes,
        code: ATTENTION({ ...code, threads: THREADS, queries: QUERIES, maxKeys: MAX_KEYS }),
      });
    },
    attentionScores(rows, dAttended) {
      const { code, key, inputs, values, sizes, groups } = heads(rows);
      return run({
        key: `attentionScores ${key}`,
        inputs: { ...inputs, ...values, dAttended },
        shape: [2, sizes.N, rows.heads, sizes.Q, sizes.K],
        groups,
        sizes,
        code: ATTENTION_SCORES({ ...code, threads: THREADS, queries: QUERIES, maxKeys: MAX_KEYS }),
      });
    },
    attentionPullback(rows, { scores, dAttended, parts, leave, range }) {
      const { code, key, inputs, sizes } = heads(rows);
      const all = { from: 0, count: parts === "query" ? sizes.Q : sizes.K - sizes.X };
      const { from, count: R } = range ?? all;
      const shape = [R, sizes.N, rows.key.count * { query: 1, keyValue: 2, queryKeyValue: 3 }[parts]];
      return run({
        key: `attentionPullback ${key}`,
        inputs: { ...inputs, scores, dAttended },
        shape,
        groups: groupsOf(count(shape)),
        sizes: {
          ...sizes,
          size: count(shape),
          row: shape[2],
          firstPart: parts === "keyValue" ? 1 : 0,
          firstRow: from,
          leaveFrom: leave?.from ?? 0,
          leaveCount: leave?.count ?? 0,
        },
        code: ATTENTION_PULLBACK(code),
      });
    },
    sgd: (at, constants) => descend({ key: "sgd", code: SGD(MAIN) }, at, constants),
    adam: (at, constants) => descend({ key: "adam", code: ADAM(MAIN) }, at, constants),
  };
  return {
    kernels,
    logSoftmax: (x) => run({ key: "logSoftmax", inputs: { x }, ...ofRows(x), code: LOG_SOFTMAX }),
    sum: (x, axis) => isLast(x, axis) ? tf.sum(x, axis, true) : sumAlong(x, axis, 1),
    mean: (x, axis) =>
      isLast(x, axis)
        ? tf.mean(x, axis, true)
        : sumAlong(x, axis, 1 / x.shape[axis < 0 ? axis + x.shape.length : axis]),
  };
}
