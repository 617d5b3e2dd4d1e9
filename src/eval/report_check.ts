/**
 * Whether a value that was read from a file is a report: by its schema (`data/report.schema.json`), of whose language this
 * is the part in use, and by what no schema can say.
 */
import { isDeepStrictEqual } from "node:util";
import schema from "../../data/report.schema.json" with { type: "json" };
import { fitsALine, shown } from "../errors.ts";
import { expectedError } from "./calibration.ts";
import { evaluatePredictions, type Metrics } from "./metrics.ts";
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
function inconsistency({ reportVersion, run, results }: Report): string | undefined {
  const { metrics, calibration, worst, predictions: { labels, predictions } } = results;
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
  if ((reportVersion > 1) !== (calibration !== undefined)) {
    return `results.calibration is ${calibration === undefined ? "missing" : "unknown in layout 1"}`;
  }
  return calibration && miscounted(calibration, metrics);
}

/** The bins must hold all images, each in its place, and give the error. */
function miscounted(
  calibration: NonNullable<Report["results"]["calibration"]>,
  { total, correct }: Metrics,
): string | undefined {
  const { images, correct: right, confidence } = calibration;
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  if (images.length !== right.length || images.length !== confidence.length) {
    return "results.calibration has lists of two lengths";
  }
  if (sum(images) !== total || sum(right) !== correct) return "results.calibration counts other images";
  const stray = confidence.findIndex((mean, i) => {
    if (right[i] > images[i] || (images[i] === 0) !== (mean === null)) return true;
    // Means are rounded.
    return mean !== null && Math.abs(mean * images.length - (i + 0.5)) > 0.5 + 1e-6;
  });
  if (stray >= 0) return `results.calibration.confidence[${stray}] is not in its bin`;
  return calibration.ece === expectedError(calibration) ? undefined : "results.calibration.ece is not that of its bins";
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  null: (value) => value === null,
  array: Array.isArray,
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  integer: Number.isSafeInteger,
  number: Number.isFinite,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
};

function schemaFault(value: unknown, { schema, place }: { schema: Schema; place: string }): string | undefined {
  const at = place === "" ? "the whole" : place;
  const { $ref, anyOf, minimum = -Infinity, maximum = Infinity, minLength = 0, pattern = "", minItems = 0 } = schema;
  if ($ref !== undefined) {
    const fault = schemaFault(value, { schema: DEFINITIONS[$ref.slice("#/$defs/".length)], place });
    if (fault !== undefined) return fault;
  }
  if (anyOf !== undefined) {
    const faults = anyOf.map((option) => schemaFault(value, { schema: option, place }));
    if (!faults.includes(undefined)) return faults[0];
  }
  const types = typeof schema.type === "string" ? [schema.type] : schema.type;
  if (types?.some((type) => TYPES[type](value)) === false) return `${at} is ${shown(value)}, not ${types[0]}`;
  if (schema.const !== undefined && value !== schema.const) {
    return `${at} is ${shown(value)}, not ${shown(schema.const)}`;
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return `${at} is ${shown(value)}, not one of ${schema.enum.map(shown).join(", ")}`;
  }
  if (typeof value === "number" && (value < minimum || value > maximum)) return `${at} is ${value}`;
  if (
    typeof value === "string" &&
    (value.length < minLength || !new RegExp(pattern).test(value) || !fitsALine(value))
  ) {
    return `${at} is ${shown(value)}`;
  }
  if (Array.isArray(value)) {
    if (value.length < minItems) return `${at} has ${value.length} items`;
    return firstFault(value.entries(), (i) => ({ schema: schema.items, place: `${place}[${i}]` }));
  }
  return typeof value === "object" && value !== null ? objectFault(value, { schema, place }) : undefined;
}

function objectFault(value: object, { schema, place }: { schema: Schema; place: string }): string | undefined {
  const { properties = {}, required = [], additionalProperties } = schema;
  const below = (key: string) => place === "" ? key : `${place}.${key}`;
  const schemaOf = (key: string) => Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) return `${below(missing)} is missing`;
  const odd = Object.keys(value).find((key) => !fitsALine(key));
  if (odd !== undefined) return `${below(shown(odd))} has no name that fits a line`;
  return firstFault(Object.entries(value), (key) => ({ schema: schemaOf(key), place: below(key) }));
}

/** The first fault among the items of a list or an object; where the schema is `false`, there may be no item. */
function firstFault<K>(
  items: Iterable<[K, unknown]>,
  ruleOf: (key: K) => { schema: Schema | boolean | undefined; place: string },
): string | undefined {
  for (const [key, item] of items) {
    const { schema, place } = ruleOf(key);
    if (schema === false) return `${place} is unknown`;
    const fault = typeof schema === "object" ? schemaFault(item, { schema, place }) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
}
