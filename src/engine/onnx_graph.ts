/**
 * The algebra on symbols: calling a program with these tensors writes an ONNX graph.
 */
import { count } from "./host_tensor.ts";
import { GraphNodes, type WrittenGraph } from "./onnx_nodes.ts";
import { matrixOf, Reshapes } from "./onnx_reshape.ts";
import { axisOf, broadcastShape, sameShape, type Symbol, width, withWidth } from "./onnx_symbol.ts";
import type { Frozen, Ops } from "./ops.ts";

/** A graph that is being written. */
export interface GraphWriter {
  ops: Ops<Symbol>;
  input(shape: readonly number[]): Symbol;
  /** Ends the graph. */
  finish(name: string, outputs: readonly Symbol[]): WrittenGraph;
}

/** Starts a graph. */
export function writeGraph(): GraphWriter {
  const nodes = new GraphNodes();
  return {
    ops: symbolicOps(nodes),
    input: (shape) => nodes.input(shape),
    finish: (name, outputs) => nodes.finish(name, outputs),
  };
}

/** The algebra that writes nodes; `portable` keeps it to the operations of ONNX itself. */
export function symbolicOps(nodes: GraphNodes, { portable = false }: { portable?: boolean } = {}): Ops<Symbol> {
  const reshapes = new Reshapes(nodes);
  return {
    shape: (x) => x.shape,
    constant: (value) => nodes.constant(value),
    frozen: (value) => nodes.frozen(value),
    ...products(nodes, reshapes, portable),
    ...elementwise(nodes, reshapes),
    ...alongAxes(nodes, reshapes),
    ...layouts(nodes, reshapes),
  };
}

/** Matrix products. */
function products(
  nodes: GraphNodes,
  reshapes: Reshapes,
  portable: boolean,
): Pick<Ops<Symbol>, "linear" | "linearPullback" | "matMul"> {
  return {
    linear(x, weight, bias) {
      const [columns, inner] = weight.shape;
      assertWidth(x, weight, inner);
      const rows = reshapes.flatten(x);
      nodes.countProduct(rows.shape[0], inner, columns);
      const shape = [rows.shape[0], columns];
      const product = nodes.emit("Gemm", [rows, nodes.frozen(weight)], shape, { attributes: { transB: 1 } });
      // The bias is added by a separate node, because Gemm first copies it to all rows on one thread.
      const y = bias === undefined ? product : nodes.emit("Add", [product, nodes.frozen(bias)], shape);
      return reshapes.reshape(y, withWidth(x.shape, columns));
    },
    linearPullback(dy, weight) {
      const [inner, columns] = weight.shape;
      assertWidth(dy, weight, inner);
      nodes.countProduct(count(dy.shape) / inner, inner, columns);
      return reshapes.rowwise(
        dy,
        (rows) => nodes.emit("MatMul", [rows, nodes.frozen(weight)], withWidth(rows.shape, columns)),
      );
    },
    matMul(a, b, { transposeA = false, transposeB = false } = {}) {
      const [rows, inner] = matrixShape(a, transposeA);
      const [innerB, columns] = matrixShape(b, transposeB);
      if (inner === undefined || inner !== innerB) throw new Error(`Cannot multiply [${a.shape}] and [${b.shape}]`);
      const batches = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
      const shape = [...batches, rows, columns];
      nodes.countProduct(count(batches) * rows, inner, columns);
      if (portable) {
        const [left, right] = [transposeA ? transposed(nodes, a) : a, transposeB ? transposed(nodes, b) : b];
        return nodes.emit("MatMul", [left, right], shape);
      }
      if (!transposeA && !transposeB) return nodes.emit("MatMul", [a, b], shape);
      return nodes.emit("FusedMatMul", [a, b], shape, {
        domain: "com.microsoft",
        attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
      });
    },
  };
}

/** Rows and columns exchanged. */
function transposed(nodes: GraphNodes, x: Symbol): Symbol {
  const axes = x.shape.map((_, axis) => axis);
  const perm = [...axes.slice(0, -2), ...axes.slice(-2).reverse()];
  return nodes.emit("Transpose", [x], perm.map((axis) => x.shape[axis]), { attributes: { perm } });
}

function assertWidth(x: Symbol, weight: Frozen, wanted: number): void {
  if (width(x) !== wanted) throw new Error(`${weight.name} [${weight.shape}] does not fit rows of [${x.shape}]`);
}

/** Rows and columns in the last two axes; empty when there is only one axis. */
function matrixShape({ shape }: Symbol, transposed: boolean): number[] {
  if (shape.length < 2) return [];
  const [rows, columns] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

/** Operations on single numbers. */
function elementwise(nodes: GraphNodes, reshapes: Reshapes): Pick<
  Ops<Symbol>,
  "add" | "sub" | "mul" | "scale" | "shift" | "sigmoid" | "erf" | "relu" | "step" | "exp" | "log" | "rsqrt"
> {
  const binary = (op: string) => (a: Symbol, b: Symbol) =>
    reshapes.pairwise(a, b, (a, b) => nodes.emit(op, [a, b], broadcastShape(a.shape, b.shape)));
  const withNumber = (op: string) => (x: Symbol, value: number) =>
    reshapes.elementwise(x, (x) => nodes.emit(op, [x, nodes.number(value)], x.shape));
  /** One node after the other. */
  const chain = (...chained: string[]) => (x: Symbol) =>
    reshapes.elementwise(x, (x) => chained.reduce((y, op) => nodes.emit(op, [y], y.shape), x));
  return {
    add: binary("Add"),
    sub: binary("Sub"),
    mul: binary("Mul"),
    scale: withNumber("Mul"),
    shift: withNumber("Add"),
    sigmoid: chain("Sigmoid"),
    erf: chain("Erf"),
    relu: chain("Relu"),
    step: chain("Relu", "Sign"),
    exp: chain("Exp"),
    log: chain("Log"),
    rsqrt: chain("Sqrt", "Reciprocal"),
  };
}

/** Operations along one axis. */
function alongAxes(
  nodes: GraphNodes,
  reshapes: Reshapes,
): Pick<Ops<Symbol>, "softmax" | "logSoftmax" | "sum" | "mean" | "standardize"> {
  const alongRows = (op: string) => (x: Symbol) =>
    reshapes.rowwise(x, (rows) => nodes.emit(op, [rows], rows.shape, { attributes: { axis: -1 } }));
  /** The reduced axis is kept with size 1. */
  const reduce = (write: (y: Symbol, axis: number, shape: number[]) => Symbol) => (x: Symbol, axis: number) => {
    const at = axisOf(x, axis);
    const along = (y: Symbol, axis: number) => write(y, axis, y.shape.with(axis, 1));
    return at === x.shape.length - 1 ? reshapes.rowwise(x, (y) => along(y, y.shape.length - 1)) : along(x, at);
  };
  return {
    softmax: alongRows("Softmax"),
    logSoftmax: alongRows("LogSoftmax"),
    sum: reduce((y, axis, shape) =>
      nodes.emit("ReduceSum", [y, nodes.integers([axis])], shape, { attributes: { keepdims: 1 } })
    ),
    mean: reduce((y, axis, shape) =>
      nodes.emit("ReduceMean", [y], shape, { attributes: { keepdims: 1, axes: [axis] } })
    ),
    standardize(x, epsilon) {
      const rows = matrixOf(x) ?? x;
      const thin = withWidth(rows.shape, 1);
      const [normalized, mean, rstd] = [rows.shape, thin, thin].map((shape) => nodes.symbol(shape));
      nodes.push({
        op: "LayerNormalization",
        inputs: [rows.name, nodes.ones(width(x))],
        outputs: [normalized.name, mean.name, rstd.name],
        attributes: { axis: -1, epsilon: { f: epsilon } },
      });
      return {
        normalized: reshapes.reshape(normalized, x.shape),
        rstd: reshapes.reshape(rstd, withWidth(x.shape, 1)),
      };
    },
  };
}

/** Operations that only move numbers. */
function layouts(
  nodes: GraphNodes,
  reshapes: Reshapes,
): Pick<Ops<Symbol>, "reshape" | "transpose" | "concat" | "slice" | "broadcastTo"> {
  return {
    reshape: (x, shape) => reshapes.reshape(x, shape),
    transpose(x, permutation) {
      if (permutation.every((axis, i) => axis === i)) return x;
      const shape = permutation.map((axis) => x.shape[axis]);
      return nodes.emit("Transpose", [x], shape, { attributes: { perm: permutation } });
    },
    concat(parts, axis) {
      if (parts.length === 1) return parts[0];
      const at = axisOf(parts[0], axis);
      const size = parts.reduce((sum, part) => sum + part.shape[at], 0);
      return nodes.emit("Concat", parts, parts[0].shape.with(at, size), { attributes: { axis: at } });
    },
    slice(x, begin, size) {
      if (sameShape(size, x.shape)) return x;
      const end = begin.map((from, i) => from + size[i]);
      return nodes.emit("Slice", [x, nodes.integers(begin), nodes.integers(end)], size);
    },
    broadcastTo(x, shape) {
      if (sameShape(x.shape, shape)) return x;
      return nodes.emit("Expand", [x, nodes.integers(shape)], shape);
    },
  };
}
