/** The tensors that an engine holds on its device, by what stands for them outside. */
import type { Held } from "./ops.ts";

/** Holds tensors until they are released. */
export interface Holding<T> {
  /** Gives what stands for a tensor of this shape from now on. */
  hold(tensor: T, shape: readonly number[]): Held;
  /** The tensor. Throws {@linkcode Error} for one that is released or another engine's. */
  tensorOf(value: Held): T;
  /** Releases them; throws likewise. */
  release(values: Iterable<Held>): void;
  /** Releases all. */
  releaseAll(): void;
  /** How many are held. */
  count(): number;
}

/** Holds nothing yet; `engine` is the engine's name. */
export function holding<T extends { dispose(): void }>(engine: string): Holding<T> {
  const held = new Map<Held, T>();
  function tensorOf(value: Held): T {
    if (value.engine !== engine) throw new Error(`A tensor that ${value.engine} holds is not for ${engine}`);
    const tensor = held.get(value);
    if (tensor === undefined) throw new Error(`A tensor that ${engine} held is released, or another engine's`);
    return tensor;
  }
  function release(values: Iterable<Held>): void {
    for (const value of values) {
      tensorOf(value).dispose();
      held.delete(value);
    }
  }
  return {
    hold(tensor, shape) {
      const value: Held = { engine, shape: [...shape] };
      held.set(value, tensor);
      return value;
    },
    tensorOf,
    release,
    releaseAll: () => release([...held.keys()]),
    count: () => held.size,
  };
}
