/**
 * Charts of one run, as SVG text. Each is drawn {@linkcode CHART_WIDTH} wide, which a phone shows at its own size.
 */
import { loadDom, loadPlot } from "../../deps.ts";
import type { Metrics } from "../metrics.ts";
import { seriesColour, seriesDash, seriesFill, seriesSymbol } from "./theme.ts";

type Plot = Awaited<ReturnType<typeof loadPlot>>;
/** The options of a plot. */
export type PlotOptions = NonNullable<Parameters<Plot["plot"]>[0]>;
/** A layer of a plot. */
export type Mark = NonNullable<PlotOptions["marks"]>[number];

/** Width of all charts, in SVG units. */
export const CHART_WIDTH = 340;

/** Bars that a chart has room for. */
const MOST_BARS = 15;

/** A curve. */
export interface Series {
  name: string;
  values: readonly number[];
  /** Number of its colour. */
  colour: number;
}

/** The axis of bars that are accuracies. */
export const ACCURACY_AXIS = {
  domain: [0, 100],
  label: "accuracy, %",
  labelAnchor: "center",
  labelArrow: "none",
  ticks: [0, 25, 50, 75, 100],
  grid: true,
} as const;

/** Draws a chart. */
export async function drawChart(title: string, options: (plot: Plot) => PlotOptions): Promise<string> {
  const plot = await loadPlot();
  const { parseHTML } = await loadDom();
  // linkedom's types speak of a browser's window, which Deno has not.
  const { document } = parseHTML("<html><body></body></html>") as unknown as Pick<PlotOptions, "document">;
  const svg = plot.plot({
    width: CHART_WIDTH,
    // Plot's default style asks for a white background behind some marks.
    style: { background: "none", fontSize: "11px", overflow: "visible" },
    document,
    ariaLabel: title,
    ...options(plot),
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  // The page gives the width; without these the drawing follows it.
  svg.removeAttribute("height");
  return svg.outerHTML;
}

/** The upright axis has its name beside it, turned: above it stands the legend. */
export function upright(
  label: string,
): { label: string; labelAnchor: "center"; labelArrow: "none"; grid: true; ticks: 5 } {
  return { label, labelAnchor: "center", labelArrow: "none", grid: true, ticks: 5 };
}

/** Few epochs have a mark each: between them there is none, and its number would be rounded to one of theirs. */
function epochAxis(epochs: number) {
  const ticks = Math.max(1, Math.min(5, epochs - 1));
  return { label: "epoch", labelAnchor: "center", labelArrow: "none", ticks, tickFormat: "d" } as const;
}

/** Loss over epochs, a line a series. */
export async function lossChart(series: readonly Series[]): Promise<string> {
  return await drawChart("Loss over epochs", (plot) => ({
    height: 220 + legendHeight(series),
    marginLeft: 54,
    marginBottom: 36,
    marginTop: 14 + legendHeight(series),
    x: epochAxis(Math.max(...series.map(({ values }) => values.length))),
    y: { ...upright("mean cross-entropy"), zero: true, nice: true },
    marks: [
      ...series.flatMap(({ values, colour }) => {
        const points = values.map((loss, i) => ({ epoch: i + 1, loss }));
        const at = { x: "epoch", y: "loss", stroke: seriesColour(colour) };
        return [
          plot.lineY(points, {
            ...at,
            strokeWidth: series.length > 3 ? 1.2 : 1.8,
            strokeDasharray: seriesDash(colour),
          }),
          plot.dot(points.slice(-1), { ...at, r: 3, symbol: seriesSymbol(colour), fill: seriesFill(colour) }),
        ];
      }),
      ...legendMarks(plot, series),
    ],
  }));
}

/** Learning rate over epochs. */
export async function rateChart(rates: readonly number[]): Promise<string> {
  const points = rates.map((rate, i) => ({ epoch: i + 1, rate }));
  const at = { x: "epoch", y: "rate", stroke: seriesColour(2) };
  return await drawChart("Learning rate over epochs", (plot) => ({
    height: 220,
    marginLeft: 64,
    marginBottom: 36,
    marginTop: 14,
    x: epochAxis(rates.length),
    y: {
      ...upright("learning rate"),
      zero: true,
      tickFormat: rateText,
    },
    marks: [
      plot.lineY(points, { ...at, strokeWidth: 1.8, curve: "step" }),
      // Of a single epoch there is no line.
      plot.dot(points.slice(-1), { ...at, r: 3, fill: "var(--card)" }),
    ],
  }));
}

/** `0.0025`; smaller ones as `2e-6`, for which there is room beside the axis. */
function rateText(rate: number): string {
  const number = Number(rate.toPrecision(3));
  return number !== 0 && number < 1e-4 ? number.toExponential() : String(number);
}

/** Accuracy of each class; of many classes the lowest. */
export async function classChart(metrics: Metrics, place: string): Promise<string> {
  const known = metrics.perClass.flatMap(({ name, accuracy, total }, i) =>
    accuracy === null ? [] : [{ key: i, name, accuracy, total }]
  );
  const shown = known.length <= MOST_BARS
    ? known
    : known.toSorted((a, b) => a.accuracy - b.accuracy).slice(0, MOST_BARS);
  const names = new Map(shown.map(({ key, name }) => [key, name]));
  return await drawChart(`Accuracy of each class, ${place}`, (plot) => ({
    height: shown.length * 30 + 44,
    marginLeft: 128,
    marginRight: 44,
    marginBottom: 34,
    marginTop: 8,
    x: ACCURACY_AXIS,
    y: { label: null, domain: shown.map(({ key }) => key), tickSize: 0, padding: 0.28 },
    marks: [
      plot.axisY({
        tickFormat: (key: number) => axisName(names.get(key) ?? ""),
        lineWidth: 10.5,
        tickSize: 0,
        label: null,
      }),
      plot.barX(shown, { x: "accuracy", y: "key", fill: seriesColour(0), rx: 2 }),
      plot.ruleX([metrics.accuracy], { stroke: "currentColor", strokeDasharray: "3 3", strokeOpacity: 0.7 }),
      plot.text(shown, {
        x: 100,
        y: "key",
        text: (one: { accuracy: number }) => one.accuracy.toFixed(1),
        textAnchor: "start",
        dx: 8,
      }),
    ],
  }));
}

/** A name for two lines beside an axis. */
export function axisName(name: string, longestWord = 15): string {
  const cut = (text: string, most: number) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return cut(name.split(/\s+/).map((word) => cut(word, longestWord)).join(" "), 2 * longestWord + 2);
}

/** What stands above a chart for a series. */
interface LegendEntry {
  name: string;
  /** Number of its colour, mark and dashes. */
  colour: number;
}

const LEGEND_LINE = 14;

/** Room above a chart for the names of its series. */
export function legendHeight(series: readonly LegendEntry[]): number {
  const names = new Set(series.map(({ name }) => name)).size;
  return names > 1 ? names * LEGEND_LINE : 0;
}

/** Names of the series above the chart, a line each with its mark: they never lie on the data. */
export function legendMarks(plot: Plot, series: readonly LegendEntry[]): Mark[] {
  const byName = [...new Map(series.map((one) => [one.name, one.colour]))];
  if (byName.length < 2) return [];
  return byName.flatMap(([name, colour], i) => {
    const dy = -LEGEND_LINE * (byName.length - i) - 4;
    const ink = seriesColour(colour);
    const place = { frameAnchor: "top-left" as const, dy: dy + 5 };
    return [
      plot.dot([0], {
        ...place,
        dx: 4,
        r: 3.5,
        symbol: seriesSymbol(colour),
        stroke: ink,
        fill: seriesFill(colour),
        strokeWidth: 1.6,
      }),
      plot.text([name], { frameAnchor: "top-left", dy, dx: 14, fill: ink, fontWeight: 600 }),
    ];
  });
}
