/** What a plain word, a tag or a value stands for under each of the five schemas. */
import { Schema, Type, type TypeRules } from "./js_yaml.ts";

/** The names of the schemas; each reads more than the one before, `core` the same as `json`. */
export type SchemaType = "failsafe" | "json" | "core" | "default" | "extended";

/** A kind of value. */
export interface Tag {
  tag: string;
  rules: TypeRules;
  /** Plain words are taken for it without the tag. */
  implicit?: boolean;
  /** What a value is written as, undefined when it is not of this kind. */
  represent?(value: unknown): string | undefined;
}

const is = (value: unknown, kind: string) => Object.prototype.toString.call(value) === `[object ${kind}]`;
const holding = (value: unknown) => value instanceof Number || value instanceof Boolean ? value.valueOf() : value;
const matches = (pattern: RegExp) => (data: unknown) => typeof data === "string" && pattern.test(data);
const ORIGIN = "tag:yaml.org,2002:";

const FAILSAFE: Tag[] = [
  { tag: "str", rules: { kind: "scalar", construct: (data: string | null) => data ?? "" } },
  { tag: "seq", rules: { kind: "sequence", construct: (data: unknown[] | null) => data ?? [] } },
  { tag: "map", rules: { kind: "mapping", construct: (data: unknown) => data ?? {} } },
];

// Of decimal integers only zero is among these; the others are read as floats, with the same result.
const INTEGER = /^[-+]?0(?:b[01_]*[01]|x[\da-f_]*[\da-f]|[0-7_]*[0-7])?$/i;
const CAPITAL_PREFIX = /^[-+]?0[BX]/;
const FLOAT = /^(?:[-+]?(?:0|[1-9][\d_]*)(?:\.[\d_]*)?(?:e[-+]?\d+)?|\.[\d_]+(?:e[-+]?\d+)?)$/i;
const ENDLESS = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

function readInteger(data: string): number {
  const [, sign, prefix, digits] = /^([-+]?)(0b|0x|)(.*)$/.exec(data.replaceAll("_", ""))!;
  const value = parseInt(digits, { "0b": 2, "0x": 16 }[prefix] ?? 8);
  return sign === "-" && value !== 0 ? -value : value;
}

function readFloat(data: string): number {
  const plain = data.replaceAll("_", "").toLowerCase();
  if (plain.endsWith(".nan")) return NaN;
  if (plain.endsWith(".inf")) return plain.startsWith("-") ? -Infinity : Infinity;
  return plain.startsWith("-") ? -parseFloat(plain.slice(1)) : parseFloat(plain);
}

function writeFloat(value: unknown): string | undefined {
  if (typeof value !== "number" || (value % 1 === 0 && !Object.is(value, -0))) return undefined;
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value < 0 ? "-.inf" : ".inf";
  if (value === 0) return "-0.0";
  return String(value).replace(/^(-?\d+)e/, "$1.e");
}

const JSON_TAGS: Tag[] = [
  {
    tag: "null",
    implicit: true,
    rules: { kind: "scalar", resolve: matches(/^(?:~|null|Null|NULL)$/), construct: () => null },
    represent: (value) => value === null ? "null" : undefined,
  },
  {
    tag: "bool",
    implicit: true,
    rules: {
      kind: "scalar",
      resolve: matches(/^(?:true|True|TRUE|false|False|FALSE)$/),
      construct: (data: string) => data.toLowerCase() === "true",
    },
    represent: (value) => typeof holding(value) === "boolean" ? String(holding(value)) : undefined,
  },
  {
    tag: "int",
    implicit: true,
    rules: {
      kind: "scalar",
      resolve: (data: unknown) => matches(INTEGER)(data) && !matches(CAPITAL_PREFIX)(data),
      construct: readInteger,
    },
    represent: (value) =>
      Number.isInteger(holding(value)) && !Object.is(holding(value), -0) ? String(value) : undefined,
  },
  {
    tag: "float",
    implicit: true,
    rules: {
      kind: "scalar",
      resolve: (data: string | null) =>
        data !== null && !data.endsWith("_") && (FLOAT.test(data) || ENDLESS.test(data)),
      construct: readFloat,
    },
    represent: (value) => writeFloat(holding(value)),
  },
];

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:Z|([-+])(\d\d?)(?::(\d\d))?))?$/;

function readTimestamp(data: string): Date {
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = "", sign, zoneHour = 0, zoneMinute = 0] =
    DATE.exec(data) ?? TIME.exec(data)!;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const utc = Date.UTC(+year, +month - 1, +day, +hour, +minute, +second, ms);
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  return new Date(sign === "-" ? utc + zone : utc - zone);
}

const readBinary = (data: string) => Uint8Array.from(atob(data.replaceAll(/[\r\n=]/g, "")), (c) => c.charCodeAt(0));

function isBinary(data: string | null): boolean {
  if (data === null || !/^[A-Za-z0-9+/=\r\n]*$/.test(data)) return false;
  return data.replaceAll(/[\r\n]/g, "").length % 4 === 0 && /^[^=]*={0,2}$/.test(data.replaceAll(/[\r\n]/g, ""));
}

const oneKeyed = (data: unknown[]) =>
  data.every((item) => is(item, "Object") && Object.keys(item as object).length === 1);

const DEFAULT: Tag[] = [
  {
    tag: "timestamp",
    implicit: true,
    rules: {
      kind: "scalar",
      resolve: (data: string | null) => data !== null && (DATE.test(data) || TIME.test(data)),
      construct: readTimestamp,
    },
    represent: (value) => value instanceof Date ? value.toISOString() : undefined,
  },
  {
    tag: "merge",
    implicit: true,
    rules: { kind: "scalar", resolve: (data: string | null) => data === "<<" || data === null },
  },
  {
    tag: "binary",
    rules: { kind: "scalar", resolve: isBinary, construct: readBinary },
    represent: (value) =>
      value instanceof Uint8Array ? btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join("")) : undefined,
  },
  {
    tag: "omap",
    rules: {
      kind: "sequence",
      resolve: (data: object[] | null) =>
        data === null || oneKeyed(data) && new Set(data.flatMap(Object.keys)).size === data.length,
    },
  },
  {
    tag: "pairs",
    rules: {
      kind: "sequence",
      resolve: (data: unknown[] | null) => data === null || oneKeyed(data),
      construct: (data: object[] | null) => (data ?? []).flatMap((item) => Object.entries(item)),
    },
  },
  {
    tag: "set",
    rules: {
      kind: "mapping",
      resolve: (data: object | null) => data === null || Object.values(data).every((value) => value === null),
      construct: (data: unknown) => data ?? {},
    },
  },
];

const PATTERN = /^\/([\s\S]+)\/([gismuy]*)$/;

const EXTENDED: Tag[] = [
  {
    tag: "js/regexp",
    rules: {
      kind: "scalar",
      resolve(data: string | null) {
        if (!data) return false;
        if (!data.startsWith("/")) return true;
        const flags = PATTERN.exec(data)?.[2];
        return flags !== undefined && new Set(flags).size === flags.length;
      },
      construct: (data: string) => new RegExp(PATTERN.exec(data)?.[1] ?? data, PATTERN.exec(data)?.[2]),
    },
    represent: (value) => value instanceof RegExp ? String(value) : undefined,
  },
  {
    tag: "js/undefined",
    rules: { kind: "scalar", construct: () => undefined },
    represent: (value) => value === undefined ? "" : undefined,
  },
];

const withOrigin = (tags: Tag[]) => tags.map((one) => ({ ...one, tag: ORIGIN + one.tag }));

/** Everything that a schema has. */
export const TAGS: Readonly<Record<SchemaType, readonly Tag[]>> = {
  failsafe: withOrigin(FAILSAFE),
  json: withOrigin([...JSON_TAGS, ...FAILSAFE]),
  core: withOrigin([...JSON_TAGS, ...FAILSAFE]),
  default: withOrigin([...JSON_TAGS, ...DEFAULT, ...FAILSAFE]),
  extended: withOrigin([...EXTENDED, ...JSON_TAGS, ...DEFAULT, ...FAILSAFE]),
};

/** The schema as js-yaml takes it. */
export function schemaOf(name: SchemaType): Schema {
  const types = (implicit: boolean) =>
    TAGS[name].filter((one) => (one.implicit ?? false) === implicit).map(({ tag, rules }) => new Type(tag, rules));
  return new Schema({ implicit: types(true), explicit: types(false) });
}
