import { assertEquals, assertThrows } from "jsr:@std/assert@1.0.19";
import { readSafetensors, toFloat32, writeSafetensors } from "../../../src/clip/weights/safetensors.ts";
import { UserError } from "../../../src/errors.ts";

/** A file with this header and this many bytes of numbers. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

Deno.test("What is written is read back, names, shapes, numbers and metadata", () => {
  const data = Float32Array.of(1, -2.5, 3e-20, Infinity, 0, 7);
  const bytes = writeSafetensors([
    ["a", { dtype: "F32", shape: [2, 3], data }],
    ["labels", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ["scalar", { dtype: "F64", shape: [], data: new Uint8Array(Float64Array.of(Math.PI).buffer) }],
    ["empty", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
  ], { made: 'by "us"', zweck: "Prüfung" });
  const { entries, metadata } = readSafetensors(bytes, "x.safetensors");
  assertEquals(metadata, { made: 'by "us"', zweck: "Prüfung" });
  assertEquals([...entries.keys()].sort(), ["a", "empty", "labels", "scalar"]);
  assertEquals(entries.get("a")!.shape, [2, 3]);
  assertEquals([...toFloat32(entries.get("a")!)], [...data]);
  assertEquals([...entries.get("labels")!.bytes], [1, 2, 3]);
  assertEquals(entries.get("labels")!.dtype, "U8");
  assertEquals([...toFloat32(entries.get("scalar")!)], [Math.fround(Math.PI)]);
  assertEquals(toFloat32(entries.get("empty")!).length, 0);
});

Deno.test("Every tensor lies at a multiple of its number's size, and the same input gives the same bytes", () => {
  const make = () =>
    writeSafetensors([
      ["u", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ["h", { dtype: "F16", shape: [1], data: Float32Array.of(1) }],
      ["f", { dtype: "F32", shape: [1], data: Float32Array.of(1) }],
      ["d", { dtype: "F64", shape: [1], data: Float32Array.of(1) }],
    ], { a: "b" });
  const bytes = make();
  assertEquals(bytes, make());
  const { entries } = readSafetensors(bytes, "x");
  for (const [name, size] of Object.entries({ u: 1, h: 2, f: 4, d: 8 })) {
    assertEquals(entries.get(name)!.bytes.byteOffset % size, 0, name);
  }
});

Deno.test("Half precision rounds to the nearest, ties to even, and is read exactly", () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
    [65504, 65504],
    [65519.9, 65504],
    [65520, Infinity],
    [2 ** -24, 2 ** -24],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2 ** -23],
    [-0.1, -0.0999755859375],
  ];
  const data = Float32Array.from(cases, ([given]) => given);
  const bytes = writeSafetensors([["h", { dtype: "F16", shape: [data.length], data }]]);
  const read = toFloat32(readSafetensors(bytes, "x").entries.get("h")!);
  assertEquals([...read], cases.map(([, wanted]) => wanted));
});

Deno.test("Every half-precision number comes through reading and writing unchanged", () => {
  const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i).filter((i) => (i & 0x7fff) <= 0x7c00);
  const entry = { dtype: "F16" as const, bytes: new Uint8Array(bits.buffer) };
  const again = writeSafetensors([["h", { dtype: "F16", shape: [bits.length], data: toFloat32(entry) }]]);
  assertEquals(readSafetensors(again, "x").entries.get("h")!.bytes, entry.bytes);
});

Deno.test("bfloat16 is the upper half of float32, rounded to the nearest, ties to even", () => {
  const data = Float32Array.of(1, -3.140625, 1 + 2 ** -8, 1 + 3 * 2 ** -8, NaN, Infinity);
  const bytes = writeSafetensors([["b", { dtype: "BF16", shape: [6], data }]]);
  const read = toFloat32(readSafetensors(bytes, "x").entries.get("b")!);
  assertEquals([...read], [1, -3.140625, 1, 1 + 2 ** -6, NaN, Infinity]);
});

Deno.test("Numbers at an odd place are read as well", () => {
  const file = fileOf({
    a: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
    b: { dtype: "F32", shape: [1], data_offsets: [1, 5] },
  }, 5);
  new DataView(file.buffer).setFloat32(file.length - 4, 1.25, true);
  assertEquals([...toFloat32(readSafetensors(file, "x").entries.get("b")!)], [1.25]);
});

Deno.test("Integers are not taken for floating-point numbers", () => {
  assertThrows(() => toFloat32({ dtype: "I64", bytes: new Uint8Array(8) }), UserError, "I64");
});

Deno.test("A cut-off file is refused wherever it is cut", () => {
  const whole = writeSafetensors([["a", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]], { k: "v" });
  for (let length = 0; length < whole.length; length++) {
    assertThrows(() => readSafetensors(whole.subarray(0, length), "cut.safetensors"), UserError, "cut.safetensors");
  }
});

Deno.test("Headers that do not add up are refused, naming file and tensor", () => {
  const f32 = (shape: unknown, data_offsets: unknown) => ({ dtype: "F32", shape, data_offsets });
  const cases: [header: unknown, dataBytes: number, says: string][] = [
    ["[]", 0, "not a JSON object"],
    ["{", 0, "not JSON"],
    [{ a: f32([2], [0, 8]) }, 4, '"a" lies at bytes'],
    [{ a: f32([2], [0, 8]) }, 12, "the file at"],
    [{ a: f32([2], [0, 4]) }, 4, "takes 8"],
    [{ a: f32([2], [4, 12]) }, 12, "begins at byte"],
    [{ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12, '"b" begins at byte'],
    [{ a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, 12, '"b" begins at byte'],
    [{ a: f32([1], [4, 0]) }, 4, "lies at bytes"],
    [{ a: f32([-1], [0, 4]) }, 4, "impossible shape"],
    [{ a: f32([0.5], [0, 4]) }, 4, "impossible shape"],
    [{ a: f32([2 ** 40, 2 ** 40], [0, 4]) }, 4, "takes"],
    [{ a: f32([1], [0]) }, 4, "impossible offsets"],
    [{ a: f32([1], [0, 1e300]) }, 4, "impossible offsets"],
    [{ a: { dtype: "Q4", shape: [1], data_offsets: [0, 4] } }, 4, '"Q4"'],
    [{ a: { dtype: "toString", shape: [1], data_offsets: [0, 4] } }, 4, '"toString"'],
    [{ a: { ...f32([1], [0, 4]), more: 1 } }, 4, '"more"'],
    [{ a: 5 }, 0, '"a" is not described'],
    [{ __metadata__: { a: 1 } }, 0, "not text"],
    [{ __metadata__: [] }, 0, "not an object"],
    [
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      "twice",
    ],
    ['{"a":{"dtype":"F16","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4, "twice"],
  ];
  for (const [header, dataBytes, says] of cases) {
    const error = assertThrows(() => readSafetensors(fileOf(header, dataBytes), "bad.safetensors"), UserError, says);
    assertEquals(error.message.startsWith("bad.safetensors is not"), true);
  }
});

Deno.test("A header of more tensors than any model has is refused before it is parsed", () => {
  const place = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
  const header = `{${Array.from({ length: 100_001 }, (_, i) => `"${i}":${place}`).join()}}`;
  assertThrows(() => readSafetensors(fileOf(header, 0), "bad"), UserError, "describes over 100000 tensors");
});

Deno.test("A header longer than the file is refused before any memory is taken for it", () => {
  const file = new Uint8Array(64);
  for (const length of [57n, 1n << 40n, (1n << 64n) - 1n]) {
    new DataView(file.buffer).setBigUint64(0, length, true);
    assertThrows(() => readSafetensors(file, "huge.safetensors"), UserError, `${length} bytes`);
  }
});

Deno.test("Metadata of megabytes is read, and colons in it are no second name", () => {
  const metadata = { long: "x".repeat(10_000_000), more: 'a "quoted": b\\' };
  assertEquals(readSafetensors(writeSafetensors([], metadata), "x.safetensors").metadata, metadata);
});

Deno.test("A tensor called __proto__ is a tensor like any other", () => {
  const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  assertEquals([...readSafetensors(fileOf(header, 1), "x").entries.keys()], ["__proto__"]);
});

Deno.test("A mistake of the writer is told", () => {
  const tensor = { dtype: "F32" as const, shape: [2], data: Float32Array.of(1) };
  assertThrows(() => writeSafetensors([["a", tensor]]), Error, "has 1 numbers");
  const twice = { ...tensor, shape: [1] };
  assertThrows(() => writeSafetensors([["a", twice], ["a", twice]]), Error, 'Two tensors are called "a"');
});
