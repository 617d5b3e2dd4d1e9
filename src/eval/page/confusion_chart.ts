/** Which classes are taken for which. */
import type { Metrics } from "../metrics.ts";
import { axisName, CHART_WIDTH, drawChart } from "./charts.ts";
import { seriesColour } from "./theme.ts";

/** Classes up to which cells have numbers, and up to which there is a chart at all. */
const MOST_NUMBERED = 12;
const MOST_CLASSES = 60;

const FONT = 11;
/** Width of a digit, in font sizes. */
const DIGIT = 0.64;

/** Room beside the matrix for names of classes: pixels, font sizes of a line, and letters of its longest word. */
const WIDE = { left: 128, line: 10.5, letters: 15 };
const NARROW = { left: 100, line: 8, letters: 11 };
const NARROWEST = { left: 82, line: 6.6, letters: 9 };

/** A confusion matrix as SVG text. */
export interface ConfusionChart {
  svg: string;
  /** What the numbers in the cells are. */
  unit: "images" | "percent of the true class";
}

interface Cell {
  label: number;
  prediction: number;
  count: number;
  share: number;
}

/** True classes down, predicted classes across; undefined when there are too many to show. */
export async function confusionChart(metrics: Metrics, place: string): Promise<ConfusionChart | undefined> {
  const C = metrics.perClass.length;
  if (C > MOST_CLASSES) return undefined;
  const numbered = C <= MOST_NUMBERED;
  const cells = metrics.confusion.flatMap((row, label) =>
    row.map((count, prediction): Cell => ({
      label,
      prediction,
      count,
      share: count / Math.max(1, metrics.perClass[label].total),
    }))
  );
  // Of many classes, cells have the room that numbers of 7 points on paper need.
  const names = C <= 6 ? WIDE : C <= 10 ? NARROW : NARROWEST;
  const left = numbered ? names.left : 24;
  const size = (CHART_WIDTH - left - 6) / C;
  const longest = Math.max(...cells.map(({ count }) => String(count).length));
  const counts = longest * DIGIT * FONT <= size - 2;
  const fontSize = counts ? FONT : Math.min(FONT, (size - 2) / (3 * DIGIT));
  const cellText = ({ count, share }: Cell) => counts ? String(count) : String(Math.round(100 * share));

  const labels = Array.from({ length: C }, (_, label) => label);
  const ticks = labels.filter((label) => numbered || label === 0 || (label + 1) % 10 === 0);
  const rowName = (label: number) =>
    numbered ? `${label + 1} ${axisName(metrics.perClass[label].name, names.letters)}` : String(label + 1);
  const unit = counts ? "images" : "percent of the true class";
  const svg = await drawChart(`Confusion matrix, ${place}: ${unit}; true classes down, predicted across`, (plot) => ({
    height: Math.max(size, numbered ? 30 : 0) * C + 40,
    marginLeft: left,
    marginRight: 6,
    marginTop: 36,
    marginBottom: 4,
    x: { domain: labels, label: null, padding: 0.04 },
    y: { domain: labels, label: null, padding: 0.04 },
    color: { type: "identity" },
    opacity: { type: "identity" },
    marks: [
      plot.axisX(ticks, { anchor: "top", tickSize: 0, label: null, tickFormat: (label: number) => String(label + 1) }),
      plot.axisY(ticks, { tickSize: 0, label: null, lineWidth: names.line, tickFormat: rowName }),
      plot.text(["predicted"], { frameAnchor: "top", dy: -32, fill: "var(--muted)" }),
      plot.cell(cells, {
        x: "prediction",
        y: "label",
        fill: ({ label, prediction }: Cell) => seriesColour(label === prediction ? 0 : 1),
        fillOpacity: ({ share }: Cell) => share === 0 ? 0 : 0.12 + 0.88 * share,
        title: ({ label, prediction, count }: Cell) =>
          `${metrics.perClass[label].name} taken for ${metrics.perClass[prediction].name}: ${count}`,
      }),
      plot.cell(cells, { x: "prediction", y: "label", stroke: "var(--line)", strokeWidth: 0.5, fill: "none" }),
      plot.text(numbered ? cells.filter((cell) => cell.count > 0) : [], {
        x: "prediction",
        y: "label",
        text: cellText,
        fontSize,
        fill: ({ share }: Cell) => share > 0.55 ? "var(--card)" : "var(--ink)",
      }),
    ],
  }));
  return { svg, unit };
}
