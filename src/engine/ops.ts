/**
 * The tensor algebra that every engine runs, and what an engine is.
 *
 * A program is a plain function of tensors written against {@linkcode Ops}. Eager engines (tfjs) call it in every run;
 * the ONNX engine calls it once per set of shapes with symbolic tensors, which emits one graph, and runs that graph.
 * The towers are therefore written once for all engines.
 *
 * Everything is float32. Shapes are static: `ops.shape(x)` is known while the program is being traced.
 */

/**
 * A float32 tensor in ordinary memory, row-major. It belongs to whoever created it; nothing has to be freed.
 *
 * @example
 * ```ts
 * import type { HostTensor } from "@prompt-kit/clip-prompts";
 *
 * const x_BE: HostTensor = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
 * const [B, E] = x_BE.shape;
 * if (x_BE.data[1 * E + 2] !== 6 || B !== 2) throw new Error("unexpected");
 * ```
 */
export interface HostTensor {
  /** Sizes of the axes; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** The numbers; the last axis varies fastest. */
  readonly data: Float32Array;
}

/** Frozen numbers that an engine owns (weights, masks, features that do not change); made by {@linkcode Engine.freeze}. */
export interface Frozen {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** A name for messages and graphs. */
  readonly name: string;
}

/**
 * The algebra. Binary operations broadcast as NumPy does; axes may be negative.
 *
 * @example A function of tensors, written once for every engine
 * ```ts
 * import { openEngine, type Ops } from "@prompt-kit/clip-prompts";
 *
 * const cosines = <T>(ops: Ops<T>, a_NE: T, b_CE: T) => ops.matMul(a_NE, b_CE, { transposeB: true });
 * const engine = await openEngine("cpu");
 * const program = engine.program("cosines", (ops, [a, b]) => [cosines(ops, a, b)]);
 * const unit = { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) };
 * const [{ data }] = await program.run([unit, unit]);
 * await engine.dispose();
 * if (data.join() !== "1,0,0,1") throw new Error("unexpected");
 * ```
 */
export interface Ops<T> {
  /** Sizes of the axes, known while the program is being traced. */
  shape(x: T): readonly number[];
  /** Small numbers written into the program. */
  constant(value: HostTensor): T;
  /** Frozen numbers as a tensor. */
  frozen(value: Frozen): T;
  /** `x · Wᵀ + b` with `x` [..., in], `W` [out, in], `b` [out]. */
  linear(x: T, weight: Frozen, bias?: Frozen): T;
  /** The pull-back of {@linkcode linear} to `x`: `dy · W` with `dy` [..., out]. */
  linearPullback(dy: T, weight: Frozen): T;
  /** Batched product of the last two axes; leading axes broadcast. */
  matMul(a: T, b: T, options?: { transposeA?: boolean; transposeB?: boolean }): T;
  /** `a + b`. */
  add(a: T, b: T): T;
  /** `a − b`. */
  sub(a: T, b: T): T;
  /** `a · b`, number by number. */
  mul(a: T, b: T): T;
  /** `x · factor` for a plain number. */
  scale(x: T, factor: number): T;
  /** `x + term` for a plain number. */
  shift(x: T, term: number): T;
  /** `1 / (1 + e⁻ˣ)`. */
  sigmoid(x: T): T;
  /** The error function, `2/√π · ∫₀ˣ e^(−t²) dt`. */
  erf(x: T): T;
  /** `max(x, 0)`. */
  relu(x: T): T;
  /** 1 where `x > 0`, else 0. */
  step(x: T): T;
  /** `eˣ`. */
  exp(x: T): T;
  /** The natural logarithm. */
  log(x: T): T;
  /** `1 / √x`. */
  rsqrt(x: T): T;
  /** Over the last axis. */
  softmax(x: T): T;
  /** Over the last axis. */
  logSoftmax(x: T): T;
  /** Sum over one axis, which is kept with size 1. */
  sum(x: T, axis: number): T;
  /** Mean over one axis, which is kept with size 1. */
  mean(x: T, axis: number): T;
  /** `(x − mean) · rstd` over the last axis, with `rstd = 1 / √(variance + epsilon)` [..., 1]. */
  standardize(x: T, epsilon: number): { normalized: T; rstd: T };
  /** The same numbers in another shape. */
  reshape(x: T, shape: readonly number[]): T;
  /** Axes in another order: axis `i` of the result is axis `permutation[i]` of `x`. */
  transpose(x: T, permutation: readonly number[]): T;
  /** Tensors joined along an axis. */
  concat(parts: readonly T[], axis: number): T;
  /** `size` numbers along each axis, starting at `begin`. */
  slice(x: T, begin: readonly number[], size: readonly number[]): T;
  /** Copies along axes of size 1 and along new leading axes. */
  broadcastTo(x: T, shape: readonly number[]): T;
  /**
   * Kernels of the engine for several of these at once.
   *
   * @internal
   */
  readonly kernels?: Kernels<T>;
}

/** Some columns of a tensor's last axis, which need not be copied out of it. */
export interface Columns<T> {
  of: T;
  from: number;
  count: number;
}

/** Neighbouring rows. */
export interface RowRange {
  from: number;
  count: number;
}

/** What attention works on, in CLIP's layout: rows first, sequences second; see `fused.ts`. */
export interface AttentionRows<T> {
  /** Of the rows that have a query, [Q, N, D], divided by √d. */
  query: Columns<T>;
  /** Of all rows, [L, N, D]. */
  key: Columns<T>;
  value: Columns<T>;
  heads: number;
  /** Keys and values that all sequences share, [X, 1, H, d]; they come before the rows' own. */
  shared?: { keys: T; values: T };
  /** Added to the scores, [N or 1, 1, Q, X + L]. */
  mask?: T;
}

/**
 * What an engine may have as one kernel each, where its other operations would take many. Only `fused.ts` and
 * `optim/on_device.ts` call them, and compose the same of {@linkcode Ops} for engines without.
 *
 * @internal
 */
export interface Kernels<T> {
  /** `normalized` of {@linkcode Ops.standardize}. */
  standardize(x: T, epsilon: number): T;
  /** The pull-back of that, and `plus` added to it. */
  standardizePullback(dy: T, at: { x: T; epsilon: number; plus?: T }): T;
  /** `z · σ(z)`. */
  silu(z: T): T;
  /** The pull-back of that. */
  siluPullback(dy: T, z: T): T;
  /** 0/1 rows picked from [L, N, D] by a matrix [N or 1, R, L]: [R, N, D]; transposed, put back among rows of zeros. */
  pickRows(matrix: T, x: T, transpose: boolean): T;
  /** Keys up to which there are the kernels below. */
  readonly maxKeys: number;
  /** The softmax of queries times keys, times values: [Q, N, D]. */
  attention(rows: AttentionRows<T>): T;
  /** Probabilities and the gradients at the scores, one after the other, [2, N, H, Q, X + L]. */
  attentionScores(rows: AttentionRows<T>, dAttended: T): T;
  /**
   * From those to the gradients at queries (those of the rows in `leave`, which have none, are zero), keys and values:
   * at the columns of `parts` in this order, of the rows of `range`.
   */
  attentionPullback(
    rows: AttentionRows<T>,
    at: { scores: T; dAttended: T; parts: "query" | "keyValue" | "queryKeyValue"; leave?: RowRange; range?: RowRange },
  ): T;
  /** The state after a step of SGD: see `optim/on_device.ts`. */
  sgd(at: OptimizerRows<T>, constants: SgdConstants): T;
  /** Likewise of Adam. */
  adam(at: OptimizerRows<T>, constants: AdamConstants): T;
}

/** What is the same in every step. */
export interface SgdConstants {
  momentum: number;
  decay: number;
}

/** Likewise; `new1` and `new2` are 1 − β₁ and 1 − β₂. */
export interface AdamConstants {
  new1: number;
  beta2: number;
  new2: number;
  decay: number;
  epsilon: number;
}

/** What an optimiser's step takes. */
export interface OptimizerRows<T> {
  /** [R, n]: the learned numbers in the first row, what the optimiser remembers in the others. */
  state: T;
  /** [1, n] */
  gradient: T;
  /** What is another number in each step, [1, k]. */
  numbers: T;
}

/** A function of tensors that every engine can run. */
export type ProgramFunction = <T>(ops: Ops<T>, inputs: readonly T[]) => readonly T[];

/** A function of one tensor that every engine can run. */
export type TensorFunction = <T>(ops: Ops<T>, x: T) => T;

/** A program bound to an engine; it is prepared once per set of input shapes. */
export interface Program {
  /** Runs it. Inputs are copied; outputs are new. Throws {@linkcode Error} when an input's data does not fill its shape. */
  run(inputs: readonly (HostTensor | Frozen)[]): Promise<HostTensor[]>;
  /** Frees what was prepared for its runs. */
  dispose(): Promise<void>;
}

/**
 * A tensor that stays on an engine's device until it is released.
 *
 * @internal
 */
export interface Held {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** The engine's name, for messages. */
  readonly engine: string;
}

/**
 * A program whose outputs stay on the device.
 *
 * @internal
 */
export interface HoldingProgram {
  /**
   * Starts it. The device may still be computing afterwards, a bounded number of runs behind. What is given stays the
   * caller's, and so does what comes back. Throws {@linkcode Error} for a held input that is released or another engine's.
   */
  run(inputs: readonly (HostTensor | Frozen | Held)[]): Promise<Held[]>;
  /** Frees what was prepared for its runs. */
  dispose(): Promise<void>;
}

/**
 * The memory of a device that is apart from the host's.
 *
 * @internal
 */
export interface DeviceMemory {
  /** As {@linkcode Engine.program}. */
  program(name: string, fn: ProgramFunction): HoldingProgram;
  /** Copies of held tensors, in as few transfers as the engine can: one. They stay held. */
  read(values: readonly Held[]): Promise<HostTensor[]>;
  /** Releases held tensors. */
  release(values: readonly Held[]): void;
}

/** Runs programs. `openEngine` opens one, and the caller disposes it. */
export interface Engine {
  /** As chosen with `--engine`: `onnx`, `wasm`, `cpu`, `webgpu`, `tensorflow`, `tensorflow-gpu`. */
  readonly name: string;
  /** The device and the versions of the libraries, for log lines and the report. */
  readonly device: string;
  /** Threads that it uses. */
  readonly threads: number;
  /** Passes frozen numbers to the engine, which may keep transposed or packed copies. */
  freeze(name: string, value: HostTensor): Frozen;
  /** Releases frozen numbers. */
  release(value: Frozen): void;
  /**
   * Binds a function to this engine. `name` is for messages and graph names. `shapes` bounds for how many sets of input
   * shapes an engine that prepares programs keeps them prepared, where runs come one after the other.
   */
  program(name: string, fn: ProgramFunction, options?: { shapes?: number }): Program;
  /**
   * What may stay on the device between runs; undefined where programs run in the host's own memory.
   *
   * @internal
   */
  readonly memory?: DeviceMemory;
  /** How many tensors the engine holds; constant over a long run. */
  tensorCount(): number;
  /** Operations dispatched so far on eager engines, without reshapes; 0 on engines that run whole graphs. */
  kernelCount(): number;
  /** Frees everything. */
  dispose(): Promise<void>;
}
