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

/** By how they are referred to. */
const DEFINITIONS = new Map(
  Object.entries(schema.$defs).map(([name, definition]) => [`#/$defs/${name}`, definition as Schema]),
);

/** What keeps a value from being a report, with its place: `run.shots is 0`; undefined when it is one. */
export function reportFault(value: unknown): string | undefined {
  const fault = schemaFault(value, schema as Schema);
  if (fault === undefined) return inconsistency(value as Report);
  return `${fault.place.replace(/^\./, "") || "the whole"} ${fault.text}`;
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

/** What is wrong below a value, and where: `.shots[3]`. Nearly all values are right, so places are put together on the way out. */
interface Fault {
  place: string;
  text: string;
}

function schemaFault(value: unknown, schema: Schema): Fault | undefined {
  const { $ref, anyOf } = schema;
  const here = (text: string): Fault => ({ place: "", text });
  if ($ref !== undefined) {
    const fault = schemaFault(value, DEFINITIONS.get($ref)!);
    if (fault !== undefined) return fault;
  }
  if (anyOf !== undefined) {
    const faults = anyOf.map((option) => schemaFault(value, option));
    if (!faults.includes(undefined)) return faults[0];
  }
  const types = typeof schema.type === "string" ? [schema.type] : schema.type;
  if (types?.some((type) => TYPES[type](value)) === false) return here(`is ${shown(value)}, not ${types[0]}`);
  if (schema.const !== undefined && value !== schema.const) {
    return here(`is ${shown(value)}, not ${shown(schema.const)}`);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return here(`is ${shown(value)}, not one of ${schema.enum.map(shown).join(", ")}`);
  }
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return value < minimum || value > maximum ? here(`is ${value}`) : undefined;
  }
  if (typeof value === "string") {
    const { minLength = 0, pattern = "" } = schema;
    const isFine = value.length >= minLength && new RegExp(pattern).test(value) && fitsALine(value);
    return isFine ? undefined : here(`is ${shown(value)}`);
  }
  if (Array.isArray(value)) {
    const { items, minItems = 0 } = schema;
    if (value.length < minItems) return here(`has ${value.length} items`);
    for (let i = 0; items !== undefined && i < value.length; i++) {
      const fault = schemaFault(value[i], items);
      if (fault !== undefined) return { ...fault, place: `[${i}]${fault.place}` };
    }
    return undefined;
  }
  return typeof value === "object" && value !== null
    ? objectFault(value as Record<string, unknown>, schema)
    : undefined;
}

/** The first fault among the fields of an object; where the schema of others is `false`, there may be no other. */
function objectFault(value: Record<string, unknown>, schema: Schema): Fault | undefined {
  const { properties = {}, required = [], additionalProperties } = schema;
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) return { place: `.${missing}`, text: "is missing" };
  const odd = Object.keys(value).find((key) => !fitsALine(key));
  if (odd !== undefined) return { place: `.${shown(odd)}`, text: "has no name that fits a line" };
  for (const key of Object.keys(value)) {
    const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (own === false) return { place: `.${key}`, text: "is unknown" };
    const fault = typeof own === "object" ? schemaFault(value[key], own) : undefined;
    if (fault !== undefined) return { ...fault, place: `.${key}${fault.place}` };
  }
  return undefined;
}
