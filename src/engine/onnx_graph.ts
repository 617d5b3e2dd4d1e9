/**
 * The algebra on symbols: calling a program with these tensors writes down an ONNX graph.
 */
import type { Graph, Initializer, Node, Value } from "./onnx_model.ts";
import type { Frozen, HostTensor, Ops } from "./ops.ts";

/** A tensor that does not exist yet. */
export interface Symbol {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A graph that is being written, and what it holds of the engine. */
export interface GraphWriter {
  ops: Ops<Symbol>;
  input(shape: readonly number[]): Symbol;
  /** Ends the graph. `frozen` holds the numbers of each external file that it names. */
  finish(name: string, outputs: readonly Symbol[]): { graph: Graph; frozen: Map<string, HostTensor> };
}

/** The shape of two shapes broadcast together, as NumPy does. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new Error(`Shapes [${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** Starts a graph. `hostOf` gives the numbers of a frozen tensor. */
export function writeGraph(hostOf: (value: Frozen) => HostTensor): GraphWriter {
  const nodes: Node[] = [];
  const inputs: Value[] = [];
  const initializers: Initializer[] = [];
  const frozen = new Map<Frozen, Symbol>();
  const shared = new Map<string, string>();
  let counter = 0;

  const fresh = (shape: readonly number[], hint = "v"): Symbol => ({ name: `${hint}${counter++}`, shape });

  function emit(
    op: string,
    operands: readonly (Symbol | string)[],
    shape: readonly number[],
    more: Pick<Node, "attributes" | "domain"> = {},
  ): Symbol {
    const out = fresh(shape);
    nodes.push({ op, inputs: operands.map((x) => typeof x === "string" ? x : x.name), outputs: [out.name], ...more });
    return out;
  }

  /** Numbers in the message, once for each content. */
  function written(key: string, make: (name: string) => Initializer): string {
    const found = shared.get(key);
    if (found !== undefined) return found;
    const name = `c${shared.size}`;
    initializers.push(make(name));
    shared.set(key, name);
    return name;
  }

  const integers = (list: readonly number[]) =>
    written(`i:${list}`, (name) => ({ name, shape: [list.length], integers: list }));
  const number = (value: number): Symbol => ({
    name: written(`f:${value}`, (name) => ({ name, shape: [], floats: Float32Array.of(value) })),
    shape: [],
  });
  const ones = (size: number) =>
    written(`one:${size}`, (name) => ({ name, shape: [size], floats: new Float32Array(size).fill(1) }));

  function held(value: Frozen): Symbol {
    let symbol = frozen.get(value);
    if (symbol === undefined) frozen.set(value, symbol = { name: `w${frozen.size}`, shape: value.shape });
    return symbol;
  }

  const axisOf = (x: Symbol, axis: number) => axis < 0 ? axis + x.shape.length : axis;
  const unary = (op: string) => (x: Symbol) => emit(op, [x], x.shape);
  const binary = (op: string) => (a: Symbol, b: Symbol) => emit(op, [a, b], broadcastShape(a.shape, b.shape));
  const lastAxis = { attributes: { axis: -1 } };

  function reshape(x: Symbol, shape: readonly number[]): Symbol {
    if (count(shape) !== count(x.shape)) throw new Error(`Cannot reshape [${x.shape}] to [${shape}]`);
    return same(shape, x.shape) ? x : emit("Reshape", [x, integers(shape)], shape);
  }

  /** Rows times a frozen matrix, in Gemm's orientation. */
  function gemm(x: Symbol, weight: Frozen, options: { transB: number; bias?: Frozen }): Symbol {
    const width = x.shape[x.shape.length - 1];
    const [out, inner] = options.transB ? weight.shape : [weight.shape[1], weight.shape[0]];
    if (inner !== width) throw new Error(`${weight.name} [${weight.shape}] does not fit rows of [${x.shape}]`);
    const rows = count(x.shape) / width;
    const operands = [reshape(x, [rows, width]), held(weight)];
    if (options.bias !== undefined) operands.push(held(options.bias));
    const y = emit("Gemm", operands, [rows, out], { attributes: { transB: options.transB } });
    return reshape(y, [...x.shape.slice(0, -1), out]);
  }

  const ops: Ops<Symbol> = {
    shape: (x) => x.shape,
    constant(value) {
      const bytes = new Uint32Array(value.data.buffer, value.data.byteOffset, value.data.length);
      const key = `t:${value.shape}:${bytes.length > 64 ? counter++ : bytes.join()}`;
      const name = written(key, (name) => ({ name, shape: value.shape, floats: value.data.slice() }));
      return { name, shape: value.shape };
    },
    frozen: held,
    linear: (x, weight, bias) => gemm(x, weight, { transB: 1, bias }),
    linearPullback: (dy, weight) => gemm(dy, weight, { transB: 0 }),
    matMul(a, b, { transposeA = false, transposeB = false } = {}) {
      const [m, k] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
      const [k2, n] = transposeB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
      if (k !== k2) throw new Error(`Cannot multiply [${a.shape}] and [${b.shape}]`);
      const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
      if (!transposeA && !transposeB) return emit("MatMul", [a, b], shape);
      return emit("FusedMatMul", [a, b], shape, {
        domain: "com.microsoft",
        attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
      });
    },
    add: binary("Add"),
    sub: binary("Sub"),
    mul: binary("Mul"),
    scale: (x, factor) => emit("Mul", [x, number(factor)], x.shape),
    shift: (x, term) => emit("Add", [x, number(term)], x.shape),
    sigmoid: unary("Sigmoid"),
    relu: unary("Relu"),
    step: (x) => emit("Sign", [emit("Relu", [x], x.shape)], x.shape),
    exp: unary("Exp"),
    log: unary("Log"),
    rsqrt: (x) => emit("Reciprocal", [emit("Sqrt", [x], x.shape)], x.shape),
    softmax: (x) => emit("Softmax", [x], x.shape, lastAxis),
    logSoftmax: (x) => emit("LogSoftmax", [x], x.shape, lastAxis),
    sum(x, axis) {
      const at = axisOf(x, axis);
      return emit("ReduceSum", [x, integers([at])], x.shape.map((size, i) => i === at ? 1 : size), {
        attributes: { keepdims: 1 },
      });
    },
    mean(x, axis) {
      const at = axisOf(x, axis);
      return emit("ReduceMean", [x], x.shape.map((size, i) => i === at ? 1 : size), {
        attributes: { keepdims: 1, axes: [at] },
      });
    },
    standardize(x, epsilon) {
      const thin = [...x.shape.slice(0, -1), 1];
      const [normalized, mean, rstd] = [fresh(x.shape), fresh(thin), fresh(thin)];
      nodes.push({
        op: "LayerNormalization",
        inputs: [x.name, ones(x.shape[x.shape.length - 1])],
        outputs: [normalized.name, mean.name, rstd.name],
        attributes: { axis: -1, epsilon: { f: epsilon } },
      });
      return { normalized, rstd };
    },
    reshape,
    transpose(x, permutation) {
      if (permutation.every((axis, i) => axis === i)) return x;
      return emit("Transpose", [x], permutation.map((axis) => x.shape[axis]), { attributes: { perm: permutation } });
    },
    concat(parts, axis) {
      if (parts.length === 1) return parts[0];
      const at = axisOf(parts[0], axis);
      const shape = [...parts[0].shape];
      shape[at] = parts.reduce((sum, part) => sum + part.shape[at], 0);
      return emit("Concat", parts, shape, { attributes: { axis: at } });
    },
    slice(x, begin, size) {
      if (same(size, x.shape)) return x;
      const end = begin.map((from, i) => from + size[i]);
      return emit("Slice", [x, integers(begin), integers(end)], size);
    },
    broadcastTo(x, shape) {
      if (same(x.shape, shape)) return x;
      return emit("Expand", [x, integers(shape)], shape);
    },
  };

  return {
    ops,
    input(shape) {
      const symbol = { name: `in${inputs.length}`, shape };
      inputs.push(symbol);
      return symbol;
    },
    finish(name, outputs) {
      // Outputs get names of their own: the same tensor may be asked for twice, or be an input.
      const ends = outputs.map((output, i): Value => {
        nodes.push({ op: "Identity", inputs: [output.name], outputs: [`out${i}`] });
        return { name: `out${i}`, shape: output.shape };
      });
      const hosts = new Map<string, HostTensor>();
      for (const [value, symbol] of frozen) {
        const host = hostOf(value);
        initializers.push({ ...symbol, file: symbol.name, bytes: host.data.byteLength });
        hosts.set(symbol.name, host);
      }
      return { graph: { name, nodes, inputs, outputs: ends, initializers }, frozen: hosts };
    },
  };
}
