/**
 * Writes ONNX models: the few protobuf messages that a graph of float32 tensors needs (onnx/onnx.proto3).
 *
 * For an engine, frozen numbers stay outside the message, as external data passed in memory, so that a model of any size stays below
 * protobuf's 2 GiB and is not copied while it is written.
 */
import { Buffer } from "node:buffer";

/** The value of a node's attribute: a float (`{ f }`), an integer, or a list of integers. */
export type Attribute = number | readonly number[] | { f: number };

/** One operation. */
export interface Node {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Record<string, Attribute>;
  /** `com.microsoft` for ONNX Runtime's own operations. */
  domain?: string;
}

/** A named tensor of known shape. */
export interface Value {
  name: string;
  shape: readonly number[];
}

/** An input or an output: float32 unless it is of bytes. A size can be a name, which stands for any number. */
export interface Port {
  name: string;
  shape: readonly (number | string)[];
  type?: "uint8";
}

/** A frozen tensor: numbers in the message, or `bytes` bytes of an external file. */
export type Initializer =
  & Value
  & ({ floats: Float32Array } | { integers: readonly number[] } | { file: string; bytes: number });

/** A whole graph. */
export interface Graph {
  name: string;
  nodes: readonly Node[];
  inputs: readonly Port[];
  outputs: readonly Port[];
  initializers: readonly Initializer[];
  /** Texts that go with the model. */
  metadata?: Readonly<Record<string, string>>;
}

const FLOAT = 1;
const UINT8 = 2;
const INT64 = 7;

/** Bytes from which on a part is handed on as it is, and not copied into the message around it. */
const LARGE = 1 << 16;

/** A protobuf message that is being encoded. */
class Message {
  #parts: Uint8Array[] = [];
  #length = 0;

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  #varint(value: number | bigint): void {
    let left = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    do {
      const low = Number(left & 127n);
      left >>= 7n;
      out.push(left > 0n ? low | 128 : low);
    } while (left > 0n);
    this.#add(Uint8Array.from(out));
  }

  integer(field: number, value: number): this {
    this.#varint(field << 3);
    this.#varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.#varint(field << 3 | 5);
    this.#add(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(field << 3 | 2);
    this.#varint(value.length);
    this.#add(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    this.#varint(field << 3 | 2);
    this.#varint(value.#length);
    for (const part of value.parts()) this.#add(part);
    return this;
  }

  /** The bytes, one part after the other. */
  parts(): Uint8Array[] {
    return this.#length < LARGE ? [Buffer.concat(this.#parts)] : this.#parts;
  }
}

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === "number") return message.integer(3, value).integer(20, 2);
  if ("f" in value) return message.float(2, value.f).integer(20, 1);
  value.forEach((item) => message.integer(8, item));
  return message.integer(20, 7);
}

function nodeMessage(node: Node): Message {
  const message = new Message();
  node.inputs.forEach((input) => message.text(1, input));
  node.outputs.forEach((output) => message.text(2, output));
  message.text(4, node.op);
  Object.entries(node.attributes ?? {}).forEach(([name, value]) => message.message(5, attributeMessage(name, value)));
  if (node.domain !== undefined) message.text(7, node.domain);
  return message;
}

function initializerMessage(value: Initializer): Message {
  const message = new Message();
  value.shape.forEach((size) => message.integer(1, size));
  message.integer(2, "integers" in value ? INT64 : FLOAT).text(8, value.name);
  if ("integers" in value) {
    message.bytes(9, new Uint8Array(BigInt64Array.from(value.integers, BigInt).buffer));
  } else if ("floats" in value) {
    message.bytes(9, new Uint8Array(value.floats.buffer, value.floats.byteOffset, value.floats.byteLength));
  } else {
    const entry = (key: string, text: string) => new Message().text(1, key).text(2, text);
    message.message(13, entry("location", value.file));
    message.message(13, entry("offset", "0"));
    message.message(13, entry("length", String(value.bytes)));
    message.integer(14, 1);
  }
  return message;
}

function portMessage(port: Port): Message {
  const shape = new Message();
  for (const size of port.shape) {
    shape.message(1, typeof size === "string" ? new Message().text(2, size) : new Message().integer(1, size));
  }
  const tensor = new Message().integer(1, port.type === "uint8" ? UINT8 : FLOAT).message(2, shape);
  return new Message().text(1, port.name).message(2, new Message().message(1, tensor));
}

/** The model as bytes: IR version 8, opset 17, with ONNX Runtime's own operations at version 1 where there are any. */
export function onnxModel(graph: Graph): Uint8Array {
  return Buffer.concat(onnxParts(graph));
}

/** {@linkcode onnxModel} in parts, so that a large one is not copied before it is written. */
export function onnxParts(graph: Graph): Uint8Array[] {
  const message = new Message();
  graph.nodes.forEach((node) => message.message(1, nodeMessage(node)));
  message.text(2, graph.name);
  graph.initializers.forEach((value) => message.message(5, initializerMessage(value)));
  graph.inputs.forEach((port) => message.message(11, portMessage(port)));
  graph.outputs.forEach((port) => message.message(12, portMessage(port)));
  const opset = (domain: string, version: number) => new Message().text(1, domain).integer(2, version);
  const model = new Message().integer(1, 8).message(7, message).message(8, opset("", 17));
  if (graph.nodes.some(({ domain }) => domain !== undefined)) model.message(8, opset("com.microsoft", 1));
  for (const [key, text] of Object.entries(graph.metadata ?? {})) {
    model.message(14, new Message().text(1, key).text(2, text));
  }
  return model.parts();
}
