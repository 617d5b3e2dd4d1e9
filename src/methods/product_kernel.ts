/**
 * The innermost loop of {@linkcode product} as a WebAssembly module, written out here instruction by instruction. JavaScript adds one
 * number at a time; this adds two, and checks no bounds. It multiplies and adds in float64 as JavaScript does, each rounded
 * (no fused multiply-add), so that the sums have the same bits.
 */

/** Rows and columns of a tile of the result, whose sums are in registers all at once. */
export const TILE = { rows: 4, columns: 4 } as const;

/** The module, with memory of its own. */
export interface ProductKernel {
  memory: Float64Array;
  /**
   * `C += A·B` of one tile. All but `depth` are bytes: `a` where a strip of A begins (for each of `depth` products the numbers of
   * `TILE.rows` rows), `b` that of B with `TILE.columns` columns, `c` the first number of the tile, `stride` from one row of it to the
   * next. `depth` is 1 at the least.
   */
  addProducts(a: number, b: number, c: number, stride: number, depth: number): void;
}

/** Makes one with memory for so many numbers. */
export function productKernel(numbers: number): ProductKernel {
  const pages = Math.ceil(numbers * 8 / 65_536);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes(pages)));
  return {
    memory: new Float64Array((exports.memory as WebAssembly.Memory).buffer),
    addProducts: exports.addProducts as ProductKernel["addProducts"],
  };
}

const I32 = 0x7f;
const V128 = 0x7b;
/** A byte that stands for "no value", as the type of a block. */
const NOTHING = 0x40;

/** Unsigned LEB128, as the format writes all counts. */
function count(value: number): number[] {
  const out: number[] = [];
  do {
    const rest = value >>> 7;
    out.push(value & 0x7f | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return out;
}

const list = (items: readonly (readonly number[])[]) => [...count(items.length), ...items.flat()];
const sized = (bytes: readonly number[]) => [...count(bytes.length), ...bytes];
const named = (text: string) => sized([...new TextEncoder().encode(text)]);
const section = (id: number, bytes: readonly number[]) => [id, ...sized(bytes)];

const get = (local: number) => [0x20, ...count(local)];
const set = (local: number) => [0x21, ...count(local)];
/** A positive number below 64 is one byte of signed LEB128; others get a second. */
const i32 = (value: number) => value < 64 ? [0x41, value] : [0x41, value & 0x7f | 0x80, value >>> 7];
const I32_ADD = [0x6a];
const I32_MUL = [0x6c];
const I32_LESS = [0x49];
const END = [0x0b];
/** Alignment 8 (2³), then the offset in bytes. */
const loadTwo = (offset: number) => [0xfd, ...count(0), 3, ...count(offset)];
const loadTwice = (offset: number) => [0xfd, ...count(10), 3, ...count(offset)];
const storeTwo = (offset: number) => [0xfd, ...count(11), 3, ...count(offset)];
const ADD_TWO = [0xfd, ...count(0xf0)];
const MULTIPLY_TWO = [0xfd, ...count(0xf2)];

function moduleBytes(pages: number): Uint8Array<ArrayBuffer> {
  const { rows, columns } = TILE;
  const pairs = columns / 2;
  const [a, b, c, stride, depth] = [0, 1, 2, 3, 4];
  const [end, row] = [5, 6];
  const sum = (r: number, p: number) => 7 + r * pairs + p;
  const right = (p: number) => 7 + rows * pairs + p;
  const left = 7 + rows * pairs + pairs;

  const inRows = (visit: (r: number) => number[]) => Array.from({ length: rows }, (_, r) => visit(r)).flat();
  const inPairs = (visit: (p: number) => number[]) => Array.from({ length: pairs }, (_, p) => visit(p)).flat();
  const advance = (local: number, bytes: readonly number[]) => [...get(local), ...bytes, ...I32_ADD, ...set(local)];
  const inTile = (visit: (r: number, p: number) => number[]) => [
    ...get(c),
    ...set(row),
    ...inRows((r) => [...inPairs((p) => visit(r, p)), ...advance(row, get(stride))]),
  ];

  const code = [
    ...get(a),
    ...get(depth),
    ...i32(8 * rows),
    ...I32_MUL,
    ...I32_ADD,
    ...set(end),
    ...inTile((r, p) => [...get(row), ...loadTwo(16 * p), ...set(sum(r, p))]),
    ...[0x03, NOTHING],
    ...inPairs((p) => [...get(b), ...loadTwo(16 * p), ...set(right(p))]),
    ...inRows((r) => [
      ...[...get(a), ...loadTwice(8 * r), ...set(left)],
      ...inPairs((p) => [
        ...[...get(sum(r, p)), ...get(left), ...get(right(p))],
        ...[...MULTIPLY_TWO, ...ADD_TWO, ...set(sum(r, p))],
      ]),
    ]),
    ...advance(b, i32(8 * columns)),
    ...advance(a, i32(8 * rows)),
    // Again, while `a` is before the end of its strip.
    ...[...get(a), ...get(end), ...I32_LESS, 0x0d, 0],
    ...END,
    ...inTile((r, p) => [...get(row), ...get(sum(r, p)), ...storeTwo(16 * p)]),
    ...END,
  ];
  const locals = list([[2, I32], [...count(rows * pairs + pairs + 1), V128]]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list([[0x60, ...list([[I32], [I32], [I32], [I32], [I32]]), ...list([])]])),
    ...section(3, list([[0]])),
    ...section(5, list([[0, ...count(pages)]])),
    ...section(7, list([[...named("memory"), 2, 0], [...named("addProducts"), 0, 0]])),
    ...section(10, list([sized([...locals, ...code])])),
  ]);
}
