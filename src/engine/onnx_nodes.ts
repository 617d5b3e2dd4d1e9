/**
 * The parts of a graph that is being written: nodes in order, constants, and frozen tensors in external files.
 */
import { count } from "./host_tensor.ts";
import type { Graph, Initializer, Node, Port } from "./onnx_model.ts";
import type { Symbol } from "./onnx_symbol.ts";
import type { Frozen, HostTensor } from "./ops.ts";

/** A graph that is complete. */
export interface WrittenGraph {
  graph: Graph;
  /** What is in each external file that the graph names. */
  frozen: Map<string, Frozen>;
  /** Floating-point operations of the graph's matrix products: 2·m·n·k each. */
  flops: number;
}

/** Equal constants of up to this many numbers are written once. */
const MAX_COMPARED = 64;

/** Collects a graph's parts and gives them names. */
export class GraphNodes {
  #nodes: Node[] = [];
  #inputs: Port[] = [];
  #initializers: Initializer[] = [];
  /** Names of the constants in the message, by their content. */
  #constants = new Map<string, string>();
  #frozen = new Map<Frozen, Symbol>();
  #names = 0;
  #flops = 0;
  #batch?: number;

  /** @param batch a size that stands for any number of images, and of which no other size is a multiple */
  constructor({ batch }: { batch?: number } = {}) {
    this.#batch = batch;
  }

  /** A tensor with a new name, the output of a node that is still to be added. */
  symbol(shape: readonly number[]): Symbol {
    return { name: `v${this.#names++}`, shape };
  }

  /** The next input of the graph. */
  input(shape: readonly number[], { name = `in${this.#inputs.length}`, type }: Partial<Port> = {}): Symbol {
    this.#inputs.push({ name, shape: this.#open(shape), ...(type && { type }) });
    return { name, shape };
  }

  /** A shape as it is declared: the number of images is left open. */
  #open(shape: readonly number[]): (number | string)[] {
    return shape.map((size) => size === this.#batch ? "N" : size);
  }

  /** Adds a node. */
  push(node: Node): void {
    this.#nodes.push(node);
  }

  /** Adds a node with one output of the given shape. Operands are tensors, or names of integers. */
  emit(
    op: string,
    operands: readonly (Symbol | string)[],
    shape: readonly number[],
    more: Pick<Node, "attributes" | "domain"> = {},
  ): Symbol {
    const out = this.symbol(shape);
    const inputs = operands.map((x) => typeof x === "string" ? x : x.name);
    this.push({ op, inputs, outputs: [out.name], ...more });
    return out;
  }

  /** Counts a product of `rows` rows with a matrix [inner, columns]. */
  countProduct(rows: number, inner: number, columns: number): void {
    this.#flops += 2 * rows * inner * columns;
  }

  /** The name of a list of integers: a shape, axes, or ends of a slice. */
  integers(list: readonly number[]): string {
    const batch = this.#batch;
    const grows = (item: number) => batch !== undefined && item !== 0 && item % batch === 0;
    if (!list.some(grows)) {
      return this.#constant(`i:${list}`, (name) => ({ name, shape: [list.length], integers: list }));
    }
    let name = this.#computed.get(`${list}`);
    if (name === undefined) {
      const factors = this.integers(list.map((item) => grows(item) ? item / batch! : 0));
      const product = this.emit("Mul", [this.#batchSize(), factors], [list.length]);
      const others = this.integers(list.map((item) => grows(item) ? 0 : item));
      name = this.emit("Add", [product, others], [list.length]).name;
      this.#computed.set(`${list}`, name);
    }
    return name;
  }

  /** Lists of integers that depend on the number of images. */
  #computed = new Map<string, string>();

  /** How many images the first input has. */
  #batchSize(): string {
    let name = this.#computed.get("");
    if (name === undefined) {
      name = this.emit("Shape", [this.#inputs[0].name], [1], { attributes: { start: 0, end: 1 } }).name;
      this.#computed.set("", name);
    }
    return name;
  }

  /** A scalar. */
  number(value: number): Symbol {
    const name = this.#constant(`f:${value}`, (name) => ({ name, shape: [], floats: Float32Array.of(value) }));
    return { name, shape: [] };
  }

  /** The name of `size` ones. */
  ones(size: number): string {
    return this.#constant(`one:${size}`, (name) => ({ name, shape: [size], floats: new Float32Array(size).fill(1) }));
  }

  /** A tensor inside the message. */
  constant({ shape, data }: HostTensor): Symbol {
    // Bits, because 0 and −0 have the same text.
    const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
    const content = bits.length > MAX_COMPARED ? this.#names++ : bits.join();
    const name = this.#constant(`t:${shape}:${content}`, (name) => ({ name, shape, floats: data.slice() }));
    return { name, shape };
  }

  /** A tensor in an external file. */
  frozen(value: Frozen): Symbol {
    let symbol = this.#frozen.get(value);
    if (symbol === undefined) {
      symbol = { name: `w${this.#frozen.size}`, shape: value.shape };
      this.#frozen.set(value, symbol);
    }
    return symbol;
  }

  /** Ends the graph; outputs have the given names, or numbers. */
  finish(name: string, tensors: readonly Symbol[], names: readonly string[] = []): WrittenGraph {
    // Each output gets its own name, because a tensor may be an output twice, or an input as well.
    const outputs = tensors.map((tensor, i) => ({ name: names[i] ?? `out${i}`, shape: this.#open(tensor.shape) }));
    tensors.forEach((tensor, i) => this.push({ op: "Identity", inputs: [tensor.name], outputs: [outputs[i].name] }));
    const frozen = new Map([...this.#frozen].map(([value, { name }]) => [name, value]));
    const files = [...frozen].map(([name, { shape }]) => ({ name, shape, file: name, bytes: 4 * count(shape) }));
    const initializers = [...this.#initializers, ...files];
    return {
      graph: { name, nodes: this.#nodes, inputs: this.#inputs, outputs, initializers },
      frozen,
      flops: this.#flops,
    };
  }

  #constant(content: string, make: (name: string) => Initializer): string {
    const known = this.#constants.get(content);
    if (known !== undefined) return known;
    const name = `c${this.#constants.size}`;
    this.#initializers.push(make(name));
    this.#constants.set(content, name);
    return name;
  }
}
