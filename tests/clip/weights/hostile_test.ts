import { assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@1.0.19";
import {
  type ArchiveTensor,
  pickle,
  type Pickled,
  pickledTensor,
  stateDictionary,
  writeTorchArchive,
} from "../../../bench/torch_archive.ts";
import { loadWeights } from "../../../src/clip/weights/load.ts";
import { readPickle } from "../../../src/clip/weights/pickle.ts";
import { openRandomAccess } from "../../../src/clip/weights/tensor_file.ts";
import { asTensor, modelTensors, readTorchArchive } from "../../../src/clip/weights/torch_archive.ts";
import { UserError } from "../../../src/errors.ts";

const NUMBERS: ArchiveTensor = { dtype: "F32", shape: [2], bytes: () => new Uint8Array(8) };
const bytes = (...parts: (string | number)[]) =>
  Uint8Array.from(parts.flatMap((part) => typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]));

/** What reading an archive with this pickle says. */
function refusal(data: Uint8Array | Pickled, options: { script?: boolean } = {}): string {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/model.pt`;
  try {
    const content = data instanceof Uint8Array ? data : pickle(data);
    const tensors = new Map([["a", NUMBERS]]);
    writeTorchArchive(path, { root: null, tensors, entries: { "data.pkl": content }, ...options });
    const file = openRandomAccess(path);
    const error = assertThrows(() => modelTensors(readTorchArchive(file), path), UserError);
    assertEquals(error.message.includes(path), true, error.message);
    return error.message;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function assertSays(message: string, part: string): void {
  assertEquals(message.includes(part), true, message);
}

Deno.test("A pickle that calls something is refused by the name of what it calls, and nothing is run", () => {
  assertSays(refusal({ call: "posix.system", args: ["touch /tmp/owned"] }), "asks for posix.system");
  assertSays(refusal({ call: "builtins.eval", args: ["1"] }), "asks for builtins.eval");
  assertSays(refusal({ global: "torch.nn.modules.linear.Linear" }), "torch.nn.modules.linear.Linear");
  assertSays(refusal(new Map([["state_dict", { object: "os.Thing", state: new Map() }]])), "asks for os.Thing");
  // Modules belong into TorchScript archives alone.
  assertSays(refusal({ object: "__torch__.clip.CLIP", state: new Map() }), "__torch__.clip.CLIP");
  // Protocol 4: the name from the stack.
  assertSays(refusal(bytes(0x80, 4, 0x8c, 5, "posix", 0x8c, 6, "system", 0x93, ".")), "asks for posix.system");
  // The outdated way of making an object.
  assertSays(refusal(bytes("(iposix\nsystem\n.")), "asks for posix.system");
  assertSays(refusal(bytes("(ccollections\nOrderedDict\no.")), 'instruction "o"');
  assertSays(refusal(bytes(0x82, 1, ".")), "instruction 0x82");
  assertSays(refusal(bytes("cposix\nsys\u0007tem\n)R.")), "posix.sys\\u0007tem");
  assertSays(refusal({ call: "posix.system", args: [] }, { script: true }), "posix.system");
});

Deno.test("A name that every JavaScript object has is no name of a pickle", () => {
  for (const name of ["torch.toString", "collections.constructor", "torch.__proto__", "__proto__.toString"]) {
    assertSays(refusal({ call: name, args: [] }), `asks for ${name}`);
  }
});

Deno.test("Pickles that are damaged are refused, naming the byte", () => {
  const cases: [Uint8Array, string][] = [
    [bytes(), "it is cut off"],
    [bytes(0x80, 2), "it is cut off"],
    [bytes(0x80, 9, "."), "unknown protocol 9"],
    [bytes("."), "takes a value that is not there"],
    [bytes("t."), "a mark is missing"],
    [bytes("X", 255, 255, 255, 255, "a."), "it is cut off"],
    [bytes(0x8d, 0, 0, 0, 0, 0, 0, 0, 255, "."), "it is cut off"],
    [bytes(0x8c, 2, 0xc3, 0x28, "."), "not UTF-8"],
    [bytes("h", 7, "."), "recalls value 7"],
    [bytes("K", 1, "K", 2, "R."), "nothing to be called"],
    [bytes("ctorch\nHalfStorage\n)R."), "calls torch.HalfStorage"],
    [bytes("K", 1, "K", 2, "a."), "no list"],
    [bytes("K", 1, "(K", 2, "u."), "a key has no value"],
    [bytes("K", 1, "K", 2, "b."), "has none"],
    [bytes("ccollections"), "it is cut off"],
  ];
  for (const [data, says] of cases) assertSays(refusal(data), says);
});

Deno.test("Values come out as Python wrote them", () => {
  const rules = { where: "x", find: () => undefined, persistent: () => null };
  const read = (...parts: (string | number)[]) => readPickle(bytes(...parts), rules);
  assertEquals(read(0x80, 2, "J", 0xff, 0xff, 0xff, 0xff, "."), -1);
  assertEquals(read(0x8a, 2, 0x00, 0x80, "."), -32768);
  assertEquals(read(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x7f, "."), 0x7f00000000000000n);
  assertEquals(read(0x8a, 0, "."), 0);
  assertEquals(read("G", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, "."), 1.5);
  assertEquals(read("NNN", 0x87, "."), [null, null, null]);
  assertEquals(read("](K", 1, "K", 2, "eK", 3, "a."), [1, 2, 3]);
  assertEquals(read("}X", 1, 0, 0, 0, "a", 0x88, "s."), new Map([["a", true]]));
  assertEquals(read("K", 5, 0x94, "0h", 0, "."), 5);
});

Deno.test("Tensors that reach beyond their numbers are refused", () => {
  const tensor = (changes: Partial<ArchiveTensor>) => pickledTensor("0", { ...NUMBERS, ...changes });
  const model = (changes: Partial<ArchiveTensor>) => new Map([["a", tensor(changes)]]);
  assertSays(refusal(model({ shape: [3], count: 2 })), "shape [3] reaches beyond its 2 numbers");
  assertSays(refusal(model({ start: 1, count: 2 })), "reaches beyond");
  assertSays(refusal(model({ strides: [5], count: 2 })), "reaches beyond");
  assertSays(refusal(model({ shape: [2 ** 30, 2 ** 20], strides: [0, 0], count: 2 })), "reaches beyond");
  assertSays(refusal(model({ start: -1, count: 2 })), "not described as PyTorch does");
  assertSays(refusal(model({ shape: [-2], count: 2 })), "not described as PyTorch does");
  assertSays(refusal(model({ count: 3 })), "8 bytes, not 3 numbers of F32");
  assertSays(refusal(new Map([["a", pickledTensor("7", NUMBERS)]])), '"archive/data/7" is missing');
  assertSays(refusal(new Map([["a", pickledTensor("../data.pkl", NUMBERS)]])), "is missing");
  assertSays(refusal({ persistent: "x" }), "not described as PyTorch does");
  assertSays(refusal({ call: "torch._utils._rebuild_tensor_v2", args: [1, 2, 3] }), "not described as PyTorch does");
});

Deno.test("Modules that contain themselves, once or many times, end", () => {
  const self = bytes("c__torch__\nM\n)", 0x81, "q", 0, "}X", 1, 0, 0, 0, "m", "h", 0, "sb.");
  assertSays(refusal(self, { script: true }), "no end");
  // Each module holds the one before twice: 2^40 paths.
  const parts: (string | number)[] = ["c__torch__\nM\n)", 0x81, "q", 0, "0"];
  for (let i = 1; i <= 30; i++) {
    parts.push("c__torch__\nM\n)", 0x81, "q", i, "}(", "X", 1, 0, 0, 0, "a", "h", i - 1);
    parts.push("X", 1, 0, 0, 0, "b", "h", i - 1, "ub0");
  }
  assertSays(refusal(bytes(...parts, "h", 30, "."), { script: true }), "no end");
});

Deno.test("Objects of classes that the caller lists are kept as their attributes and not run", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/model.pth.tar-10`;
    const scheduler: Pickled = {
      object: "torch.optim.lr_scheduler.CosineAnnealingLR",
      state: new Map([["T_max", 10]]),
    };
    const tensors = new Map([["ctx", NUMBERS]]);
    const root = new Map<Pickled, Pickled>([["state_dict", stateDictionary(tensors)], ["scheduler", scheduler]]);
    writeTorchArchive(path, { root, tensors });
    const file = openRandomAccess(path);
    assertThrows(() => readTorchArchive(file), UserError, "torch.optim.lr_scheduler.CosineAnnealingLR");
    const archive = readTorchArchive(file, { shells: ["torch.optim."] });
    assertEquals([...modelTensors(archive, path).keys()], ["ctx"]);
    const read = archive.value as Map<string, { attributes: Map<string, number> }>;
    assertEquals(read.get("scheduler")!.attributes.get("T_max"), 10);
    assertEquals(asTensor(archive.value), undefined);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("Archives whose directory does not add up are refused, and a cut-off one wherever it is cut", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/model.pt`;
    const tensors = new Map([["a", NUMBERS]]);
    writeTorchArchive(path, { root: stateDictionary(tensors), tensors });
    const whole = await Deno.readFile(path);
    const read = () => modelTensors(readTorchArchive(openRandomAccess(path)), path);
    assertEquals([...read().keys()], ["a"]);
    for (let length = 4; length < whole.length; length += 7) {
      await Deno.writeFile(path, whole.subarray(0, length));
      assertThrows(read, UserError, path);
    }
    const changed = async (change: (view: DataView, end: number, central: number) => void, says: string) => {
      const copy = whole.slice();
      const view = new DataView(copy.buffer);
      const end = copy.length - 22;
      change(view, end, view.getUint32(end + 16, true));
      await Deno.writeFile(path, copy);
      assertThrows(read, UserError, says);
    };
    await changed((view, end) => view.setUint32(end + 16, 0xfffffff0, true), "beyond the end");
    await changed((view, end) => view.setUint16(end + 10, 60000, true), "is not where it should be");
    await changed((view, _, central) => view.setUint32(central + 42, 0xfffffff0, true), "beyond the end");
    await changed((view, _, central) => view.setUint32(central + 42, 10, true), "not where the directory says");
    await changed(
      (view, _, central) => view.setUint32(central + 24, 0x7fffffff, true),
      "its pickle has 2147483647 bytes",
    );
    await changed((view, _, central) => view.setUint16(central + 10, 8, true), "is compressed");
    await changed((view, _, central) => view.setUint16(central + 8, 1, true), "is encrypted");
    writeTorchArchive(path, { root: null, tensors, entries: { byteorder: new TextEncoder().encode("big") } });
    assertThrows(read, UserError, "big-endian");
    await assertRejects(() => loadWeights(path), UserError, "big-endian");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
