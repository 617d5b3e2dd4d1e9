/** Charts of a comparison, as SVG text. */
import {
  type Comparison,
  type Difference,
  type Measure,
  measured,
  MEASURES,
  measuresOf,
  type MethodSummary,
  signed,
  whyNone,
} from "../comparison.ts";
import { methodLabel } from "../../methods/method_label.ts";
import { ACCURACY_AXIS, axisName, drawChart, type Series } from "./charts.ts";
import { spreadChart, type SpreadSeries } from "./spread_chart.ts";
import { seriesColour } from "./theme.ts";

/** H is made of the others and stands back a little. */
const OPACITY: Readonly<Record<Measure, number>> = { base: 1, new: 1, all: 1, h: 0.6 };

interface Bar {
  method: string;
  measure: string;
  value: number;
  low: number;
  high: number;
  colour: string;
  opacity: number;
}

/** Where methods have no number, and what stands there instead. */
function gaps(
  comparison: Comparison,
  rows: readonly MethodSummary[],
): { method: string; measure: string; text: string }[] {
  const lack = (row: MethodSummary) => measuresOf(comparison).filter((measure) => measured(row, measure) === undefined);
  return rows.flatMap((row) =>
    lack(row).map((measure) => ({
      method: row.label,
      measure: MEASURES[measure],
      text: whyNone(comparison, row.method, measure),
    }))
  );
}

/** The height from which on a chart, printed on a page of A4, is so small that its text is hard to read. */
const MOST_HEIGHT = 780;
const ROW = 20;
const HEADING_ROW = 14;
const AXIS = 48;

/** Height of a chart with so many methods, a row a measure. */
function heightOf(methods: number, measures: number): number {
  return methods * (measures * ROW + HEADING_ROW) + AXIS;
}

/** Draws the rows in as many charts of like height as it takes; `which` is a chart's place among them, in words. */
async function inParts<T>(
  rows: readonly T[],
  { measures, draw }: { measures: number; draw: (rows: readonly T[], which: string) => Promise<string> },
): Promise<string[]> {
  const most = Math.max(1, Math.floor((MOST_HEIGHT - AXIS) / (measures * ROW + HEADING_ROW)));
  const count = Math.max(1, Math.ceil(rows.length / most));
  const charts: string[] = [];
  for (let i = 0; i < count; i++) {
    const part = rows.slice(Math.round(i * rows.length / count), Math.round((i + 1) * rows.length / count));
    charts.push(await draw(part, partWords(i, count)));
  }
  return charts;
}

/** `, 2 of 3`, where there are several. */
function partWords(part: number, of: number): string {
  return of === 1 ? "" : `, ${part + 1} of ${of}`;
}

function ofShots({ shots }: Comparison): string {
  return shots === null ? "" : ` at ${shots} ${shots === 1 ? "shot" : "shots"}`;
}

/** A method's name above its rows. */
const HEADING = {
  fy: (label: string) => label,
  text: (label: string) => label,
  frameAnchor: "top-left",
  dy: -12,
  dx: -34,
  fontWeight: 600,
} as const;

const GAP = { fy: "method", y: "measure", text: "text", textAnchor: "start", dx: 4, fill: "var(--muted)" } as const;

/**
 * A bar for each method and measure, with the deviation over seeds as a line and each seed as a dot; many methods in several
 * charts.
 */
export async function accuracyCharts(comparison: Comparison): Promise<string[]> {
  return await inParts(comparison.methods, {
    measures: measuresOf(comparison).length,
    draw: (methods, which) => accuracyChart(comparison, { methods, which }),
  });
}

async function accuracyChart(
  comparison: Comparison,
  { methods, which }: { methods: readonly MethodSummary[]; which: string },
): Promise<string> {
  const measures = measuresOf(comparison);
  const labels = methods.map(({ label }) => label);
  const bars = methods.flatMap((row) =>
    measures.flatMap((measure): Bar[] => {
      const found = measured(row, measure);
      if (found === undefined) return [];
      const { mean, std } = found;
      const look = { colour: seriesColour(comparison.methods.indexOf(row)), opacity: OPACITY[measure] };
      const ends = { low: mean - (std ?? 0), high: Math.min(100, mean + (std ?? 0)) };
      return [{ method: row.label, measure: MEASURES[measure], value: mean, ...ends, ...look }];
    })
  );
  const dots = methods.flatMap((row) =>
    measures.flatMap((measure) =>
      (measured(row, measure)?.perSeed ?? []).flatMap(({ seed, value }) =>
        seed === null ? [] : [{ method: row.label, measure: MEASURES[measure], value, seed }]
      )
    )
  );
  return await drawChart(
    `Accuracy of each method${ofShots(comparison)}: mean, deviation and seeds${which}`,
    (plot) => ({
      height: heightOf(labels.length, measures.length),
      marginLeft: 40,
      marginRight: 40,
      marginTop: 18,
      marginBottom: 34,
      x: ACCURACY_AXIS,
      y: { domain: measures.map((measure) => MEASURES[measure]), label: null, tickSize: 0, padding: 0.22 },
      fy: { domain: labels, label: null, axis: null, padding: 0.2 },
      opacity: { type: "identity" },
      color: { type: "identity" },
      marks: [
        plot.text(labels, HEADING),
        plot.text(gaps(comparison, methods), { ...GAP, x: 0 }),
        plot.barX(bars, { fy: "method", x: "value", y: "measure", fill: "colour", fillOpacity: "opacity", rx: 2 }),
        plot.ruleY(bars.filter(({ low, high }) => high > low), {
          fy: "method",
          x1: "low",
          x2: "high",
          y: "measure",
          stroke: "var(--ink)",
          strokeWidth: 1.5,
        }),
        plot.dot(dots, {
          fy: "method",
          x: "value",
          y: "measure",
          r: 2.6,
          fill: "var(--card)",
          stroke: "var(--ink)",
          title: ({ seed, value }: { seed: number; value: number }) => `seed ${seed}: ${value.toFixed(1)} %`,
        }),
        plot.text(bars, {
          fy: "method",
          x: 100,
          y: "measure",
          text: ({ value }: Bar) => value.toFixed(1),
          textAnchor: "start",
          dx: 8,
        }),
      ],
    }),
  );
}

/** Differences from the first method with their intervals; hollow where these seeds do not tell; many in several charts. */
export async function differenceCharts(comparison: Comparison): Promise<string[]> {
  const { differences } = comparison;
  const names = [...new Set(differences.map(({ method }) => method))];
  return await inParts(names, {
    measures: new Set(differences.map(({ of }) => of)).size,
    draw: (names, which) => differenceChart(comparison, { names, which }),
  });
}

async function differenceChart(
  comparison: Comparison,
  { names, which }: { names: readonly string[]; which: string },
): Promise<string> {
  const { differences, methods, interval } = comparison;
  const colourOf = (name: string) => seriesColour(methods.findIndex(({ method }) => method === name));
  const rows = differences.filter(({ method }) => names.includes(method)).map((one) => ({
    ...one,
    method: methodLabel(one.method),
    measure: MEASURES[one.of],
    colour: colourOf(one.method),
    fill: one.verdict === "better" || one.verdict === "worse" ? colourOf(one.method) : "var(--card)",
  }));
  const labels = [...new Set(rows.map(({ method }) => method))];
  const measures = [...new Set(rows.map(({ measure }) => measure))];
  // One scale in all parts.
  const reach = Math.max(5, ...differences.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]));
  return await drawChart(
    `Difference from ${methods[0].label}${ofShots(comparison)}, points, with ${
      Math.round(100 * interval.confidence)
    } % intervals${which}`,
    (plot) => ({
      height: heightOf(labels.length, measures.length),
      marginLeft: 40,
      marginRight: 48,
      marginTop: 18,
      marginBottom: 34,
      x: {
        domain: [-reach, reach],
        nice: true,
        label: "points",
        labelAnchor: "center",
        labelArrow: "none",
        ticks: 5,
        grid: true,
        tickFormat: (points: number) => points === 0 ? "0" : `${points < 0 ? "−" : "+"}${Math.abs(points)}`,
      },
      y: { type: "band", domain: measures, label: null, tickSize: 0, padding: 0.22 },
      fy: { domain: labels, label: null, axis: null, padding: 0.2 },
      color: { type: "identity" },
      opacity: { type: "identity" },
      marks: [
        plot.text(labels, HEADING),
        plot.ruleX([0], { stroke: "var(--muted)" }),
        plot.text(gaps(comparison, methods).filter(({ method }) => labels.includes(method)), { ...GAP, x: 0 }),
        plot.ruleY(rows, {
          fy: "method",
          x1: "low",
          x2: "high",
          y: "measure",
          stroke: "colour",
          strokeWidth: 3,
          strokeLinecap: "round",
        }),
        plot.dot(rows, {
          fy: "method",
          x: "difference",
          y: "measure",
          r: 4.5,
          fill: "fill",
          stroke: "colour",
          strokeWidth: 2,
        }),
        plot.text(rows, {
          fy: "method",
          y: "measure",
          frameAnchor: "right",
          textAnchor: "start",
          dx: 8,
          text: ({ difference }: Difference) => signed(difference),
        }),
      ],
    }),
  );
}

/** Accuracy over shots in one measure; methods that learn nothing are dashed lines. */
export async function shotsChart(comparison: Comparison, measure: Measure): Promise<string> {
  const { curve } = comparison;
  const methods = [...new Set(curve.map(({ method }) => method))];
  const series = methods.map((method, colour): SpreadSeries => {
    const own = curve.flatMap((point) => {
      const spread = point.method === method ? measured(point, measure) : undefined;
      return spread === undefined ? [] : [{ x: point.shots, spread }];
    });
    const name = methodLabel(method);
    return {
      name: own.length > 0 ? name : `${name}: ${whyNone(comparison, method, measure)}`,
      colour,
      points: own.flatMap(({ x, spread }) => x === null ? [] : [{ x: String(x), spread }]),
      level: own.find(({ x }) => x === null)?.spread.mean,
    };
  });
  const shots = [...new Set(curve.flatMap((point) => point.shots ?? []))].sort((a, b) => a - b).map(String);
  return await spreadChart(`${measure === "h" ? "H" : `Accuracy, ${measure} classes`} over shots`, {
    x: { type: "point", domain: shots, label: "images a class", padding: 0.3 },
    y: measure === "h" ? "H, %" : "accuracy, %",
    series,
    joined: true,
  });
}

/** Loss over epochs of all trained runs of the table, a colour a method. */
export function lossSeries(comparison: Comparison): Series[] {
  const methods = comparison.methods.map(({ method }) => method);
  const seen = new Set<string>();
  return comparison.runs.flatMap(({ method, shots, seed, loss }) => {
    const key = `${method} ${seed}`;
    if (loss.length === 0 || shots !== comparison.shots || seen.has(key)) return [];
    seen.add(key);
    return [{ name: axisName(methodLabel(method)), values: loss, colour: methods.indexOf(method) }];
  });
}
