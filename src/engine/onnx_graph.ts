/**
 * The algebra on symbols: calling a program with these tensors writes down an ONNX graph.
 *
 * A node costs time of its own, so reshapes are put off: a tensor of another shape remembers the tensor that it is made
 * from, and what works element by element or row by row works on that one. A reshape is written only where a node asks
 * for its shape.
 */
import type { Graph, Initializer, Node, Value } from "./onnx_model.ts";
import type { Frozen, HostTensor, Ops } from "./ops.ts";

/** A tensor that does not exist yet. Asking for its name writes it, when it is a reshape that was put off. */
export interface Symbol {
  readonly name: string;
  readonly shape: readonly number[];
  /** The tensor with the same numbers that is there already. */
  readonly root?: Symbol;
}

/** A graph that is being written, and what it holds of the engine. */
export interface GraphWriter {
  ops: Ops<Symbol>;
  input(shape: readonly number[]): Symbol;
  /** Ends the graph. `frozen` holds the numbers of each external file that it names. */
  finish(
    name: string,
    outputs: readonly Symbol[],
  ): {
    graph: Graph;
    frozen: Map<string, HostTensor>;
    /** Floating-point operations of the graph's matrix products: 2·m·n·k each. */
    flops: number;
  };
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
  let flops = 0;

  const fresh = (shape: readonly number[], hint = "v"): Symbol => ({ name: `${hint}${counter++}`, shape });

  function emit(
    op: string,
    operands: readonly (Symbol | string)[],
    shape: readonly number[],
    more: Pick<Node, "attributes" | "domain"> = {},
  ): Symbol {
    const out = fresh(shape);
    const names = operands.map((x) => typeof x === "string" ? x : x.name);
    nodes.push({ op, inputs: names, outputs: [out.name], ...more });
    return out;
  }

  const rootOf = (x: Symbol) => x.root ?? x;
  const width = (x: Symbol) => x.shape[x.shape.length - 1];
  /** Rows by width, where such a tensor is there already. */
  const flatOf = (x: Symbol): Symbol | undefined => {
    const root = rootOf(x);
    return root.shape.length === 2 && width(root) === width(x) ? root : undefined;
  };
  const flatten = (x: Symbol) => reshape(x, [count(x.shape) / width(x), width(x)]);

  /** Writes a node that works on each number by itself. */
  function elementwise(x: Symbol, write: (root: Symbol) => Symbol): Symbol {
    return reshape(write(rootOf(x)), x.shape);
  }

  /** Writes a node that works on each row of the last axis by itself. */
  function rowwise(x: Symbol, write: (x: Symbol) => Symbol): Symbol {
    // A reshape that has to be written anyway can as well be one to rows.
    const flat = x.root === undefined ? flatOf(x) : flatten(x);
    if (flat === undefined) return write(x);
    const y = write(flat);
    return reshape(y, [...x.shape.slice(0, -1), width(y)]);
  }

  function binary(op: string) {
    return (a: Symbol, b: Symbol): Symbol => {
      const shape = broadcastShape(a.shape, b.shape);
      const write = (x: Symbol, y: Symbol) => emit(op, [x, y], broadcastShape(x.shape, y.shape));
      if (same(a.shape, b.shape) && same(rootOf(a).shape, rootOf(b).shape)) {
        return reshape(write(rootOf(a), rootOf(b)), shape);
      }
      const areRows = a.shape.length > 1 && same(a.shape.slice(0, -1), b.shape.slice(0, -1));
      if (areRows && (flatOf(a) ?? flatOf(b)) !== undefined) return reshape(write(flatten(a), flatten(b)), shape);
      return write(a, b);
    };
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
  const unary = (op: string) => (x: Symbol) => elementwise(x, (root) => emit(op, [root], root.shape));
  const lastAxis = { attributes: { axis: -1 } };

  const views = new Map<Symbol, Map<string, Symbol>>();

  function reshape(x: Symbol, shape: readonly number[]): Symbol {
    if (count(shape) !== count(x.shape)) throw new Error(`Cannot reshape [${x.shape}] to [${shape}]`);
    const root = rootOf(x);
    if (same(shape, root.shape)) return root;
    let known = views.get(root);
    if (known === undefined) views.set(root, known = new Map());
    let view = known.get(shape.join());
    if (view === undefined) {
      let written: string | undefined;
      view = {
        shape,
        root,
        get name() {
          return written ??= emit("Reshape", [root, integers(shape)], shape).name;
        },
      };
      known.set(shape.join(), view);
    }
    return view;
  }

  function reduce(
    x: Symbol,
    axis: number,
    write: (y: Symbol, at: number, shape: readonly number[]) => Symbol,
  ): Symbol {
    const at = axisOf(x, axis);
    const along = (y: Symbol, at: number) => write(y, at, y.shape.map((size, i) => i === at ? 1 : size));
    return at === x.shape.length - 1 ? rowwise(x, (y) => along(y, y.shape.length - 1)) : along(x, at);
  }

  /** Rows times a frozen matrix [out, in], and a bias. */
  function gemm(x: Symbol, weight: Frozen, bias?: Frozen): Symbol {
    const [out, inner] = weight.shape;
    if (inner !== width(x)) throw new Error(`${weight.name} [${weight.shape}] does not fit rows of [${x.shape}]`);
    const flat = flatten(x);
    flops += 2 * flat.shape[0] * inner * out;
    const product = emit("Gemm", [flat, held(weight)], [flat.shape[0], out], { attributes: { transB: 1 } });
    // A node of its own for the bias: Gemm would copy it to all rows on one thread, before it starts.
    const y = bias === undefined ? product : emit("Add", [product, held(bias)], product.shape);
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
    linear: gemm,
    linearPullback(dy, weight) {
      const [out, inner] = weight.shape;
      if (width(dy) !== out) throw new Error(`${weight.name} [${weight.shape}] does not fit rows of [${dy.shape}]`);
      flops += 2 * count(dy.shape) * inner;
      return rowwise(dy, (x) => emit("MatMul", [x, held(weight)], [...x.shape.slice(0, -1), inner]));
    },
    matMul(a, b, { transposeA = false, transposeB = false } = {}) {
      const [m, k] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
      const [k2, n] = transposeB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
      if (k !== k2) throw new Error(`Cannot multiply [${a.shape}] and [${b.shape}]`);
      const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
      flops += 2 * count(shape) * k;
      if (!transposeA && !transposeB) return emit("MatMul", [a, b], shape);
      return emit("FusedMatMul", [a, b], shape, {
        domain: "com.microsoft",
        attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
      });
    },
    add: binary("Add"),
    sub: binary("Sub"),
    mul: binary("Mul"),
    scale: (x, factor) => elementwise(x, (root) => emit("Mul", [root, number(factor)], root.shape)),
    shift: (x, term) => elementwise(x, (root) => emit("Add", [root, number(term)], root.shape)),
    sigmoid: unary("Sigmoid"),
    relu: unary("Relu"),
    step: (x) => elementwise(x, (root) => emit("Sign", [emit("Relu", [root], root.shape)], root.shape)),
    exp: unary("Exp"),
    log: unary("Log"),
    rsqrt: (x) => elementwise(x, (root) => emit("Reciprocal", [emit("Sqrt", [root], root.shape)], root.shape)),
    softmax: (x) => rowwise(x, (rows) => emit("Softmax", [rows], rows.shape, lastAxis)),
    logSoftmax: (x) => rowwise(x, (rows) => emit("LogSoftmax", [rows], rows.shape, lastAxis)),
    sum: (x, axis) =>
      reduce(x, axis, (y, at, shape) => emit("ReduceSum", [y, integers([at])], shape, { attributes: { keepdims: 1 } })),
    mean: (x, axis) =>
      reduce(x, axis, (y, at, shape) => emit("ReduceMean", [y], shape, { attributes: { keepdims: 1, axes: [at] } })),
    standardize(x, epsilon) {
      const rows = flatOf(x) ?? x;
      const thin = [...rows.shape.slice(0, -1), 1];
      const [normalized, mean, rstd] = [fresh(rows.shape), fresh(thin), fresh(thin)];
      nodes.push({
        op: "LayerNormalization",
        inputs: [rows.name, ones(width(x))],
        outputs: [normalized.name, mean.name, rstd.name],
        attributes: { axis: -1, epsilon: { f: epsilon } },
      });
      return {
        normalized: reshape(normalized, x.shape),
        rstd: reshape(rstd, [...x.shape.slice(0, -1), 1]),
      };
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
      return { graph: { name, nodes, inputs, outputs: ends, initializers }, frozen: hosts, flops };
    },
  };
}
