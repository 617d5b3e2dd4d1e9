/**
 * Stands in for `jsr:@std/assert` (through `links` in `deno.json`), so that the tests run where JSR cannot be reached.
 * It holds only what the tests call, with the behaviour of the real package.
 *
 * @module
 */
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";
import { checkError, ending, type ErrorClass, expectation } from "./errors.ts";

export { AssertionError, equal };

/** Any constructor. */
// deno-lint-ignore no-explicit-any
type AnyConstructor = new (...args: any[]) => any;

/** Throws unless the expression is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Throws if the expression is truthy. */
export function assertFalse(expr: unknown, msg = ""): void {
  if (expr) throw new AssertionError(msg);
}

/** Throws. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${ending(msg)}`);
}

/** Throws unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${ending(msg)}\n  actual: ${show(actual)}\nexpected: ${show(expected)}`,
  );
}

/** Throws if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(`Expected actual: ${show(actual)} not to be: ${show(expected)}${ending(msg)}`);
}

/** Throws unless both are the same value, as `Object.is` says. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `Values are not strictly equal${ending(msg)}\n  actual: ${show(actual)}\nexpected: ${show(expected)}`,
  );
}

/** Throws unless the numbers differ by at most the tolerance; without one, 1e-7 of the expected number. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const allowed = tolerance ?? (isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= allowed) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to be close to "${expected}": delta "${delta}" is greater than "${allowed}"${
      ending(msg)
    }`,
  );
}

/** Throws if the value is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(`Expected actual: "${actual}" to not be null or undefined${ending(msg)}`);
}

/** Throws unless the text holds the other. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(`Expected actual: "${actual}" to contain: "${expected}"${ending(msg)}`);
}

/** Throws unless the list holds every one of the others, deeply compared. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  const missing = Array.from(expected).filter((item) => !Array.from(actual).some((other) => equal(item, other)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: "${show(actual)}" to include: "${show(expected)}"${ending(msg)}\nmissing: ${show(missing)}`,
  );
}

/** Throws unless the text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to match: "${expected}"${ending(msg)}`);
}

/** Throws if the text matches. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(`Expected actual: "${actual}" to not match: "${expected}"${ending(msg)}`);
}

/** Throws unless actual > expected. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw new AssertionError(`Expect ${show(actual)} > ${show(expected)}${ending(msg)}`);
}

/** Throws unless actual >= expected. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw new AssertionError(`Expect ${show(actual)} >= ${show(expected)}${ending(msg)}`);
}

/** Throws unless actual < expected. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw new AssertionError(`Expect ${show(actual)} < ${show(expected)}${ending(msg)}`);
}

/** Throws unless actual <= expected. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw new AssertionError(`Expect ${show(actual)} <= ${show(expected)}${ending(msg)}`);
}

/** Throws unless the object is of the class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  throw new AssertionError(`Expected object to be an instance of "${expectedType.name}"${ending(msg)}`);
}

/** Throws unless the function throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Throws unless the function throws an error of the class whose message holds the text; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string | RegExp,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  errorClassOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string | RegExp,
  msg?: string,
): unknown {
  const expected = expectation(errorClassOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    if (expected.errorClass) checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to throw${ending(expected.msg)}`);
}

/** Rejects unless the function's promise rejects; gives what it was rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Rejects unless the function's promise rejects with an error of the class whose message holds the text. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string | RegExp,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  errorClassOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string | RegExp,
  msg?: string,
): Promise<unknown> {
  const expected = expectation(errorClassOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch {
    promise = undefined;
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(`Function throws when expected to reject${ending(expected.msg)}`);
  }
  try {
    await promise;
  } catch (error) {
    if (expected.errorClass) checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to reject${ending(expected.msg)}`);
}

function show(value: unknown): string {
  return Deno.inspect(value, { depth: 10, strAbbreviateSize: 4000, iterableLimit: 50 });
}
