/**
 * Whether a value that was read from a file is a report: by its schema (`data/report.schema.json`), of whose language this
 * is the part in use, and by what no schema can say.
 */
import { isDeepStrictEqual } from "node:util";
import schema from "../../data/report.schema.json" with { type: "json" };
import { evaluatePredictions } from "./metrics.ts";
import type { Report } from "./report.ts";

/** A schema, as far as it is used here. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  minItems?: number;
  minLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
}

const DEFINITIONS: Record<string, Schema> = schema.$defs;

/** What keeps a value from being a report, with its place: `run.shots is 0`; undefined when it is one. */
export function reportFault(value: unknown): string | undefined {
  return schemaFault(value, { schema: schema as Schema, place: "" }) ?? inconsistency(value as Report);
}

/** The numbers must be those of the predictions, and every number of a class that of one of its classes. */
function inconsistency({ run, results }: Report): string | undefined {
  const { metrics, worst, predictions: { labels, predictions } } = results;
  const { classNames } = run;
  const isClass = (label: number) => label < classNames.length;
  if (labels.length === 0) return "results.predictions.labels is empty";
  if (labels.length !== predictions.length) return "results.predictions has lists of two lengths";
  if (run.prompts.length !== classNames.length) return "run.prompts are not as many as run.classNames";
  if (!labels.every(isClass) || !predictions.every(isClass)) {
    return "results.predictions names a class that is not there";
  }
  const stray = worst.find((mistake) =>
    labels[mistake.index] !== mistake.label || predictions[mistake.index] !== mistake.prediction
  );
  if (stray !== undefined) return `results.worst has a mistake at ${stray.index} that results.predictions has not`;
  const counted = evaluatePredictions(predictions, { labels, classNames });
  if (!isDeepStrictEqual(metrics, counted)) return "results.metrics are not those of results.predictions";
  return undefined;
}

function schemaFault(value: unknown, { schema, place }: { schema: Schema; place: string }): string | undefined {
  const at = place === "" ? "the whole" : place;
  if (schema.$ref !== undefined) {
    const fault = schemaFault(value, { schema: DEFINITIONS[schema.$ref.slice("#/$defs/".length)], place });
    if (fault !== undefined) return fault;
  }
  if (schema.anyOf !== undefined) {
    const faults = schema.anyOf.map((option) => schemaFault(value, { schema: option, place }));
    if (!faults.includes(undefined)) return faults[0];
  }
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => isOf(type, value))) return `${at} is ${show(value)}, not ${types[0]}`;
  if (schema.const !== undefined && value !== schema.const) return `${at} is ${show(value)}, not ${show(schema.const)}`;
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return `${at} is ${show(value)}, not one of ${schema.enum.map(show).join(", ")}`;
  }
  if (typeof value === "number") {
    if (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)) return `${at} is ${value}`;
  }
  if (typeof value === "string") {
    const short = value.length < (schema.minLength ?? 0);
    if (short || (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))) {
      return `${at} is ${show(value)}`;
    }
  }
  if (Array.isArray(value)) return arrayFault(value, { schema, place, at });
  if (typeof value === "object" && value !== null) return objectFault(value, { schema, place });
  return undefined;
}

function arrayFault(
  value: unknown[],
  { schema, place, at }: { schema: Schema; place: string; at: string },
): string | undefined {
  if (value.length < (schema.minItems ?? 0)) return `${at} has ${value.length} items`;
  if (schema.items === undefined) return undefined;
  for (let i = 0; i < value.length; i++) {
    const fault = schemaFault(value[i], { schema: schema.items, place: `${place}[${i}]` });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function objectFault(value: object, { schema, place }: { schema: Schema; place: string }): string | undefined {
  const below = (key: string) => place === "" ? key : `${place}.${key}`;
  const missing = schema.required?.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) return `${below(missing)} is missing`;
  for (const [key, item] of Object.entries(value)) {
    const known = schema.properties !== undefined && Object.hasOwn(schema.properties, key)
      ? schema.properties[key]
      : schema.additionalProperties;
    if (known === false) return `${below(key)} is unknown`;
    if (typeof known !== "object") continue;
    const fault = schemaFault(item, { schema: known, place: below(key) });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      throw new Error(`The schema has the unknown type ${type}`);
  }
}

/** A value for a message, never longer than a line. */
function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
