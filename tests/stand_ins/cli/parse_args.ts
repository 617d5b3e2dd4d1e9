/**
 * Stands in for `jsr:@std/cli/parse-args` (through `links` in `deno.json`), so that the kit runs where JSR cannot be
 * reached. It holds the options that the kit uses, with the behaviour of the real package.
 *
 * @module
 */

/** What may stand on the command line. */
export interface ParseOptions<B extends string, S extends string, C extends string, D> {
  /** Flags without a value; `false` when not given. */
  boolean?: readonly B[];
  /** Flags with a value, which stays text. */
  string?: readonly S[];
  /** Flags that may be given several times; `[]` when not given. */
  collect?: readonly C[];
  /** Flags that `--no-flag` sets to false. */
  negatable?: readonly string[];
  /** Values of the flags that are not given. */
  default?: D;
  /** Other names of flags. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Called with every argument that the options do not name; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What `parseArgs` returns. */
export type Args<B extends string, S extends string, C extends string, D> =
  & { [K in B]: boolean }
  & { [K in Exclude<S, C | keyof D>]?: string }
  & { [K in S & keyof D]: string }
  & { [K in C]: string[] }
  & { [key: string]: unknown; _: (string | number)[] };

const FLAG = /^--(?<negated>no-)?(?<key>[^=]+)(?:=(?<value>.*))?$/s;
const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?$|^0x[0-9a-f]+$/i;

/** Reads a command line into a record; words that belong to no flag are in `_`, and so is all that follows `--`. */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
>(args: readonly string[], options: ParseOptions<B, S, C, D> = {}): Args<B, S, C, D> {
  const names = (list: readonly string[] | undefined) => new Set<string>(list);
  const booleans = names(options.boolean);
  const strings = names(options.string);
  const collected = names(options.collect);
  const negatable = names(options.negatable);
  const canonical = aliases(options.alias);
  const result: Record<string, unknown> & { _: (string | number)[] } = { _: [] };

  const set = (key: string, value: unknown, arg: string) => {
    const name = canonical.get(key) ?? key;
    const isKnown = booleans.has(name) || strings.has(name) || collected.has(name) || canonical.has(key);
    if (!isKnown && options.unknown?.(arg, name, value) === false) return;
    const typed = typeof value === "string" && !strings.has(name) && NUMBER.test(value) ? Number(value) : value;
    for (const each of [name, ...spellings(name, canonical)]) {
      result[each] = collected.has(name) ? [...(result[each] as unknown[] ?? []), typed] : typed;
    }
  };

  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") {
      result._.push(...args.slice(i + 1));
      break;
    }
    const flag = FLAG.exec(arg)?.groups ?? shortFlag(arg);
    if (flag === undefined) {
      if (options.unknown?.(arg) !== false) result._.push(NUMBER.test(arg) ? Number(arg) : arg);
      continue;
    }
    if (flag.negated && negatable.has(canonical.get(flag.key) ?? flag.key)) {
      set(flag.key, false, arg);
      continue;
    }
    const key = flag.negated ? `no-${flag.key}` : flag.key;
    const name = canonical.get(key) ?? key;
    const next = args[i + 1];
    if (flag.value !== undefined) {
      set(key, booleans.has(name) ? flag.value !== "false" : flag.value, arg);
    } else if (booleans.has(name)) {
      if (next === "true" || next === "false") i++;
      set(key, next !== "false", arg);
    } else if (next !== undefined && !next.startsWith("-")) {
      i++;
      set(key, next, arg);
    } else {
      set(key, strings.has(name) ? "" : true, arg);
    }
  }

  for (const [key, value] of Object.entries(options.default ?? {})) {
    for (const each of [key, ...spellings(key, canonical)]) result[each] ??= value;
  }
  for (const key of collected) result[key] ??= [];
  for (const key of booleans) result[key] ??= false;
  return result as Args<B, S, C, D>;
}

function shortFlag(arg: string): Record<string, string> | undefined {
  return /^-(?<key>[a-z])(?:=(?<value>.*))?$/is.exec(arg)?.groups;
}

function aliases(alias: ParseOptions<string, string, string, unknown>["alias"]): Map<string, string> {
  return new Map(
    Object.entries(alias ?? {}).flatMap(([name, others]) => [others].flat().map((other) => [other, name])),
  );
}

function spellings(name: string, canonical: Map<string, string>): string[] {
  return [...canonical].filter(([, target]) => target === name).map(([other]) => other);
}
