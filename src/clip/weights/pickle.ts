/**
 * Reads Python's pickles as plain values and runs nothing. What a pickle may name is given by the
 * caller, each name with what it makes here; any other name ends the reading.
 *
 * Instructions: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { UserError } from "../../errors.ts";

/** Something that a pickle names, `torch.HalfStorage` say; `make` builds what a call of it gives. */
export class PickleGlobal {
  constructor(readonly name: string, readonly make?: (args: readonly PickleValue[]) => PickleValue) {}
}

/** An object of a class that is not there: its attributes. */
export class PickleShell {
  readonly attributes = new Map<PickleValue, PickleValue>();
}

/** A value of the caller's, a tensor say. */
export class PickleOpaque {
  constructor(readonly value: unknown) {}
}

/** What a pickle can hold; lists and tuples are arrays, dictionaries are maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleGlobal
  | PickleShell
  | PickleOpaque;

/** What a pickle may do. */
export interface PickleRules {
  /** The file and place, for messages: `data.pkl of model.pt`. */
  where: string;
  /** What this name means; `undefined` refuses it. */
  find(name: string): PickleGlobal | undefined;
  /** The value of a persistent identifier, how PyTorch stores numbers. */
  persistent(id: PickleValue): PickleValue;
}

/** An opcode's work. */
type Instruction = (machine: Machine) => void;

/** The state while a pickle is read. */
interface Machine {
  readonly rules: PickleRules;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The byte to be read next. */
  at: number;
  stack: PickleValue[];
  /** Stacks below the marks. */
  below: PickleValue[][];
  memo: Map<number, PickleValue>;
}

/**
 * Reads a pickle. Throws {@linkcode UserError} when it names something that the rules do not know, uses another
 * instruction than those of data, or is damaged.
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine: Machine = { rules, bytes, view, at: 0, stack: [], below: [], memo: new Map() };
  while (true) {
    const at = machine.at;
    const opcode = take(machine, 1)[0];
    if (opcode === STOP) break;
    const instruction = INSTRUCTIONS.get(opcode);
    if (instruction === undefined) {
      throw new UserError(
        `${rules.where} is refused: its instruction ${describe(opcode)} at byte ${at} is none that tensors need. ` +
          "Give weights from a source that you trust.",
      );
    }
    instruction(machine);
  }
  return pop(machine);
}

const STOP = 0x2e;
const describe = (opcode: number) =>
  opcode > 0x20 && opcode < 0x7f ? `"${String.fromCharCode(opcode)}"` : `0x${opcode.toString(16)}`;

function broken({ rules, at }: Machine, why: string): UserError {
  return new UserError(`${rules.where} is damaged (${why}, before byte ${at}): download the file again.`);
}

function take(machine: Machine, count: number): Uint8Array {
  const from = machine.at;
  if (count > machine.bytes.length - from) throw broken(machine, "it is cut off");
  machine.at += count;
  return machine.bytes.subarray(from, from + count);
}

/** Reads a number and advances past it. */
function number(machine: Machine, bytes: number, read: (view: DataView, at: number) => number | bigint): number {
  const from = machine.at;
  take(machine, bytes);
  return Number(read(machine.view, from));
}

const u8 = (m: Machine) => take(m, 1)[0];
const u16 = (m: Machine) => number(m, 2, (view, at) => view.getUint16(at, true));
const u32 = (m: Machine) => number(m, 4, (view, at) => view.getUint32(at, true));
const i32 = (m: Machine) => number(m, 4, (view, at) => view.getInt32(at, true));
const u64 = (m: Machine) => number(m, 8, (view, at) => view.getBigUint64(at, true));
const f64 = (m: Machine) => number(m, 8, (view, at) => view.getFloat64(at));

function text(machine: Machine, bytes: number): string {
  const from = take(machine, bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(from);
  } catch {
    throw broken(machine, "a text is not UTF-8");
  }
}

function line(machine: Machine): string {
  const end = machine.bytes.indexOf(0x0a, machine.at);
  if (end < 0) throw broken(machine, "it is cut off");
  const value = text(machine, end - machine.at);
  machine.at++;
  return value;
}

/** A little-endian integer in two's complement. */
function long(machine: Machine, count: number): number | bigint {
  const bytes = take(machine, count);
  if (count > 256) throw broken(machine, `a number has ${count} bytes`);
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  if (count > 0 && bytes[count - 1] >= 0x80) value -= 1n << BigInt(8 * count);
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

function pop(machine: Machine): PickleValue {
  if (machine.stack.length === 0) throw broken(machine, "it takes a value that is not there");
  return machine.stack.pop()!;
}

function top(machine: Machine): PickleValue {
  const value = pop(machine);
  machine.stack.push(value);
  return value;
}

function popToMark(machine: Machine): PickleValue[] {
  const items = machine.stack;
  const below = machine.below.pop();
  if (below === undefined) throw broken(machine, "a mark is missing");
  machine.stack = below;
  return items;
}

const push = (value: (machine: Machine) => PickleValue): Instruction => (machine) => {
  // The value first: taking what is above a mark puts another stack in the place of this one.
  const result = value(machine);
  machine.stack.push(result);
};

function pushTuple(count: number): Instruction {
  return push((machine) => Array.from({ length: count }, () => pop(machine)).reverse());
}

function global(machine: Machine, module: string, name: string): PickleGlobal {
  const full = `${module}.${name}`;
  const found = machine.rules.find(full);
  if (found !== undefined) return found;
  const shown = JSON.stringify(full.slice(0, 200)).slice(1, -1);
  throw new UserError(
    `${machine.rules.where} is refused: it asks for ${shown}, which no tensor needs and which is never run here. ` +
      "Give weights from a source that you trust, or the state dictionary alone.",
  );
}

function stackGlobal(machine: Machine): PickleValue {
  const [module, name] = [pop(machine), pop(machine)].reverse();
  if (typeof module !== "string" || typeof name !== "string") throw broken(machine, "a name is not text");
  return global(machine, module, name);
}

function call(machine: Machine): PickleValue {
  const [callee, args] = [pop(machine), pop(machine)].reverse();
  if (callee instanceof PickleGlobal && callee.make !== undefined && Array.isArray(args)) return callee.make(args);
  const what = callee instanceof PickleGlobal ? callee.name : "something";
  throw broken(machine, `it calls ${what}, which is nothing to be called`);
}

/** Attributes for an object; those of dictionaries (`_metadata` of a state dictionary) are not needed. */
function build(machine: Machine): void {
  const state = pop(machine);
  const object = top(machine);
  if (object instanceof Map) return;
  if (!(object instanceof PickleShell)) throw broken(machine, "it sets attributes of something that has none");
  // An object with slots has a pair of dictionaries.
  for (const part of Array.isArray(state) ? state : [state]) {
    if (part instanceof Map) part.forEach((value, key) => object.attributes.set(key, value));
  }
}

function setItems(machine: Machine, pairs: PickleValue[]): void {
  const target = top(machine);
  if (pairs.length % 2 !== 0) throw broken(machine, "a key has no value");
  // A class derived from a dictionary.
  const map = target instanceof Map ? target : target instanceof PickleShell ? target.attributes : undefined;
  if (map === undefined) throw broken(machine, "it sets an item of something that has none");
  for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
}

function append(machine: Machine, items: PickleValue[]): void {
  const target = top(machine);
  if (!Array.isArray(target)) throw broken(machine, "it appends to something that is no list");
  for (const item of items) target.push(item);
}

function recall(machine: Machine, index: number): PickleValue {
  const value = machine.memo.get(index);
  if (value === undefined) throw broken(machine, `it recalls value ${index}, which it never kept`);
  return value;
}

const keep = (index: (machine: Machine) => number): Instruction => (machine) =>
  machine.memo.set(index(machine), top(machine));

const bytesOf = (length: (machine: Machine) => number) => push((machine) => take(machine, length(machine)).slice());
const textOf = (length: (machine: Machine) => number) => push((machine) => text(machine, length(machine)));

const letter = (character: string) => character.charCodeAt(0);

const INSTRUCTIONS = new Map<number, Instruction>([
  [0x80, (m) => {
    const protocol = u8(m);
    if (protocol > 5) throw broken(m, `it has the unknown protocol ${protocol}`);
  }],
  [0x95, (m) => void u64(m)], // FRAME: how much follows
  [letter("N"), push(() => null)],
  [0x88, push(() => true)],
  [0x89, push(() => false)],
  [letter("J"), push(i32)],
  [letter("K"), push(u8)],
  [letter("M"), push(u16)],
  [letter("G"), push(f64)],
  [0x8a, push((m) => long(m, u8(m)))],
  [0x8b, push((m) => long(m, u32(m)))],
  [letter("X"), textOf(u32)],
  [0x8c, textOf(u8)],
  [0x8d, textOf(u64)],
  [letter("U"), textOf(u8)], // Python 2's strings
  [letter("T"), textOf(u32)],
  [letter("B"), bytesOf(u32)],
  [letter("C"), bytesOf(u8)],
  [0x8e, bytesOf(u64)],
  [letter("]"), push(() => [])],
  [letter(")"), push(() => [])],
  [letter("}"), push(() => new Map())],
  [0x85, pushTuple(1)],
  [0x86, pushTuple(2)],
  [0x87, pushTuple(3)],
  [letter("("), (m) => {
    m.below.push(m.stack);
    m.stack = [];
  }],
  [letter("t"), push(popToMark)],
  [letter("l"), push(popToMark)],
  [letter("0"), (m) => void pop(m)],
  [letter("1"), (m) => void popToMark(m)],
  [letter("a"), (m) => append(m, [pop(m)])],
  [letter("e"), (m) => append(m, popToMark(m))],
  [letter("s"), (m) => setItems(m, [pop(m), pop(m)].reverse())],
  [letter("u"), (m) => setItems(m, popToMark(m))],
  [letter("q"), keep(u8)],
  [letter("r"), keep(u32)],
  [0x94, keep((m) => m.memo.size)],
  [letter("h"), push((m) => recall(m, u8(m)))],
  [letter("j"), push((m) => recall(m, u32(m)))],
  [letter("c"), push((m) => global(m, line(m), line(m)))],
  [0x93, push(stackGlobal)],
  [letter("i"), (m) => {
    throw broken(m, `it makes a ${global(m, line(m), line(m)).name} in a way that PyTorch does not`);
  }],
  [letter("R"), push(call)],
  [0x81, push(call)], // NEWOBJ
  [letter("b"), build],
  [letter("Q"), push((m) => m.rules.persistent(pop(m)))],
]);
