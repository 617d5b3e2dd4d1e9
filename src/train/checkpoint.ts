/**
 * Checkpoints: a training state as one safetensors file. Learned tensors have their own names, so that a checkpoint is also
 * a prompt that any safetensors reader opens; `optimizer/…`, `average/…` (float64), `history/losses` and `stream/batch-order` are what
 * else resuming needs.
 * Nothing in the file depends on the clock: an interrupted and an uninterrupted run write the same bytes.
 */
import { readSafetensors, toFloat32, writeSafetensors } from "../clip/weights/safetensors.ts";
import { UserError } from "../errors.ts";
import type { MetaState, TrainingState } from "./training.ts";
import type { Parameter, Velocity } from "../optim/sgd.ts";

/** The layout that this file writes; another number is refused. */
const CHECKPOINT_VERSION = "1";

const MOMENTUM = "optimizer/momentum/";
const SQUARES = "optimizer/squares/";
const AVERAGE = "average/";
const MAPS = "meta/maps/";
const MAP_MOMENTUM = "meta/momentum/";
const META_STREAM = "meta/stream";
const LOSSES = "history/losses";
const ORDER = "stream/batch-order";

/** A checkpoint that was read; see {@linkcode encodeCheckpoint}. */
export interface Checkpoint {
  /** What {@linkcode train} resumes from; `state.params` is the prompt. */
  state: TrainingState;
  /** What the writer said of the run: method, model, classes, … */
  metadata: Record<string, string>;
}

/**
 * Puts a training state into the bytes of a safetensors file, with what a reader must know of the run. Equal states give
 * equal bytes.
 */
export function encodeCheckpoint(state: TrainingState, metadata: Record<string, string>): Uint8Array {
  const { params, velocity, squares = {}, average = {}, meta, losses, order } = state;
  // The regulariser net of a meta-learned method, its momentum and its draws.
  const { maps = {}, velocity: mapVelocity = {} } = meta ?? {};
  const float32 = (data: Float32Array, shape: readonly number[]) => ({ dtype: "F32" as const, shape, data });
  const float64 = (values: ArrayLike<number>, shape: readonly number[] = [values.length]) => {
    return { dtype: "F64" as const, shape, data: new Uint8Array(Float64Array.from(values).buffer) };
  };
  return writeSafetensors([
    ...Object.entries(params).map(([name, { data, shape }]) => [name, float32(data, shape)] as const),
    ...Object.entries(velocity).map(([name, data]) => [MOMENTUM + name, float32(data, params[name].shape)] as const),
    ...Object.entries(squares).map(([name, data]) => [SQUARES + name, float32(data, params[name].shape)] as const),
    ...Object.entries(average).map(([name, sum]) => [AVERAGE + name, float64(sum, params[name].shape)] as const),
    ...Object.entries(maps).map(([name, { data, shape }]) => [MAPS + name, float32(data, shape)] as const),
    ...Object.entries(mapVelocity).map(([name, data]) =>
      [MAP_MOMENTUM + name, float32(data, maps[name].shape)] as const
    ),
    ...(meta === undefined ? [] : [[META_STREAM, float64(meta.stream)] as const]),
    [LOSSES, float64(losses)] as const,
    [ORDER, float64(order)] as const,
  ], { ...metadata, "checkpoint-version": CHECKPOINT_VERSION, step: String(state.step) });
}

/**
 * Reads a checkpoint; `where` is its file, for messages.
 *
 * @throws {UserError} when the bytes are not a whole checkpoint of this version
 */
export function decodeCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const { entries, metadata } = readSafetensors(bytes, where);
  const broken = (why: string) =>
    new UserError(`${where} is not a usable checkpoint (${why}): remove it and run the same command again.`);
  if (metadata["checkpoint-version"] !== CHECKPOINT_VERSION) {
    throw broken(`layout version ${metadata["checkpoint-version"] ?? "missing"}, not ${CHECKPOINT_VERSION}`);
  }
  const numbers = (name: string) => {
    const entry = entries.get(name);
    if (entry?.dtype !== "F64" || entry.shape.length !== 1) throw broken(`"${name}" is missing or not a list`);
    const values = [...new Float64Array(entry.bytes.slice().buffer)];
    if (!values.every(Number.isFinite)) throw broken(`"${name}" holds numbers that are not finite`);
    return values;
  };
  const losses = numbers(LOSSES);
  const order = numbers(ORDER);
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step !== losses.length) {
    throw broken(`it says step ${metadata.step} and has ${losses.length} losses`);
  }
  const params: Record<string, Parameter> = {};
  const velocity: Velocity = {};
  const squares: Velocity = {};
  const average: Record<string, Float64Array> = {};
  const meta: MetaState = { maps: {}, velocity: {}, stream: [] };
  for (const [name, entry] of entries) {
    if (name === LOSSES || name === ORDER) continue;
    if (name === META_STREAM) continue;
    const dtype = name.startsWith(AVERAGE) ? "F64" : "F32";
    if (entry.dtype !== dtype) throw broken(`"${name}" is ${entry.dtype}, not ${dtype}`);
    const values = dtype === "F64" ? new Float64Array(entry.bytes.slice().buffer) : toFloat32(entry);
    if (!values.every(Number.isFinite)) throw broken(`"${name}" holds numbers that are not finite`);
    if (values instanceof Float64Array) average[name.slice(AVERAGE.length)] = values;
    else if (name.startsWith(MAPS)) meta.maps[name.slice(MAPS.length)] = { shape: entry.shape, data: values };
    else if (name.startsWith(MAP_MOMENTUM)) meta.velocity[name.slice(MAP_MOMENTUM.length)] = values;
    else if (name.startsWith(SQUARES)) squares[name.slice(SQUARES.length)] = values;
    else if (name.startsWith(MOMENTUM)) velocity[name.slice(MOMENTUM.length)] = values;
    else params[name] = { shape: entry.shape, data: values };
  }
  for (const name of step > 0 ? Object.keys(params) : []) {
    if (velocity[name]?.length !== params[name].data.length) throw broken(`the momentum of "${name}" is missing`);
  }
  if (Object.keys(params).length === 0) throw broken("no learned tensor in it");
  const isThere = (held: object) => Object.keys(held).length > 0;
  for (const [what, held] of [["squared gradients", squares], ["average", average]] as const) {
    for (const name of isThere(held) ? Object.keys({ ...held, ...params }) : []) {
      if (held[name]?.length !== params[name]?.data.length) throw broken(`the ${what} of "${name}" is missing`);
    }
  }
  const state: TrainingState = { step, losses, params, velocity, order };
  if (isThere(squares)) state.squares = squares;
  if (isThere(average)) state.average = average;
  if (isThere(meta.maps)) state.meta = { ...meta, stream: numbers(META_STREAM) };
  return { state, metadata };
}
