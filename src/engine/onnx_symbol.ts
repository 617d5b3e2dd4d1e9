/**
 * The tensors of a graph that is being written: a name and a shape each, and arithmetic on shapes.
 */

/** A tensor of the graph. If it has a `root`, the first read of its name writes the reshape. */
export interface Symbol {
  readonly name: string;
  readonly shape: readonly number[];
  /** The tensor that this one is reshaped from. */
  readonly root?: Symbol;
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** The size of the last axis. */
export function width(x: Symbol): number {
  return x.shape[x.shape.length - 1];
}

/** The shape with another size of the last axis. */
export function withWidth(shape: readonly number[], width: number): number[] {
  return [...shape.slice(0, -1), width];
}

/** An axis counted from the first one; negative axes count from the end. */
export function axisOf(x: Symbol, axis: number): number {
  return axis < 0 ? axis + x.shape.length : axis;
}

/** The shape of two shapes broadcast together, as NumPy does. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new Error(`Shapes [${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}
