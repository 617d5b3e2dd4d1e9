/** Whether the model's probabilities can be taken at their word. */
import type { Report } from "../report.ts";
import { drawChart } from "./charts.ts";
import { seriesColour } from "./theme.ts";

/** Reliability diagram: the share that is right among images of like confidence; on the diagonal they are the same. */
export async function calibrationChart(
  { images, correct, confidence }: NonNullable<Report["results"]["calibration"]>,
  place: string,
): Promise<string> {
  const most = Math.max(...images);
  const bars = confidence.flatMap((mean, i) => {
    if (mean === null) return [];
    const right = correct[i] / images[i];
    return [{
      from: i / images.length,
      to: (i + 1) / images.length,
      right,
      confidence: mean,
      // Bins of few images say little.
      weight: 0.25 + 0.75 * images[i] / most,
      title: `${images[i]} images, mean probability ${(100 * mean).toFixed(1)} %, right ${(100 * right).toFixed(1)} %`,
    }];
  });
  const axis = {
    domain: [0, 1],
    labelAnchor: "center",
    labelArrow: "none",
    ticks: [0, 0.25, 0.5, 0.75, 1],
    tickFormat: "%",
  } as const;
  return await drawChart(`Reliability, ${place}`, (plot) => ({
    height: 320,
    marginLeft: 52,
    marginBottom: 40,
    marginRight: 14,
    x: { ...axis, label: "probability of the prediction" },
    y: { ...axis, label: "share that is right", grid: true },
    opacity: { type: "identity" },
    marks: [
      plot.rect(bars, {
        x1: "from",
        x2: "to",
        y1: 0,
        y2: "right",
        fill: seriesColour(0),
        fillOpacity: "weight",
        inset: 0.5,
        title: "title",
      }),
      plot.line([[0, 0], [1, 1]], { stroke: "var(--muted)", strokeDasharray: "4 3" }),
      plot.dot(bars, { x: "confidence", y: "right", r: 2.4, fill: "var(--ink)", title: "title" }),
    ],
  }));
}
