/**
 * Charts of one run, as SVG text. Each is drawn {@linkcode CHART_WIDTH} wide, which a phone shows at its own size.
 */
import { loadDom, loadPlot } from "../../deps.ts";
import type { Metrics } from "../metrics.ts";
import { seriesColour } from "./theme.ts";

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

/** Loss over epochs, a line a series. */
export async function lossChart(series: readonly Series[]): Promise<string> {
  return await drawChart("Loss over epochs", (plot) => ({
    height: 220 + legendHeight(series),
    marginLeft: 42,
    marginBottom: 36,
    marginTop: 14 + legendHeight(series),
    x: { label: "epoch", labelAnchor: "center", labelArrow: "none", ticks: 5, tickFormat: "d" },
    y: { label: null, grid: true, ticks: 5, zero: true, nice: true },
    marks: [
      ...series.map(({ values, colour }) =>
        plot.lineY(values.map((loss, i) => ({ epoch: i + 1, loss })), {
          x: "epoch",
          y: "loss",
          stroke: seriesColour(colour),
          strokeWidth: series.length > 3 ? 1.2 : 1.8,
        })
      ),
      ...legendMarks(plot, series),
    ],
  }));
}

/** Learning rate over epochs. */
export async function rateChart(rates: readonly number[]): Promise<string> {
  return await drawChart("Learning rate over epochs", (plot) => ({
    height: 220,
    marginLeft: 52,
    marginBottom: 36,
    marginTop: 14,
    x: { label: "epoch", labelAnchor: "center", labelArrow: "none", ticks: 5, tickFormat: "d" },
    y: {
      label: null,
      grid: true,
      ticks: 5,
      zero: true,
      tickFormat: (rate: number) => String(Number(rate.toPrecision(3))),
    },
    marks: [
      plot.lineY(rates.map((rate, i) => ({ epoch: i + 1, rate })), {
        x: "epoch",
        y: "rate",
        stroke: seriesColour(2),
        strokeWidth: 1.8,
        curve: "step",
      }),
    ],
  }));
}

/** Accuracy of each class; of many classes the lowest. */
export async function classChart(metrics: Metrics): Promise<string> {
  const known = metrics.perClass.flatMap(({ name, accuracy, total }, i) =>
    accuracy === null ? [] : [{ key: i, name, accuracy, total }]
  );
  const shown = known.length <= MOST_BARS
    ? known
    : known.toSorted((a, b) => a.accuracy - b.accuracy).slice(0, MOST_BARS);
  const names = new Map(shown.map(({ key, name }) => [key, name]));
  return await drawChart("Accuracy of each class", (plot) => ({
    height: shown.length * 30 + 44,
    marginLeft: 128,
    marginRight: 44,
    marginBottom: 34,
    marginTop: 8,
    x: {
      domain: [0, 100],
      label: "accuracy, %",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: [0, 25, 50, 75, 100],
      grid: true,
    },
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

/** Room above a chart for the names of its series. */
export function legendHeight(series: readonly { name: string }[]): number {
  const names = new Set(series.map((one) => one.name)).size;
  return names > 1 ? names * 14 : 0;
}

/** Names of the series above the chart, a line each: they never lie on the data. */
export function legendMarks(plot: Plot, series: readonly { name: string; colour: number }[]): Mark[] {
  const byName = [...new Map(series.map((one) => [one.name, one.colour]))];
  if (byName.length < 2) return [];
  return byName.map(([name, colour], i) =>
    plot.text([`— ${name}`], {
      frameAnchor: "top-left",
      dy: -14 * (byName.length - i) - 4,
      fill: seriesColour(colour),
      fontWeight: 600,
    })
  );
}
