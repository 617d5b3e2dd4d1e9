/** What `assertEquals` of `@std/assert` calls equal; `node:assert` differs (it tells 0 from -0), so it cannot serve. */

const TypedArray = Object.getPrototypeOf(Uint8Array);

type Fields = Record<PropertyKey, unknown>;

/** Deep equality: same shape, same constructor, `NaN` equals `NaN`, 0 equals -0, a missing key is not `undefined`. */
export function equal(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, new Map());
}

function compare(a: unknown, b: unknown, seen: Map<unknown, unknown>): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b || (Number.isNaN(a) && Number.isNaN(b));
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (kind(a) !== kind(b)) return false;
  if (a instanceof Date) return compare(a.getTime(), (b as Date).getTime(), seen);
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof TypedArray) return sameNumbers(a as Float64Array, b as Float64Array);
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (a instanceof Error && a.message !== (b as Error).message) return false;
  if (a instanceof Set) return sameSet(a, b as Set<unknown>, seen);
  if (a instanceof Map) return sameMap(a, b as Map<unknown, unknown>, seen);
  return sameFields(a as Fields, b as Fields, seen);
}

function kind(value: object): unknown {
  return value.constructor ?? Object;
}

function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return false;
  }
  return true;
}

function sameSet(a: Set<unknown>, b: Set<unknown>, seen: Map<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  return [...a].every((item) => b.has(item) || [...b].some((other) => compare(item, other, seen)));
}

function sameMap(a: Map<unknown, unknown>, b: Map<unknown, unknown>, seen: Map<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([key, value]) =>
    b.has(key)
      ? compare(value, b.get(key), seen)
      : [...b].some(([other, otherValue]) => compare(key, other, seen) && compare(value, otherValue, seen))
  );
}

function sameFields(a: Fields, b: Fields, seen: Map<unknown, unknown>): boolean {
  if (Array.isArray(a) && a.length !== (b as unknown as unknown[]).length) return false;
  const keys = ownKeys(a);
  return keys.length === ownKeys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && compare(a[key], b[key], seen));
}

function ownKeys(value: Fields): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(value)
    .filter((symbol) => Object.getOwnPropertyDescriptor(value, symbol)?.enumerable);
  return [...Object.keys(value), ...symbols];
}
