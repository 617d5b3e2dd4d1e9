/**
 * Checkpoints: a training state as one safetensors file. Learned tensors have their own names, so that a checkpoint is also
 * a prompt that any safetensors reader opens; `optimizer/…`, `average/…` (float64), `history/losses` and `stream/batch-order` are what
 * resuming needs besides.
 * Nothing in the file depends on the clock: an interrupted and an uninterrupted run write the same bytes.
 */
import { readSafetensors, toFloat32, writeSafetensors } from "../clip/weights/safetensors.ts";
import { UserError } from "../errors.ts";
import type { MetaState, TrainingState } from "./loop.ts";
import type { Parameter, Velocity } from "../optim/sgd.ts";

/** The layout that this file writes; another number is refused. */
export const CHECKPOINT_VERSION = "1";

const MOMENTUM = "optimizer/momentum/";
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
 * Puts a training state into bytes.
 *
 * @param state as {@linkcode train} hands it to `save`
 * @param metadata what a reader must know of the run; the values are kept as they are
 * @returns the bytes of a safetensors file; equal states give equal bytes
 *
 * @example
 * ```ts
 * import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
 *
 * const params = { ctx: { shape: [1, 2], data: Float32Array.of(1, 2) } };
 * const state = { step: 1, losses: [0.5], params, velocity: { ctx: new Float32Array(2) }, order: [7] };
 * const { state: again, metadata } = decodeCheckpoint(encodeCheckpoint(state, { method: "coop" }), "prompt.safetensors");
 * if (again.params.ctx.data[1] !== 2 || metadata.method !== "coop") throw new Error("unexpected");
 * ```
 */
export function encodeCheckpoint(state: TrainingState, metadata: Record<string, string>): Uint8Array {
  const bytesOf = (values: ArrayLike<number>) => new Uint8Array(Float64Array.from(values).buffer);
  return writeSafetensors([
    ...Object.entries(state.params).map(([name, { shape, data }]) =>
      [name, { dtype: "F32" as const, shape, data }] as const
    ),
    ...Object.entries(state.velocity).map(([name, data]) =>
      [MOMENTUM + name, { dtype: "F32" as const, shape: state.params[name].shape, data }] as const
    ),
    ...Object.entries(state.average ?? {}).map(([name, sum]) =>
      [AVERAGE + name, { dtype: "F64" as const, shape: state.params[name].shape, data: bytesOf(sum) }] as const
    ),
    ...metaEntries(state.meta, bytesOf),
    [LOSSES, { dtype: "F64" as const, shape: [state.losses.length], data: bytesOf(state.losses) }] as const,
    [ORDER, { dtype: "F64" as const, shape: [state.order.length], data: bytesOf(state.order) }] as const,
  ], { ...metadata, "checkpoint-version": CHECKPOINT_VERSION, step: String(state.step) });
}

/** The regulariser net of a meta-learned method, its momentum and its draws. */
function metaEntries(
  meta: MetaState | undefined,
  bytesOf: (values: ArrayLike<number>) => Uint8Array,
): [string, Parameters<typeof writeSafetensors>[0] extends Iterable<readonly [string, infer E]> ? E : never][] {
  if (meta === undefined) return [];
  const { maps, velocity, stream } = meta;
  return [
    ...Object.entries(maps).map(([name, { shape, data }]) => [MAPS + name, { dtype: "F32", shape, data }] as never),
    ...Object.entries(velocity).map(([name, data]) =>
      [MAP_MOMENTUM + name, { dtype: "F32", shape: maps[name].shape, data }] as never
    ),
    [META_STREAM, { dtype: "F64", shape: [stream.length], data: bytesOf(stream) }] as never,
  ];
}

/**
 * Reads a checkpoint.
 *
 * @param bytes of a safetensors file
 * @param where the file, for messages
 * @returns the state, and what the writer said of the run
 * @throws {UserError} when the bytes are not a whole checkpoint of this version
 *
 * @example Damaged bytes are refused in a sentence
 * ```ts
 * import { UserError } from "@prompt-kit/clip-prompts";
 * import { decodeCheckpoint } from "./checkpoint.ts";
 *
 * try {
 *   decodeCheckpoint(new Uint8Array(20), "prompt.safetensors");
 *   throw new Error("unexpected");
 * } catch (error) {
 *   if (!(error instanceof UserError)) throw error;
 * }
 * ```
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
    return [...new Float64Array(entry.bytes.slice().buffer)];
  };
  const losses = numbers(LOSSES);
  const order = numbers(ORDER);
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step !== losses.length) {
    throw broken(`it says step ${metadata.step} and has ${losses.length} losses`);
  }
  const params: Record<string, Parameter> = {};
  const velocity: Velocity = {};
  const average: Record<string, Float64Array> = {};
  const meta: MetaState = { maps: {}, velocity: {}, stream: [] };
  for (const [name, entry] of entries) {
    if (name === LOSSES || name === ORDER) continue;
    if (name.startsWith(AVERAGE)) {
      if (entry.dtype !== "F64") throw broken(`"${name}" is ${entry.dtype}, not F64`);
      const sum = new Float64Array(entry.bytes.slice().buffer);
      if (!sum.every(Number.isFinite)) throw broken(`"${name}" holds numbers that are not finite`);
      average[name.slice(AVERAGE.length)] = sum;
      continue;
    }
    if (name === META_STREAM) continue;
    if (entry.dtype !== "F32") throw broken(`"${name}" is ${entry.dtype}, not F32`);
    const data = toFloat32(entry);
    if (!data.every(Number.isFinite)) throw broken(`"${name}" holds numbers that are not finite`);
    if (name.startsWith(MAPS)) meta.maps[name.slice(MAPS.length)] = { shape: entry.shape, data };
    else if (name.startsWith(MAP_MOMENTUM)) meta.velocity[name.slice(MAP_MOMENTUM.length)] = data;
    else if (name.startsWith(MOMENTUM)) velocity[name.slice(MOMENTUM.length)] = data;
    else params[name] = { shape: entry.shape, data };
  }
  for (const name of step > 0 ? Object.keys(params) : []) {
    if (velocity[name]?.length !== params[name].data.length) throw broken(`the momentum of "${name}" is missing`);
  }
  if (Object.keys(params).length === 0) throw broken("no learned tensor in it");
  const averaged = Object.keys(average);
  for (const name of averaged.length > 0 ? new Set([...averaged, ...Object.keys(params)]) : []) {
    if (average[name]?.length !== params[name]?.data.length) throw broken(`the average of "${name}" is missing`);
  }
  const state: TrainingState = { step, losses, params, velocity, order };
  if (averaged.length > 0) state.average = average;
  if (Object.keys(meta.maps).length > 0) state.meta = { ...meta, stream: numbers(META_STREAM) };
  return { state, metadata };
}
