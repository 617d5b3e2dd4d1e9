/**
 * Writes archives as PyTorch does, `torch.save` and `torch.jit.save`, of any size: one tensor at a time is in memory.
 * For tests and timing, so that neither needs PyTorch.
 */
import { crc32 } from "node:zlib";
import { type Dtype, DTYPE_BYTES } from "../src/clip/weights/dtype.ts";

/** A tensor: its numbers as bytes of the file. */
export interface ArchiveTensor {
  dtype: Dtype;
  shape: readonly number[];
  /** Steps along the axes; row-major when not given. */
  strides?: readonly number[];
  /** Of the storage; made when its turn comes. */
  bytes(): Uint8Array;
  /** Numbers of the storage; as many as the shape says when not given. */
  count?: number;
  /** Of the first number in the storage. */
  start?: number;
}

/** What a pickle is made of. */
export type Pickled =
  | null
  | boolean
  | number
  | string
  | readonly Pickled[]
  | Map<Pickled, Pickled>
  | { tuple: readonly Pickled[] }
  | { global: string }
  | { call: string; args: readonly Pickled[]; state?: Pickled }
  | { object: string; state: Map<Pickled, Pickled> }
  | { persistent: Pickled };

const STORAGES: Partial<Record<Dtype, string>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  U8: "ByteStorage",
};

/** A pickle of protocol 2. */
export function pickle(value: Pickled): Uint8Array<ArrayBuffer> {
  const out: number[] = [0x80, 2];
  const ascii = (text: string) => out.push(...new TextEncoder().encode(text));
  const u32 = (n: number) => out.push(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);
  const name = (dotted: string) => {
    const dot = dotted.lastIndexOf(".");
    ascii(`c${dotted.slice(0, dot)}\n${dotted.slice(dot + 1)}\n`);
  };
  const items = (map: Map<Pickled, Pickled>) => {
    ascii("}(");
    for (const [key, item] of map) [key, item].forEach(put);
    ascii("u");
  };
  const tuple = (parts: readonly Pickled[]) => {
    ascii("(");
    parts.forEach(put);
    ascii("t");
  };
  function put(x: Pickled): void {
    if (x === null) ascii("N");
    else if (typeof x === "boolean") out.push(x ? 0x88 : 0x89);
    else if (typeof x === "string") {
      const text = new TextEncoder().encode(x);
      ascii("X");
      u32(text.length);
      out.push(...text);
    } else if (typeof x === "number") putNumber(x);
    else if (Array.isArray(x)) {
      ascii("](");
      x.forEach(put);
      ascii("e");
    } else if (x instanceof Map) items(x);
    else if ("tuple" in x) tuple(x.tuple);
    else if ("global" in x) name(x.global);
    else if ("call" in x) {
      name(x.call);
      tuple(x.args);
      ascii("R");
      if (x.state !== undefined) {
        put(x.state);
        ascii("b");
      }
    } else if ("object" in x) {
      name(x.object);
      out.push(0x29, 0x81);
      items(x.state);
      ascii("b");
    } else if ("persistent" in x) {
      put(x.persistent);
      ascii("Q");
    }
  }
  function putNumber(x: number): void {
    if (Number.isInteger(x) && x >= 0 && x < 256) out.push(0x4b, x);
    else if (Number.isInteger(x) && Math.abs(x) < 2 ** 31) {
      ascii("J");
      u32(x >>> 0);
    } else if (Number.isInteger(x)) {
      out.push(0x8a, 8, ...new Uint8Array(BigInt64Array.of(BigInt(x)).buffer));
    } else {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, x);
      out.push(0x47, ...new Uint8Array(view.buffer));
    }
  }
  put(value);
  ascii(".");
  return Uint8Array.from(out);
}

/** A tensor as PyTorch pickles it; its numbers are the entry `data/KEY`. */
export function pickledTensor(key: string, tensor: ArchiveTensor): Pickled {
  const { dtype, shape, start = 0 } = tensor;
  const count = tensor.count ?? shape.reduce((product, size) => product * size, 1);
  const rowMajor = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const storage: Pickled = { tuple: ["storage", { global: `torch.${STORAGES[dtype]}` }, key, "cpu", count] };
  const [size, strides] = [shape, tensor.strides ?? rowMajor].map((tuple) => ({ tuple }));
  return {
    call: "torch._utils._rebuild_tensor_v2",
    args: [{ persistent: storage }, start, size, strides, false, { call: "collections.OrderedDict", args: [] }],
  };
}

/** A state dictionary with the `_metadata` that PyTorch's modules put beside it. */
export function stateDictionary(tensors: ReadonlyMap<string, ArchiveTensor>): Pickled {
  const pairs = [...tensors].map(([name, tensor], i) => ({ tuple: [name, pickledTensor(String(i), tensor)] }));
  return { call: "collections.OrderedDict", args: [pairs], state: new Map([["_metadata", new Map()]]) };
}

/** Modules in modules as TorchScript pickles them. */
export function scriptModules(tensors: ReadonlyMap<string, ArchiveTensor>): Pickled {
  const root: Map<Pickled, Pickled> = new Map([["training", true]]);
  [...tensors].forEach(([name, tensor], i) => {
    const path = name.split(".");
    let at = root;
    for (const part of path.slice(0, -1)) {
      if (!at.has(part)) {
        at.set(part, { object: `__torch__.torch.nn.modules.module.___torch_mangle_${i}.Module`, state: new Map() });
      }
      at = (at.get(part) as { state: Map<Pickled, Pickled> }).state;
    }
    at.set(path.at(-1)!, pickledTensor(String(i), tensor));
  });
  return { object: "__torch__.clip.model.CLIP", state: root };
}

/** How the zip is written. */
export interface ArchiveOptions {
  /** With TorchScript's other entries. */
  script?: boolean;
  /** With 64-bit sizes, as archives over four gigabytes have them. */
  wide?: boolean;
  /** Further entries, or others in the place of those that are written. */
  entries?: Record<string, Uint8Array>;
}

/** Storages begin at multiples of this. */
const ALIGNMENT = 64;

/** Writes an archive with this pickle and the numbers of these tensors. */
export function writeTorchArchive(
  path: string,
  content: { root: Pickled; tensors: ReadonlyMap<string, ArchiveTensor> } & ArchiveOptions,
): void {
  const { root, tensors, script, wide = false } = content;
  const text = (line: string) => new TextEncoder().encode(line);
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  let offset = 0;
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    offset += bytes.length;
  };
  const directory: Uint8Array[] = [];
  const own = { ...content.entries };
  const entry = (name: string, made: Uint8Array) => {
    const bytes = own[name] ?? made;
    delete own[name];
    const full = text(`archive/${name}`);
    const padding = (ALIGNMENT - (offset + 30 + full.length + 4) % ALIGNMENT) % ALIGNMENT;
    const header = { name: full, crc: crc32(bytes), size: bytes.length, offset, wide };
    write(localHeader(header, padding));
    write(bytes);
    directory.push(centralHeader(header));
  };
  entry("data.pkl", pickle(root));
  entry("byteorder", text("little"));
  if (script) {
    entry("constants.pkl", pickle({ tuple: [] }));
    entry("code/__torch__/clip/model.py", text("class CLIP(Module):\n"));
  }
  let key = 0;
  for (const tensor of tensors.values()) entry(`data/${key++}`, tensor.bytes());
  entry("version", text("3\n"));
  for (const [name, bytes] of Object.entries(own)) entry(name, bytes);
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = { count: directory.length, size, offset };
  directory.forEach(write);
  if (wide) write(wideEnd({ ...end, at: offset }));
  write(endRecord(wide ? { count: 0xffff, size: 0xffffffff, offset: 0xffffffff } : end));
}

interface Header {
  name: Uint8Array;
  crc: number;
  size: number;
  offset: number;
  wide: boolean;
}

function localHeader({ name, crc, size }: Header, padding: number): Uint8Array {
  const bytes = new Uint8Array(30 + name.length + 4 + padding);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, size, true);
  view.setUint32(22, size, true);
  view.setUint16(26, name.length, true);
  view.setUint16(28, 4 + padding, true);
  bytes.set(name, 30);
  // PyTorch's own padding: a field "FB" of zeros.
  bytes.set([0x46, 0x42, padding & 255, padding >>> 8], 30 + name.length);
  return bytes;
}

function centralHeader({ name, crc, size, offset, wide }: Header): Uint8Array {
  const extra = wide ? 28 : 0;
  const bytes = new Uint8Array(46 + name.length + extra);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, wide ? 0xffffffff : size, true);
  view.setUint32(24, wide ? 0xffffffff : size, true);
  view.setUint16(28, name.length, true);
  view.setUint16(30, extra, true);
  view.setUint32(42, wide ? 0xffffffff : offset, true);
  bytes.set(name, 46);
  if (wide) {
    const at = 46 + name.length;
    view.setUint16(at, 1, true);
    view.setUint16(at + 2, 24, true);
    [size, size, offset].forEach((n, i) => view.setBigUint64(at + 4 + 8 * i, BigInt(n), true));
  }
  return bytes;
}

function wideEnd({ count, size, offset, at }: { count: number; size: number; offset: number; at: number }): Uint8Array {
  const bytes = new Uint8Array(56 + 20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x06064b50, true);
  view.setBigUint64(4, 44n, true);
  [count, count, size, offset].forEach((n, i) => view.setBigUint64(24 + 8 * i, BigInt(n), true));
  view.setUint32(56, 0x07064b50, true);
  view.setBigUint64(64, BigInt(at), true);
  view.setUint32(72, 1, true);
  return bytes;
}

function endRecord({ count, size, offset }: { count: number; size: number; offset: number }): Uint8Array {
  const bytes = new Uint8Array(22);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, count, true);
  view.setUint16(10, count, true);
  view.setUint32(12, size, true);
  view.setUint32(16, offset, true);
  return bytes;
}

/** Bytes that a tensor's numbers take. */
export function storageBytes({ dtype, shape }: Pick<ArchiveTensor, "dtype" | "shape">): number {
  return shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
}
