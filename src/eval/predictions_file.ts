/** `predictions-base.csv`: what the model says of each test image. */
import { csvText } from "./csv.ts";
import type { Outcome } from "./outcome.ts";

/** The file of the predictions that a report is of: `report-new.json` → `predictions-new.csv`. */
export function predictionsName(report: string): string {
  return report.replace(/^report-(.*)\.json$/, "predictions-$1.csv");
}

/** Digits of probabilities: logits are float32. */
const DIGITS = 7;

/** A row an image, in the order of the test list; the worst mistakes and the confusion matrix of the report follow from it. */
export function predictionsCsv(
  { predictions, confidences, margins }: Outcome,
  { samples, classNames }: { samples: readonly { path: string; label: number }[]; classNames: readonly string[] },
): string {
  const rounded = (value: number) => Number(value.toPrecision(DIGITS));
  return csvText([
    ["image", "true_class", "predicted_class", "probability", "margin"],
    ...samples.map(({ path, label }, i) => [
      path,
      classNames[label],
      classNames[predictions[i]],
      rounded(confidences[i]),
      rounded(margins[i]),
    ]),
  ]);
}
