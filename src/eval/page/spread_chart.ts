/** A chart of means with the deviation over seeds and every seed, over what was varied: shots, or a setting. */
import { CHART_WIDTH, drawChart, legendHeight, legendMarks, type PlotOptions, upright } from "./charts.ts";
import type { Spread } from "../comparison.ts";
import { seriesColour, seriesFill, seriesSymbol } from "./theme.ts";

/** Points of one colour and mark. */
export interface SpreadSeries {
  /** In the legend. */
  name: string;
  /** Number of its colour and mark. */
  colour: number;
  points: SpreadPoint[];
  /** A dashed line over the whole width. */
  level?: number;
}

/** Where a point stands, and what seeds gave there. */
export interface SpreadPoint {
  x: string | number;
  spread: Spread;
  /** Whether it has a ring around it. */
  ringed?: boolean;
}

/** The options of {@linkcode spreadChart}. */
export interface SpreadOptions {
  /** The scale across. */
  x: NonNullable<PlotOptions["x"]>;
  /** The name of the upright axis. */
  y: string;
  series: readonly SpreadSeries[];
  /** Whether points are joined. */
  joined: boolean;
}

/** Pixels from one series to the next, where there is room for that. */
const STEP = 6;

/** The share of the way from one value of the axis to the next that series may take. */
const SHARE = 0.5;

/** Series stand beside each other, so that none's deviation covers another's. */
function stepOf({ x, series }: SpreadOptions): number {
  const values = x.type === "point" ? [...x.domain ?? []].length : 1;
  return Math.min(STEP, SHARE * (CHART_WIDTH - MARGIN) / values / series.length);
}

/** The axis beside a chart, and what is left free on the other side. */
const MARGIN = 68;

/** Draws the chart. */
export async function spreadChart(title: string, options: SpreadOptions): Promise<string> {
  const { x, y, series, joined } = options;
  const points = series.flatMap(({ colour, points }) =>
    points.map(({ x, spread: { mean, std, perSeed }, ringed = false }) => ({
      x,
      mean,
      // No accuracy is beyond these.
      low: Math.max(0, mean - (std ?? 0)),
      high: Math.min(100, mean + (std ?? 0)),
      perSeed,
      ringed,
      series: colour,
      colour: seriesColour(colour),
      symbol: seriesSymbol(colour),
      fill: seriesFill(colour),
    }))
  );
  const levels = series.flatMap(({ colour, level }) =>
    level === undefined ? [] : [{ level, colour: seriesColour(colour) }]
  );
  const values = [
    ...points.flatMap(({ perSeed }) => perSeed.map(({ value }) => value)),
    ...levels.map(({ level }) => level),
    ...points.flatMap(({ low, high }) => [low, high]),
  ];
  const step = stepOf(options);
  const groups = series.map(({ colour }, i) => ({
    points: points.filter((point) => point.series === colour),
    place: { dx: step * (i - (series.length - 1) / 2) },
  }));
  return await drawChart(title, (plot) => ({
    height: 230 + legendHeight(series),
    marginTop: 14 + legendHeight(series),
    marginLeft: 48,
    marginBottom: 36,
    x: { labelAnchor: "center", labelArrow: "none", ...x },
    y: { ...upright(y), nice: true, domain: [Math.min(...values), Math.max(...values)] },
    color: { type: "identity" },
    symbol: { type: "identity" },
    marks: [
      plot.ruleY(levels, { y: "level", stroke: "colour", strokeDasharray: "5 4", strokeWidth: 1.6 }),
      ...groups.flatMap(({ points, place }) => [
        plot.ruleX(points, { ...place, x: "x", y1: "low", y2: "high", stroke: "colour", strokeOpacity: 0.6 }),
        ...joined
          ? [plot.line(points, { ...place, x: "x", y: "mean", z: "series", stroke: "colour", strokeWidth: 1.8 })]
          : [],
        plot.dot(points, {
          ...place,
          x: "x",
          y: "mean",
          r: 3.5,
          fill: "fill",
          stroke: "colour",
          symbol: "symbol",
        }),
        plot.dot(points.flatMap(({ x, perSeed, colour }) => perSeed.map(({ value }) => ({ x, value, colour }))), {
          ...place,
          x: "x",
          y: "value",
          r: 1.6,
          stroke: "colour",
          strokeOpacity: 0.6,
        }),
        ...points.filter(({ ringed }) => ringed).map((point) =>
          plot.dot([point], { ...place, x: "x", y: "mean", r: 8, stroke: "var(--ink)", strokeWidth: 1.6 })
        ),
      ]),
      ...legendMarks(plot, series),
    ],
  }));
}
