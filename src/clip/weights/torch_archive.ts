/**
 * PyTorch's archives, as `torch.save` and `torch.jit.save` write them: a zip with a pickle, whose tensors name entries of
 * the zip. Only the pickle is read; tensors come out as places in the file.
 *
 * A pickle may name what tensors, ordered dictionaries and, in TorchScript archives, modules are made of; anything else is
 * refused by its name. Nothing that a pickle names is ever run.
 */
import { Buffer } from "node:buffer";
import { count } from "../../engine/host_tensor.ts";
import { UserError } from "../../errors.ts";
import { type Dtype, DTYPE_BYTES } from "./dtype.ts";
import { eightBits } from "./other_models.ts";
import { PickleGlobal, PickleOpaque, PickleShell, type PickleValue, readPickle } from "./pickle.ts";
import { entryOffset, isZip, readZipDirectory, type ZipEntry } from "./stored_zip.ts";
import { isCount, isCounts, type RandomAccessFile, type StoredTensor } from "./tensor_file.ts";

/** What an archive holds. */
export interface TorchArchive {
  /** The pickled value: dictionaries are maps, tensors are recognised by {@linkcode asTensor}. */
  readonly value: PickleValue;
  /** Whether `torch.jit.save` wrote it. */
  readonly script: boolean;
  /** Whether it names classes of open_clip's, whose archives are not OpenAI's. */
  readonly openClip: boolean;
}

/** A row of numbers in the archive, which tensors are views of. */
interface Storage {
  dtype: Dtype;
  /** Of the first byte in the file. */
  offset: number;
  /** Numbers. */
  count: number;
}

const STORAGE_DTYPES: Record<string, Dtype> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/** Largest pickle in bytes; ViT-L/14's has about 100,000. */
const MOST_PICKLE_BYTES = 64 << 20;

/** Pickles of PyTorch before 1.6 begin like this, without a zip around them: protocol 2, a long of ten bytes. */
const BEFORE_ZIP = [0x80, 0x02, 0x8a, 0x0a];

/**
 * What checkpoints hold beside tensors: optimisers, schedulers, command lines, NumPy's numbers. Their attributes are kept,
 * and nothing of them runs.
 */
export const CHECKPOINT_SHELLS: readonly string[] = [
  "torch.optim.",
  "dassl.optim.",
  "torch.device",
  "torch.float16",
  "torch.bfloat16",
  "torch.float32",
  "torch.torch_version.TorchVersion",
  "argparse.Namespace",
  "pathlib.PosixPath",
  "collections.defaultdict",
  "collections.Counter",
  "__builtin__.dict",
  "builtins.dict",
  "numpy.",
  "_codecs.encode",
];

/** Modules of a TorchScript archive are of classes that the archive itself describes. */
const SCRIPT_CLASSES = "__torch__.";

/** The tensor, if a value is one. */
export function asTensor(value: PickleValue | undefined): StoredTensor | undefined {
  return value instanceof PickleOpaque ? (value.value as { tensor?: StoredTensor }).tensor : undefined;
}

/** Whether a file begins as PyTorch's do, old ones among them. */
export function isTorch(file: RandomAccessFile): boolean {
  return isZip(file) || isBeforeZip(file);
}

function isBeforeZip(file: RandomAccessFile): boolean {
  const start = file.read(0, Math.min(BEFORE_ZIP.length, file.size));
  return BEFORE_ZIP.every((byte, i) => start[i] === byte);
}

/**
 * Reads the pickle of an archive. `shells` are names, or beginnings of names that end in a dot, of classes whose
 * objects are kept as their attributes without ever being run: `torch.optim.` for checkpoints with a scheduler. Throws
 * {@linkcode UserError} when the archive is damaged, or its pickle names something that is not allowed.
 */
export function readTorchArchive(
  file: RandomAccessFile,
  { shells = [] }: { shells?: readonly string[] } = {},
): TorchArchive {
  if (isBeforeZip(file)) {
    throw new UserError(
      `${file.path} is in the format of PyTorch before 1.6, which this kit does not read: ` +
        "load and save it once with a newer PyTorch.",
    );
  }
  if (!isZip(file)) throw wrong(file.path, "it is no zip archive");
  const entries = readZipDirectory(file);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    const has = pickles.length === 0 ? "no" : "more than one";
    throw new UserError(
      `${file.path} has ${has} data.pkl, so it is no archive of PyTorch's: give one, or safetensors.`,
    );
  }
  const folder = pickles[0].slice(0, -"data.pkl".length);
  if (readEntry(file, entries.get(`${folder}byteorder`)) === "big") {
    throw new UserError(`${file.path} holds big-endian numbers, which this kit does not read: save it again on a PC.`);
  }
  const pickle = entries.get(pickles[0])!;
  if (pickle.size > MOST_PICKLE_BYTES) throw wrong(file.path, `its pickle has ${pickle.size} bytes`);
  const script = entries.has(`${folder}constants.pkl`);
  const bytes = file.read(entryOffset(file, pickle), pickle.size);
  const value = readPickle(bytes, {
    where: `The pickle ${pickles[0]} of ${file.path}`,
    find: globals({ where: file.path, script, shells, isModule: holdsModule(bytes) }),
    persistent: (id) => new PickleOpaque({ storage: readStorage(file, { id, folder, entries }) }),
  });
  return { value, script, openClip: textIn(bytes)("open_clip") };
}

/** Whether a text stands anywhere in these bytes. */
const textIn = ({ buffer, byteOffset, length }: Uint8Array) => (text: string) =>
  Buffer.from(buffer, byteOffset, length).includes(text);

/** Whether a pickle holds a module whole, as `torch.save(model, …)` writes it: every one has these attributes. */
function holdsModule(pickle: Uint8Array): boolean {
  return ["_parameters", "_modules"].every(textIn(pickle));
}

/** Python's own modules, which are no classes of models. */
const OF_PYTHON = /^(__builtin__|builtins|os|posix|nt|sys|subprocess|socket|shutil|importlib|runpy|pty|ctypes)\./;

function readEntry(file: RandomAccessFile, entry: ZipEntry | undefined): string | undefined {
  if (entry === undefined) return undefined;
  return new TextDecoder().decode(file.read(entryOffset(file, entry), Math.min(entry.size, 16)));
}

/** `("storage", torch.HalfStorage, "17", "cpu", 2048)` as the place of those numbers. */
function readStorage(
  file: RandomAccessFile,
  { id, folder, entries }: { id: PickleValue; folder: string; entries: Map<string, ZipEntry> },
): Storage {
  const [tag, type, key, , count] = Array.isArray(id) ? id : [];
  const dtype = isStorageType(type) ? STORAGE_DTYPES[type.name.slice("torch.".length)] : undefined;
  if (tag !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(count)) {
    throw wrong(file.path, "a row of numbers is not described as PyTorch does");
  }
  const entry = entries.get(`${folder}data/${key}`);
  if (entry === undefined) throw wrong(file.path, `its entry ${JSON.stringify(`${folder}data/${key}`)} is missing`);
  if (entry.size !== count * DTYPE_BYTES[dtype]) {
    throw wrong(file.path, `${JSON.stringify(entry.name)} has ${entry.size} bytes, not ${count} numbers of ${dtype}`);
  }
  return { dtype, offset: entryOffset(file, entry), count };
}

const isStorageType = (value: PickleValue | undefined): value is PickleGlobal =>
  value instanceof PickleGlobal && Object.hasOwn(STORAGE_DTYPES, value.name.slice("torch.".length));

/** Everything that a pickle may name, with what it makes. */
function globals(
  { where, script, shells, isModule }: { where: string; script: boolean; shells: readonly string[]; isModule: boolean },
): (name: string) => PickleGlobal | undefined {
  const known = new Map<string, PickleGlobal["make"]>([
    ["collections.OrderedDict", ([pairs]) => orderedDict(pairs, where)],
    ["torch._utils._rebuild_tensor", (args) => rebuildTensor(args, where)],
    ["torch._utils._rebuild_tensor_v2", (args) => rebuildTensor(args, where)],
    ["torch._utils._rebuild_parameter", ([tensor]) => tensor ?? null],
    ["torch.Size", ([sizes]) => sizes ?? []],
  ]);
  for (const name of Object.keys(STORAGE_DTYPES)) known.set(`torch.${name}`, undefined);
  if (script) {
    const same: PickleGlobal["make"] = ([value]) => value ?? null;
    for (const type of ["int", "double", "bool", "tensor"]) known.set(`torch.jit._pickle.build_${type}list`, same);
    known.set("torch.jit._pickle.restore_type_tag", same);
  }
  const isShellName = (name: string) =>
    (script && name.startsWith(SCRIPT_CLASSES)) ||
    shells.some((shell) => shell.endsWith(".") ? name.startsWith(shell) : name === shell);
  return (name) => {
    if (known.has(name)) return new PickleGlobal(name, known.get(name));
    if (isShellName(name)) return new PickleGlobal(name, () => new PickleShell());
    // What has no storage class of its own: numbers of eight bits, and integers that no weights are.
    if (name === "torch._utils._rebuild_tensor_v3" || name.startsWith("torch.float8")) {
      throw eightBits(where, `its pickle asks for ${name}`);
    }
    if (isModule && !OF_PYTHON.test(name)) {
      throw new UserError(
        `${where} is a whole model object as torch.save(model) writes it (it asks for its class ${name}), and no code of ` +
          'a file is run here: load it in Python, and give what torch.save(model.state_dict(), "clip.pt") writes.',
      );
    }
    return undefined;
  };
}

function orderedDict(pairs: PickleValue | undefined, where: string): Map<PickleValue, PickleValue> {
  const isPair = (pair: PickleValue): pair is [PickleValue, PickleValue] => Array.isArray(pair) && pair.length === 2;
  if (pairs === undefined) return new Map();
  if (Array.isArray(pairs) && pairs.every(isPair)) return new Map(pairs);
  throw wrong(where, "an ordered dictionary is not made of pairs");
}

/** A view of a storage, checked against the storage's size. */
function rebuildTensor(args: readonly PickleValue[], where: string): PickleOpaque {
  const [source, start, shape, strides] = args;
  const { storage } = source instanceof PickleOpaque ? source.value as { storage?: Storage } : {};
  const right = storage !== undefined && isCount(start) && isCounts(shape) && isCounts(strides) &&
    shape.length === strides.length && shape.length <= 32;
  if (!right) throw wrong(where, "a tensor is not described as PyTorch does");
  const numbers = count(shape);
  const reach = numbers === 0 ? 0 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 1);
  // The count as well: with strides of zero a few numbers would make a tensor of any size.
  if (start + reach > storage.count || numbers > storage.count) {
    throw wrong(where, `a tensor of shape [${shape.join(", ")}] reaches beyond its ${storage.count} numbers`);
  }
  const tensor: StoredTensor = {
    dtype: storage.dtype,
    shape,
    offset: storage.offset + start * DTYPE_BYTES[storage.dtype],
    strides: isRowMajor(shape, strides) ? undefined : strides,
  };
  return new PickleOpaque({ tensor });
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return false;
    step *= shape[axis];
  }
  return true;
}

/** Nesting of modules, deeper than any model's. */
const DEEPEST = 32;
/** More than the largest model has, and few enough to stop early at a module that contains itself. */
const MOST_NAMES = 100_000;

/** Where training programs put the model's state dictionary among other things. */
const STATE_KEYS = ["state_dict", "model_state_dict", "model"];

/**
 * The tensors of a model: a state dictionary, alone or under one of {@linkcode STATE_KEYS}, or the modules of a
 * TorchScript archive, under the names that PyTorch gives them. Throws {@linkcode UserError} when there is no model in the archive.
 */
export function modelTensors({ value, script }: TorchArchive, where: string): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  if (script && value instanceof PickleShell) {
    let visits = 0;
    const visit = (attributes: Map<PickleValue, PickleValue>, { prefix, depth }: { prefix: string; depth: number }) => {
      if (depth > DEEPEST || (visits += attributes.size) > MOST_NAMES) throw wrong(where, "its modules have no end");
      for (const [name, attribute] of attributes) {
        const tensor = asTensor(attribute);
        if (tensor !== undefined) tensors.set(`${prefix}${name}`, tensor);
        else if (attribute instanceof PickleShell) {
          visit(attribute.attributes, { prefix: `${prefix}${name}.`, depth: depth + 1 });
        }
      }
    };
    visit(value.attributes, { prefix: "", depth: 0 });
    return tensors;
  }
  let state = value;
  for (let depth = 0; state instanceof Map && depth < DEEPEST; depth++) {
    const around: Map<PickleValue, PickleValue> = state;
    const inner = STATE_KEYS.map((key) => around.get(key)).find((item) => item instanceof Map);
    if (inner === undefined) break;
    state = inner;
  }
  if (state instanceof Map) {
    for (const [name, item] of state) {
      const tensor = asTensor(item);
      if (typeof name === "string" && tensor !== undefined) tensors.set(name, tensor);
    }
  }
  if (tensors.size > 0) return tensors;
  const keys = state instanceof Map ? [...state.keys()].filter((key) => typeof key === "string").slice(0, 8) : [];
  const has = keys.length === 0 ? "" : ` It has ${keys.map((key) => JSON.stringify(key)).join(", ")}.`;
  throw new UserError(
    `${where} holds no tensor, neither by itself nor under ${STATE_KEYS.join(", ")}.${has} Give what ` +
      'torch.save(model.state_dict(), "clip.pt") writes.',
  );
}

const wrong = (where: string, why: string) =>
  new UserError(`${where} is not an archive of PyTorch's that can be read, ${why}: download the file again.`);
