import { AssertionError } from "./assertion_error.ts";

/** A class of errors. */
export type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** What an error has to be. */
export interface Expectation {
  errorClass?: ErrorClass<Error>;
  includes?: string | RegExp;
  msg?: string;
}

/** Sorts the arguments that `assertThrows` and `assertRejects` share. */
export function expectation(
  errorClassOrMsg: ErrorClass<Error> | string | undefined,
  includes: string | RegExp | undefined,
  msg: string | undefined,
): Expectation {
  if (typeof errorClassOrMsg === "string") return { msg: errorClassOrMsg };
  return { errorClass: errorClassOrMsg, includes, msg };
}

/** Ends a message as `@std/assert` does. */
export function ending(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}

/** Throws unless the error is of the class and its message holds the text. */
export function checkError(error: unknown, { errorClass, includes, msg }: Expectation): asserts error is Error {
  if (!(error instanceof Error)) throw new AssertionError(`Expected "error" to be an Error object${ending(msg)}`);
  const { message, constructor: { name } } = error;
  if (errorClass && !(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was "${name}": ${message}${ending(msg)}`,
    );
  }
  if (includes === undefined) return;
  const found = typeof includes === "string" ? message.includes(includes) : includes.test(message);
  if (found) return;
  throw new AssertionError(
    `Expected error message to include ${typeof includes === "string" ? JSON.stringify(includes) : includes}, but got ${
      JSON.stringify(message)
    }${ending(msg)}`,
  );
}
