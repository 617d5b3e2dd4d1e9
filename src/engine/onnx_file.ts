/** A function of images as an ONNX model of its own, for other programs: its numbers are inside, and any number of images goes in. */
import { type Graph, onnxParts } from "./onnx_model.ts";
import { symbolicOps } from "./onnx_graph.ts";
import { GraphNodes } from "./onnx_nodes.ts";
import type { Symbol } from "./onnx_symbol.ts";
import type { Frozen, HostTensor, TensorFunction } from "./ops.ts";

/** Images as a model takes them: bytes [N, size, size, 3], red, green and blue. */
export interface ByteImages {
  /** Edge in pixels. */
  size: number;
  /** Edge of a patch. */
  patch: number;
  /** What is taken from each channel, and what the rest is divided by, after bytes were divided by 255. */
  mean: readonly number[];
  deviation: readonly number[];
}

/** Sizes that stand for the number of images: primes of which no size of a model is a multiple. */
const [BATCH, OTHER_BATCH] = [10_007, 10_009];

/** Bytes of a protobuf message at the most. */
export const MOST_BYTES = 2 ** 31 - 1;

/**
 * The model that gives `output` [N, …] of `images` [N, size, size, 3]: the bytes are normalised and cut into patches
 * [N, grid², 3·patch²], and `fn` does the rest. `numbers` gives those of frozen tensors.
 */
export function onnxFile(fn: TensorFunction, options: {
  name: string;
  images: ByteImages;
  output: string;
  metadata: Readonly<Record<string, string>>;
  numbers(value: Frozen): HostTensor;
}): Uint8Array[] {
  const [graph, other] = [BATCH, OTHER_BATCH].map((batch) => written(fn, options, batch));
  // What depends on the number of images in another way than in a size would be wrong for all other numbers.
  if (outline(graph) !== outline(other)) throw new Error(`The graph ${options.name} depends on the number of images`);
  return onnxParts({ ...graph, metadata: options.metadata });
}

function written(fn: TensorFunction, options: Parameters<typeof onnxFile>[1], batch: number): Graph {
  const { name, images, output, numbers } = options;
  const nodes = new GraphNodes({ batch });
  const ops = symbolicOps(nodes, { portable: true });
  const { graph, frozen } = nodes.finish(name, [fn(ops, patches(nodes, images, batch))], [output]);
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const initializers = graph.initializers.filter(({ name }) => used.has(name)).map((value) =>
    "file" in value ? { name: value.name, shape: value.shape, floats: numbers(frozen.get(value.file)!).data } : value
  );
  return { ...graph, initializers };
}

/** Bytes as the tower sees them, to the bit as torchvision computes it. */
function patches(nodes: GraphNodes, { size, patch, mean, deviation }: ByteImages, N: number): Symbol {
  const shape = [N, size, size, 3];
  const bytes = nodes.input(shape, { name: "images", type: "uint8" });
  const FLOAT = 1;
  const each = (values: readonly number[]) => nodes.constant({ shape: [3], data: Float32Array.from(values) });
  const steps: [string, Symbol][] = [["Div", nodes.number(255)], ["Sub", each(mean)], ["Div", each(deviation)]];
  const pixels = steps.reduce(
    (x, [op, value]) => nodes.emit(op, [x, value], shape),
    nodes.emit("Cast", [bytes], shape, { attributes: { to: FLOAT } }),
  );
  const grid = size / patch;
  const cut = [N, grid, patch, grid, patch, 3];
  const perm = [0, 1, 3, 5, 2, 4];
  const inCells = nodes.emit("Reshape", [pixels, nodes.integers(cut)], cut);
  const inOrder = nodes.emit("Transpose", [inCells], perm.map((axis) => cut[axis]), { attributes: { perm } });
  const rows = [N, grid * grid, 3 * patch * patch];
  return nodes.emit("Reshape", [inOrder, nodes.integers(rows)], rows);
}

/** Everything of a graph but the numbers of large tensors, which are frozen and the same. */
function outline({ nodes, inputs, outputs, initializers }: Graph): string {
  const values = initializers.map((value) =>
    "floats" in value ? { ...value, floats: [...value.floats.subarray(0, 4096)] } : value
  );
  return JSON.stringify({ nodes, inputs, outputs, values });
}
