/**
 * The tensor algebra that every engine runs, and what an engine is.
 *
 * A program is a plain function of tensors written against {@linkcode Ops}. Eager engines (tfjs) run it as it stands;
 * the ONNX engine calls it once per set of shapes with symbolic tensors, which emits one graph, and runs that.
 * The same text of the towers therefore serves all engines.
 *
 * Everything is float32. Shapes are static: `ops.shape(x)` is known while the program is being traced.
 */

/** A float32 tensor in ordinary memory, row-major. */
export interface HostTensor {
  /** Sizes of the axes; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** The numbers, last axis fastest. */
  readonly data: Float32Array;
}

/** Frozen numbers that an engine owns (weights, masks, features that do not change); made by {@linkcode Engine.freeze}. */
export interface Frozen {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** A name for messages and graphs. */
  readonly name: string;
}

/** Which operands of a product are transposed in their last two axes. */
export interface MatMulOptions {
  /** Transpose the first operand. */
  transposeA?: boolean;
  /** Transpose the second operand. */
  transposeB?: boolean;
}

/** The algebra. Binary operations broadcast as NumPy does; axes may be negative. */
export interface Ops<T> {
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
  matMul(a: T, b: T, options?: MatMulOptions): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  /** `x · factor` for a plain number. */
  scale(x: T, factor: number): T;
  /** `x + term` for a plain number. */
  shift(x: T, term: number): T;
  sigmoid(x: T): T;
  relu(x: T): T;
  /** 1 where `x > 0`, else 0. */
  step(x: T): T;
  exp(x: T): T;
  log(x: T): T;
  /** `1 / √x`. */
  rsqrt(x: T): T;
  /** Over the last axis. */
  softmax(x: T): T;
  /** Over the last axis. */
  logSoftmax(x: T): T;
  /** Sum over one axis, which stays with size 1. */
  sum(x: T, axis: number): T;
  /** Mean over one axis, which stays with size 1. */
  mean(x: T, axis: number): T;
  /** `(x − mean) · rstd` over the last axis, with `rstd = 1 / √(variance + epsilon)` [..., 1]. */
  standardize(x: T, epsilon: number): { normalized: T; rstd: T };
  reshape(x: T, shape: readonly number[]): T;
  transpose(x: T, permutation: readonly number[]): T;
  concat(parts: readonly T[], axis: number): T;
  slice(x: T, begin: readonly number[], size: readonly number[]): T;
  broadcastTo(x: T, shape: readonly number[]): T;
}

/** A function of tensors, the same text for every engine. */
export type ProgramFunction = <T>(ops: Ops<T>, inputs: readonly T[]) => readonly T[];

/** A program bound to an engine; it is prepared once per set of input shapes. */
export interface Program {
  /** Runs it. Inputs are copied in; outputs are fresh. Throws {@linkcode Error} when an input's data does not fill its shape. */
  run(inputs: readonly (HostTensor | Frozen)[]): Promise<HostTensor[]>;
  /** Frees what was prepared. */
  dispose(): Promise<void>;
}

/** What runs programs. */
export interface Engine {
  /** As chosen with `--engine`: `onnx`, `wasm`, `cpu`, `webgpu`, `tensorflow`, `tensorflow-gpu`. */
  readonly name: string;
  /** What computes, in words, with versions: for people and for the report. */
  readonly device: string;
  /** Threads that it uses. */
  readonly threads: number;
  /** Hands frozen numbers to the engine, which may keep transposed or packed copies. */
  freeze(name: string, value: HostTensor): Frozen;
  /** Releases frozen numbers. */
  release(value: Frozen): void;
  /** Binds a function to this engine. `name` is for messages and graph names. */
  program(name: string, fn: ProgramFunction): Program;
  /** Tensors alive in the engine: flat over a long run. */
  tensorCount(): number;
  /** Operations dispatched so far on eager engines, new shapes of the same numbers not counted; 0 where a graph runs as one. */
  kernelCount(): number;
  /** Frees everything. */
  dispose(): Promise<void>;
}
