/**
 * Stands in for `jsr:@std/cli/parse-args` (through `links` in `deno.json`), so that the kit runs where JSR cannot be
 * reached. It behaves as the real package, but for what is not here: names with dots are not nested, `boolean: true`
 * is not taken, and lists of names are lists also for one name.
 *
 * @module
 */

/** What may stand on the command line. */
export interface ParseOptions<B extends string, S extends string, C extends string, D> {
  /** Flags without a value; `false` when not given. */
  boolean?: readonly B[];
  /** Flags with a value, which stays text; `_` keeps words that belong to no flag as text. */
  string?: readonly S[];
  /** Flags that may be given several times; `[]` when not given, if they are also in `string` or `boolean`. */
  collect?: readonly C[];
  /** Flags that `--no-flag` sets to false. */
  negatable?: readonly string[];
  /** Values of the flags that are not given. */
  default?: D;
  /** Other names of flags. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Takes everything after the first word that belongs to no flag as such words. */
  stopEarly?: boolean;
  /** Keeps what follows `--` apart, in a list of that name. */
  "--"?: boolean;
  /** Called with every argument that the options do not name; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What `parseArgs` returns. */
export type Args<B extends string, S extends string, C extends string, D> =
  & { [K in B]: boolean }
  & { [K in Exclude<S, C | keyof D>]?: string }
  & { [K in S & keyof D]: string }
  & { [K in C]: string[] }
  & { [key: string]: unknown; _: (string | number)[]; "--"?: string[] };

type Value = string | number | boolean;

/** Reads a command line into a record; words that belong to no flag are in `_`, and so is all that follows `--`. */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
>(args: readonly string[], options: ParseOptions<B, S, C, D> = {}): Args<B, S, C, D> {
  const groups = Object.entries(options.alias ?? {}).map(([name, others]) => [name, others].flat());
  const spellings = (key: string) => groups.find((group) => group.includes(key)) ?? [key];
  const names = (list: readonly string[] | undefined) => new Set((list ?? []).flatMap(spellings));
  const booleans = names(options.boolean);
  const strings = names(options.string);
  const collected = names(options.collect);
  const negatable = names(options.negatable);
  const aliased = new Set(groups.flat());
  const end = args.indexOf("--");
  const words = end === -1 ? args : args.slice(0, end);
  const after = end === -1 ? [] : args.slice(end + 1);
  const result: Record<string, unknown> & { _: Value[] } = { _: [] };

  const set = (key: string, value: Value, arg: string, replaces = false) => {
    const isKnown = [booleans, strings, collected, aliased].some((set) => set.has(key));
    if (!isKnown && options.unknown?.(arg, key, value) === false) return;
    const typed = typeof value === "string" && !strings.has(key) ? numberOr(value) : value;
    for (const each of spellings(key)) {
      if (each === "__proto__") continue;
      const before = result[each];
      if (replaces || !collected.has(key)) result[each] = typed;
      else result[each] = Array.isArray(before) ? [...before, typed] : before ? [before, typed] : [typed];
    }
  };

  for (let i = 0; i < words.length; i++) {
    const arg = words[i];
    const next = words[i + 1];
    /** The flag's value is the next word, or there is none. */
    const setOpen = (key: string, isFlag: (word: string) => boolean) => {
      if (next && !booleans.has(key) && !isFlag(next)) {
        i++;
        set(key, next, arg);
      } else if (next === "true" || next === "false") {
        i++;
        set(key, next === "true", arg);
      } else {
        set(key, strings.has(key) ? "" : true, arg);
      }
    };
    const long = /^--(?<no>no-)?(?<key>.+?)(?:=(?<value>.*))?$/s.exec(arg)?.groups;
    if (long !== undefined) {
      const { no, key, value } = long;
      // As in the real package, --no-flag=value is --flag=value.
      if (value !== undefined) set(key, booleans.has(key) ? value !== "false" : value, arg);
      else if (no && negatable.has(key)) set(key, false, arg, true);
      else setOpen(`${no ?? ""}${key}`, (word) => word.startsWith("-"));
    } else if (/^-./s.test(arg)) {
      for (const { key, value, isOpen } of shortFlags(arg.slice(1))) {
        if (isOpen) setOpen(key, (word) => /^--?[^-]/.test(word));
        else set(key, value ?? (strings.has(key) ? "" : true), arg);
      }
    } else {
      if (options.unknown?.(arg) !== false) result._.push(strings.has("_") ? arg : numberOr(arg));
      if (options.stopEarly) {
        result._.push(...words.slice(i + 1));
        break;
      }
    }
  }

  for (const [key, value] of Object.entries(options.default ?? {})) {
    if (!Object.hasOwn(result, key)) { for (const each of spellings(key)) result[each] = value; }
  }
  for (const key of [...booleans, ...strings]) {
    if (Object.hasOwn(result, key)) continue;
    if (collected.has(key)) result[key] = [];
    else if (booleans.has(key)) result[key] = false;
  }
  if (options["--"]) result["--"] = after;
  else result._.push(...after);
  return result as Args<B, S, C, D>;
}

function numberOr(word: string): string | number {
  return /\S/.test(word) && Number.isFinite(Number(word)) ? Number(word) : word;
}

/** `abc` is three flags; `n5`, `n=5` and `n/x` are one with a value. The value of the last may be the next word. */
function* shortFlags(letters: string): Iterable<{ key: string; value?: string; isOpen?: boolean }> {
  for (let i = 0; i < letters.length; i++) {
    const key = letters[i];
    const rest = letters.slice(i + 1);
    if (rest === "") {
      if (key !== "-") yield { key, isOpen: true };
      return;
    }
    if (rest === "-") {
      yield { key, value: "-" };
      continue;
    }
    const isLetter = /[A-Za-z]/.test(key);
    const given = rest === "=" ? "" : isLetter ? /=(.+)/.exec(rest)?.[1] : undefined;
    if (given !== undefined) return yield { key, value: given };
    const isNumber = isLetter && /-?\d+(\.\d*)?(e-?\d+)?$/.test(rest);
    if (isNumber || rest.length > 1 && /\W/.test(rest[0])) return yield { key, value: rest };
    yield { key };
  }
}
