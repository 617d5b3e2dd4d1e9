/**
 * One line of the parity table.
 */

/** A stage of the published code, and how far this kit is from it. */
export interface ParityRow {
  /** What is compared, with the fixture's name. */
  stage: string;
  /** The engine that computed, or `-` where none does. */
  engine: string;
  /** How many cases were compared. */
  cases: number;
  /** The largest difference, in the tolerance's unit. */
  largest: number;
  tolerance: number;
  /** What the numbers are: `relative L2`, `relative`, `different`, `different pixels`. */
  unit: string;
  passed: boolean;
  /** Why nothing was compared; such a row neither passes nor fails. */
  skipped?: string;
  /** Which cases failed, for people. */
  failures: string[];
}

/** A case of a stage. */
export interface ParityCase {
  name: string;
  difference: number;
}

/** Empty lists of cases under these names. */
export function caseLists<K extends string>(...names: readonly K[]): Record<K, ParityCase[]> {
  return Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, ParityCase[]>;
}

/** A row of several cases. A stage without cases is an error: a check that compares nothing must not pass. */
export function parityRow(
  about: Pick<ParityRow, "stage" | "engine" | "tolerance" | "unit">,
  cases: readonly ParityCase[],
): ParityRow {
  if (cases.length === 0) throw new Error(`The parity stage "${about.stage}" compared nothing`);
  const failures = cases.filter(({ difference }) => !(difference <= about.tolerance));
  const largest = cases.reduce(
    (most, { difference }) => difference > most || Number.isNaN(difference) ? difference : most,
    0,
  );
  const passed = failures.length === 0;
  return { ...about, cases: cases.length, largest, passed, failures: failures.map(({ name }) => name) };
}

/** A row that says that a stage was not looked at, and why. */
export function notCompared(stage: string, skipped: string): ParityRow {
  return { stage, engine: "-", cases: 0, largest: 0, tolerance: 0, unit: "", passed: false, failures: [], skipped };
}

/** `‖a − b‖ / ‖b‖`; lengths must agree. */
export function relativeL2(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`Cannot compare ${a.length} numbers with ${b.length}`);
  let off = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    off += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return off === 0 ? 0 : Math.sqrt(off / size);
}

/** How many places differ; a difference in length counts as one more. */
export function countDifferent<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  let count = a.length === b.length ? 0 : 1;
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) count++;
  return count;
}
