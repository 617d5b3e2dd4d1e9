/**
 * Reshapes that are written as late as possible, because every node costs time.
 *
 * A reshaped tensor keeps its root, the tensor that it is reshaped from. Operations on single numbers or rows use the
 * root and reshape only the result. The reshape is written when a node reads the tensor's name.
 */
import { count } from "./host_tensor.ts";
import type { GraphNodes } from "./onnx_nodes.ts";
import { broadcastShape, sameShape, type Symbol, width, withWidth } from "./onnx_symbol.ts";

const rootOf = (x: Symbol): Symbol => x.root ?? x;

/** The root if it is the matrix of the tensor's rows; otherwise undefined. */
export function matrixOf(x: Symbol): Symbol | undefined {
  const root = rootOf(x);
  return root.shape.length === 2 && width(root) === width(x) ? root : undefined;
}

/** Whether two tensors have the same shape apart from the last axis. */
function sameRows(a: Symbol, b: Symbol): boolean {
  return a.shape.length > 1 && sameShape(a.shape.slice(0, -1), b.shape.slice(0, -1));
}

/** The reshapes of one graph. */
export class Reshapes {
  #nodes: GraphNodes;
  /** Reshaped tensors by their root and then by their shape. */
  #known = new Map<Symbol, Map<string, Symbol>>();

  constructor(nodes: GraphNodes) {
    this.#nodes = nodes;
  }

  /** The same numbers in another shape. */
  reshape(x: Symbol, shape: readonly number[]): Symbol {
    if (count(shape) !== count(x.shape)) throw new Error(`Cannot reshape [${x.shape}] to [${shape}]`);
    const root = rootOf(x);
    if (sameShape(shape, root.shape)) return root;
    let shapes = this.#known.get(root);
    if (shapes === undefined) this.#known.set(root, shapes = new Map());
    const key = shape.join();
    let reshaped = shapes.get(key);
    if (reshaped === undefined) shapes.set(key, reshaped = this.#putOff(root, shape));
    return reshaped;
  }

  #putOff(root: Symbol, shape: readonly number[]): Symbol {
    const nodes = this.#nodes;
    let name: string | undefined;
    return {
      shape,
      root,
      get name() {
        return name ??= nodes.emit("Reshape", [root, nodes.integers(shape)], shape).name;
      },
    };
  }

  /** The matrix of the tensor's rows. */
  flatten(x: Symbol): Symbol {
    return this.reshape(x, [count(x.shape) / width(x), width(x)]);
  }

  /** Writes nodes that work on single numbers. */
  elementwise(x: Symbol, write: (x: Symbol) => Symbol): Symbol {
    return this.reshape(write(rootOf(x)), x.shape);
  }

  /** Writes nodes that work on single rows of the last axis. */
  rowwise(x: Symbol, write: (x: Symbol) => Symbol): Symbol {
    // If the reshape has to be written anyway, it can as well be the one to a matrix.
    const rows = x.root === undefined ? matrixOf(x) : this.flatten(x);
    if (rows === undefined) return write(x);
    const y = write(rows);
    return this.reshape(y, withWidth(x.shape, width(y)));
  }

  /** Writes a node with two operands that broadcast. */
  pairwise(a: Symbol, b: Symbol, write: (a: Symbol, b: Symbol) => Symbol): Symbol {
    const shape = broadcastShape(a.shape, b.shape);
    if (sameShape(a.shape, b.shape) && sameShape(rootOf(a).shape, rootOf(b).shape)) {
      return this.reshape(write(rootOf(a), rootOf(b)), shape);
    }
    if (sameRows(a, b) && (matrixOf(a) ?? matrixOf(b)) !== undefined) {
      return this.reshape(write(this.flatten(a), this.flatten(b)), shape);
    }
    return write(a, b);
  }
}
