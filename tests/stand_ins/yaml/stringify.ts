import { type SchemaType, type Tag, TAGS } from "./schemas.ts";
import { writeText } from "./text.ts";

/** How YAML is written. */
export interface StringifyOptions {
  /** Spaces of a level; 2 when not given. */
  indent?: number;
  /** Lists stand a level deeper than their key; true when not given. */
  arrayIndent?: boolean;
  /** Leaves out what YAML has no form for, instead of an error. */
  skipInvalid?: boolean;
  /** From this level on in one line, as `[a, b]`; -1, never, when not given. */
  flowLevel?: number;
  /** What values may be; `default` when not given. */
  schema?: SchemaType;
  /** Keys in the order of their characters, or of a function. */
  sortKeys?: boolean | ((a: string, b: string) => number);
  /** Longer text is folded; 80 when not given, -1 for never. */
  lineWidth?: number;
  /** What occurs twice is written once and referred to; true when not given. */
  useAnchors?: boolean;
  /** `yes`, `no`, `on`, `off` and the like are put in quotes; true when not given. */
  compatMode?: boolean;
  /** Saves the spaces in `[a, b]`. */
  condenseFlow?: boolean;
  /** The quotes of text that needs some; `'` when not given. */
  quoteStyle?: "'" | '"';
}

interface Place {
  level: number;
  block: boolean;
  /** Begins in the line of what it belongs to. */
  compact: boolean;
  isKey?: boolean;
}

const FLOW = { block: false, compact: false };

/** Writes a value as a YAML document. Throws a TypeError for what YAML has no form for: functions, symbols, undefined. */
export function stringify(data: unknown, options: StringifyOptions = {}): string {
  return new Writer(options).document(data);
}

class Writer {
  readonly #options: Required<StringifyOptions>;
  readonly #tags: readonly Tag[];
  /** What occurs more than once, and whether it was written already. */
  readonly #shared = new Map<object, { index: number; written: boolean }>();

  constructor(options: StringifyOptions) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#options = {
      arrayIndent: true,
      skipInvalid: false,
      flowLevel: -1,
      schema: "default",
      sortKeys: false,
      lineWidth: 80,
      useAnchors: true,
      compatMode: true,
      condenseFlow: false,
      quoteStyle: "'",
      ...given,
      indent: Math.max(1, options.indent ?? 2),
    };
    this.#tags = TAGS[this.#options.schema];
  }

  document(data: unknown): string {
    if (this.#options.useAnchors) this.#findShared(data);
    const text = this.#node(data, { level: 0, block: true, compact: true });
    return text === undefined ? "" : `${text}\n`;
  }

  /** Level by level: the names of the anchors count in this order. */
  #findShared(root: unknown): void {
    const seen = new Set<object>();
    let level: unknown[] = [root];
    while (level.length > 0) {
      const next: unknown[] = [];
      for (const value of level) {
        if (typeof value !== "object" || value === null) continue;
        if (seen.has(value)) {
          if (!this.#shared.has(value)) this.#shared.set(value, { index: this.#shared.size, written: false });
          continue;
        }
        seen.add(value);
        for (const child of Object.values(value)) next.push(child);
      }
      level = next;
    }
  }

  /** Undefined for what is left out. */
  #node(value: unknown, place: Place): string | undefined {
    const { flowLevel, skipInvalid, indent } = this.#options;
    const { level } = place;
    for (const { tag, implicit, represent } of this.#tags) {
      const text = represent?.(value);
      if (text === undefined) continue;
      return implicit ? text : `!<${tag}> ${this.#text(text, place)}`;
    }
    if (typeof value === "string" || value instanceof String) return this.#text(String(value), place);
    if (typeof value !== "object" || value === null) {
      if (skipInvalid) return undefined;
      throw new TypeError(`Cannot stringify ${typeof value}`);
    }
    const shared = this.#shared.get(value);
    if (shared?.written) return `*ref_${shared.index}`;
    if (shared !== undefined) shared.written = true;
    const anchor = shared === undefined ? "" : `&ref_${shared.index}`;
    const compact = place.compact && shared === undefined && (indent === 2 || level === 0);
    const isList = Array.isArray(value);
    const inner = isList && !this.#options.arrayIndent && level > 0 ? level - 1 : level;
    const block = place.block && (flowLevel < 0 || flowLevel > level) && Object.keys(value).length > 0;
    if (block) {
      return anchor + (isList ? this.#blockList(value, inner, compact) : this.#blockTable(value, level, compact));
    }
    return (anchor && `${anchor} `) + (isList ? this.#flowList(value, inner) : this.#flowTable(value, level));
  }

  #text(text: string, { level, isKey = false }: Place): string {
    const { indent, lineWidth, compatMode, quoteStyle, flowLevel } = this.#options;
    return writeText(text, {
      indentPerLevel: indent,
      indent: indent * Math.max(1, level),
      lineWidth,
      oneLine: isKey || (flowLevel > -1 && level >= flowLevel),
      compatMode,
      quoteStyle,
      isOther: (word) =>
        this.#tags.some(({ implicit, rules }) => implicit && (rules.resolve?.(word as never) ?? false)),
    });
  }

  #blockList(list: readonly unknown[], level: number, compact: boolean): string {
    const items = list.map((value) => this.#node(value, { level: level + 1, block: true, compact: true }))
      .filter((text) => text !== undefined).map((text) => text.startsWith("\n") ? `-${text}` : `- ${text}`);
    return this.#lines(items, { level, compact, empty: "[]" });
  }

  #blockTable(table: object, level: number, compact: boolean): string {
    const { sortKeys } = this.#options;
    const entries = Object.entries(table);
    if (sortKeys === true) entries.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
    else if (typeof sortKeys === "function") entries.sort(([a], [b]) => sortKeys(a, b));
    else if (sortKeys) throw new TypeError(`"sortKeys" must be a boolean or a function: received ${typeof sortKeys}`);
    const pairs: string[] = [];
    for (const [key, value] of entries) {
      const name = this.#text(key, { level: level + 1, block: true, compact: true, isKey: true });
      const isLong = name.length > 1024;
      const text = this.#node(value, { level: level + 1, block: true, compact: isLong });
      if (text === undefined) continue;
      const start = isLong ? `? ${name}${this.#newLine(level)}:` : `${name}:`;
      pairs.push(text.startsWith("\n") ? start + text : `${start} ${text}`);
    }
    return this.#lines(pairs, { level, compact, empty: "{}" });
  }

  #flowList(list: readonly unknown[], level: number): string {
    const items = list.map((value) => this.#node(value, { level, ...FLOW })).filter((text) => text !== undefined);
    return `[${items.join(this.#options.condenseFlow ? "," : ", ")}]`;
  }

  #flowTable(table: object, level: number): string {
    const { condenseFlow } = this.#options;
    const pairs: string[] = [];
    for (const [key, value] of Object.entries(table)) {
      const name = this.#text(key, { level, ...FLOW });
      const text = this.#node(value, { level, ...FLOW });
      if (text === undefined) continue;
      const start = name.length > 1024 ? `? ${name}` : name;
      pairs.push(condenseFlow ? `"${start}":${text}` : `${start}: ${text}`);
    }
    return `{${pairs.join(", ")}}`;
  }

  #lines(lines: readonly string[], { level, compact, empty }: { level: number; compact: boolean; empty: string }) {
    if (lines.length === 0) return empty;
    const newLine = this.#newLine(level);
    return (compact ? "" : newLine) + lines.join(newLine);
  }

  #newLine(level: number): string {
    return `\n${" ".repeat(this.#options.indent * level)}`;
  }
}
