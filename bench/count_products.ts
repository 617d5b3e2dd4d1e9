/**
 * Counts the floating-point operations of the matrix products that programs really do, 2·m·n·k each: what an exact saving
 * leaves out is not counted as work done, nor are zeros that only fill up rows.
 */
import { hiddenWidth } from "../src/clip/block_weights.ts";
import type { AttentionRows, Engine, HoldingProgram, Ops, Program, ProgramFunction } from "../src/engine/ops.ts";

/** An engine whose programs are counted. */
export interface CountedEngine {
  engine: Engine;
  /** Floating-point operations of all runs so far. */
  flops(): number;
}

const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);

/**
 * Counts all programs that are made with the engine that comes back, and run one after the other. `perceptrons` are
 * the published widths of the towers that run, which may be filled up with zeros in memory.
 */
export function countProducts(engine: Engine, perceptrons: readonly number[]): CountedEngine {
  const counted = (width: number) => perceptrons.find((published) => width === hiddenWidth(published)) ?? width;
  let traced = 0;
  let flops = 0;
  const counting = <T>(ops: Ops<T>): Ops<T> => {
    // Every product has one entry of its result for each `k` products of numbers.
    const add = (result: T, inner: number): T => {
      const shape = ops.shape(result);
      traced += 2 * size(shape.slice(0, -1)) * counted(shape.at(-1)!) * counted(inner);
      return result;
    };
    /** What attention does is the same whether it is one kernel or many products. */
    const attended = ({ query, key, shared }: AttentionRows<T>, products: number): void => {
      const [[Q, N], [L]] = [ops.shape(query.of), ops.shape(key.of)];
      const X = shared === undefined ? 0 : ops.shape(shared.keys)[0];
      traced += products * 2 * Q * N * (X + L) * key.count;
    };
    const { kernels } = ops;
    return {
      ...ops,
      ...(kernels && {
        kernels: {
          ...kernels,
          attention(rows) {
            attended(rows, 2);
            return kernels.attention(rows);
          },
          attentionScores(rows, dAttended) {
            attended(rows, 1);
            return kernels.attentionScores(rows, dAttended);
          },
          attentionPullback(rows, at) {
            attended(rows, { query: 1, keyValue: 2, queryKeyValue: 3 }[at.parts]);
            return kernels.attentionPullback(rows, at);
          },
        },
      }),
      linear: (x, weight, bias) => add(ops.linear(x, weight, bias), weight.shape[1]),
      linearPullback: (dy, weight) => add(ops.linearPullback(dy, weight), weight.shape[0]),
      matMul: (a, b, options: { transposeA?: boolean; transposeB?: boolean } = {}) =>
        add(ops.matMul(a, b, options), ops.shape(a).at(options.transposeA ? -2 : -1)!),
    };
  };
  const byShapes = (fn: ProgramFunction) => {
    const counts = new Map<string, number>();
    return {
      fn: <T>(ops: Ops<T>, inputs: readonly T[]) => fn(counting(ops), inputs),
      async run<I extends { readonly shape: readonly number[] }, R>(
        inputs: readonly I[],
        run: (inputs: readonly I[]) => Promise<R>,
      ): Promise<R> {
        const key = inputs.map(({ shape }) => shape.join("x")).join();
        const before = traced;
        const outputs = await run(inputs);
        // An engine that compiles calls the function once for each set of shapes.
        if (traced > before) counts.set(key, traced - before);
        flops += counts.get(key) ?? 0;
        return outputs;
      },
    };
  };
  function program(name: string, fn: ProgramFunction, options?: { shapes?: number }): Program {
    const own = byShapes(fn);
    const inner = engine.program(name, own.fn, options);
    return { ...inner, run: (inputs) => own.run(inputs, inner.run) };
  }
  const { memory } = engine;
  function holding(name: string, fn: ProgramFunction): HoldingProgram {
    const own = byShapes(fn);
    const inner = memory!.program(name, own.fn);
    return { ...inner, run: (inputs) => own.run(inputs, inner.run) };
  }
  return {
    engine: { ...engine, program, ...(memory && { memory: { ...memory, program: holding } }) },
    flops: () => flops,
  };
}
