/** What a sweep varies: settings of a method with values or ranges, and the points that a grid or chance makes of them. */
import { namedStream } from "../data/random.ts";
import { didYouMean } from "../did_you_mean.ts";
import { UserError } from "../errors.ts";
import type { Method } from "../methods/method.ts";
import { flagName, type Setting } from "../methods/setting.ts";
import { settingsOf } from "./settings.ts";

/** A setting and what is tried of it: values as they are typed, or a range of numbers, both ends in it. */
export type Axis = { name: string } & ({ values: string[] } | { low: number; high: number; whole: boolean });

/** A value of each axis by its setting's name, as it is typed. */
export type Point = Readonly<Record<string, string>>;

/** How points are found. */
export type Search = { kind: "grid" } | { kind: "random"; points: number; seed: number };

/** Digits of a number that is drawn: as many as tell in a result. */
const DIGITS = 3;

/** Draws for each point that is wanted. */
const MOST_TRIES = 1000;

/** `0.0001..0.01` */
const RANGE = /^(.+)\.\.(.+)$/;

/**
 * Reads `lr=0.001,0.002,context-tokens=4,16`: what has a `=` begins the next axis.
 *
 * @throws {UserError} for a setting that the method does not have or a value that it does not take
 */
export function parseAxes(text: string, { method, label }: { method: Method; label: string }): Axis[] {
  const found = new Map<string, string[]>();
  let values: string[] | undefined;
  for (const part of text.split(",").map((one) => one.trim())) {
    const [, flag, value] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
    if (flag !== undefined) {
      const name = settingNamed(flag.trim(), { method, label });
      if (found.has(name)) throw new UserError(`${label} has ${flagName(name)} twice: give all of its values once.`);
      found.set(name, values = []);
    }
    if (values === undefined) throw new UserError(`${label} is "${text}": name a setting first, as in lr=0.001,0.002.`);
    values.push((value ?? part).trim());
  }
  return [...found].map(([name, values]) => axisOf(name, values, { setting: method.settings[name], label }));
}

/** The settings of a method that can be varied: its own, as far as they change numbers. */
export function variableSettings(method: Method): string[] {
  return Object.keys(method.settings).filter((name) => {
    const { fixed, variant, changesNumbers } = method.settings[name];
    // Values that make another method of it have folders of their own.
    return !fixed && !variant && !(name in (method.variants ?? {})) && changesNumbers !== false;
  });
}

/** The method's own setting that a flag names. */
function settingNamed(flag: string, { method, label }: { method: Method; label: string }): string {
  const own = variableSettings(method);
  if (own.length === 0) throw new UserError(`${method.label} has no settings of its own to vary.`);
  const name = own.find((one) => flagName(one) === flag);
  if (name !== undefined) return name;
  if (Object.keys(settingsOf(method)).some((one) => flagName(one) === flag)) {
    throw new UserError(
      `${label} names ${flag}, which is not ${method.label}'s own: of its own are ${own.map(flagName).join(", ")}.`,
    );
  }
  const flags = own.map(flagName);
  const suggestion = didYouMean(flag, flags) || ` It has ${flags.join(", ")}.`;
  throw new UserError(`${label} names "${flag}", which is no setting of ${method.label}.${suggestion}`);
}

function axisOf(name: string, texts: string[], at: { setting: Setting<unknown>; label: string }): Axis {
  const { setting } = at;
  const label = `${flagName(name)} in ${at.label}`;
  const range = texts.length === 1 ? RANGE.exec(texts[0]) : null;
  if (range === null) {
    const values = texts.map((text) => {
      if (RANGE.test(text)) throw new UserError(`${label} mixes values and a range: give either.`);
      return String(setting.parse(text, label));
    });
    return { name, values: [...new Set(values)] };
  }
  const [low, high] = range.slice(1).map((text) => setting.parse(text.trim(), label));
  if (typeof low !== "number" || typeof high !== "number") {
    throw new UserError(`${label} is "${texts[0]}", and only numbers have a range: list the values.`);
  }
  if (low >= high) throw new UserError(`${label} is "${texts[0]}": a range goes from its smaller end to its larger.`);
  return { name, low, high, whole: takesWholeNumbersOnly(setting, low) };
}

function takesWholeNumbersOnly(setting: Setting<unknown>, low: number): boolean {
  try {
    setting.parse(String(Math.floor(low) + 0.5), "");
    return false;
  } catch {
    return true;
  }
}

/**
 * The points of a search, each once. Those of a grid come in its order, the last axis first; chance draws each axis from a
 * stream of its own, so that more points begin with the same ones.
 *
 * @throws {UserError} for a range in a grid
 */
export function pointsOf(axes: readonly Axis[], search: Search): Point[] {
  return search.kind === "grid" ? gridOf(axes) : drawn(axes, search);
}

function gridOf(axes: readonly Axis[]): Point[] {
  return axes.reduce<Point[]>((points, axis) => {
    if (!("values" in axis)) {
      throw new UserError(
        `${
          flagName(axis.name)
        } has a range, and a grid has values: list them, or draw so many settings with --random 20.`,
      );
    }
    return points.flatMap((point) => axis.values.map((value) => ({ ...point, [axis.name]: value })));
  }, [{}]);
}

function drawn(axes: readonly Axis[], { points, seed }: { points: number; seed: number }): Point[] {
  const streams = axes.map(({ name }) => namedStream(seed, "sweep", name));
  const most = Math.min(points, axes.reduce((all, axis) => all * sizeOf(axis), 1));
  const found = new Map<string, Point>();
  // Ranges that are narrower than what is drawn of them have fewer points than it seems.
  for (let tries = 0; found.size < most && tries < MOST_TRIES * most; tries++) {
    const point = Object.fromEntries(axes.map((axis, i) => [axis.name, valueAt(axis, streams[i].random())]));
    const key = JSON.stringify(point);
    if (!found.has(key)) found.set(key, point);
  }
  return [...found.values()];
}

/** How many values an axis surely has. */
function sizeOf(axis: Axis): number {
  if ("values" in axis) return axis.values.length;
  return axis.whole ? axis.high - axis.low + 1 : Infinity;
}

/** Of a range, equally likely in each octave (equally likely everywhere where it starts at 0); of values, each alike. */
function valueAt(axis: Axis, share: number): string {
  if ("values" in axis) return axis.values[Math.floor(share * axis.values.length)];
  const { low, high, whole } = axis;
  // A whole number stands for all from itself to the next.
  const end = whole ? high + 1 : high;
  const value = low === 0 ? share * end : low * (end / low) ** share;
  if (whole) return String(Math.min(high, Math.floor(value)));
  return String(Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS)))));
}
