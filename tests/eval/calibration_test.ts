import { assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { calibrate } from "../../src/eval/calibration.ts";
import { outcomeOf } from "../../src/eval/outcome.ts";
import { predictionsCsv, predictionsName } from "../../src/eval/predictions_file.ts";
import { reportFault } from "../../src/eval/report_check.ts";
import type { Report } from "../../src/eval/report.ts";
import { makeReport } from "./report_cases.ts";

Deno.test("the calibration error of images counted by hand, in 15 bins that are closed above", () => {
  // 0.2 is the upper end of the third bin; 0.95 and 1 are in the last.
  const confidences = [0.2, 0.19, 0.95, 1, 0.5];
  const { ece, images, correct, confidence } = calibrate(confidences, {
    labels: [0, 0, 0, 0, 0],
    predictions: [0, 1, 0, 1, 1],
  });
  assertEquals(images, [0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2]);
  assertEquals(correct, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assertEquals([confidence[0], confidence[2], confidence[7]], [null, 0.195, 0.5]);
  // |0.195 − 1/2| · 2 + |0.5 − 0| + |0.975 − 1/2| · 2, over 5.
  assertAlmostEquals(ece, 100 * (0.61 + 0.5 + 0.95) / 5, 1e-9);
});

Deno.test("who is right as often as it says has no error, who is always sure and half right has 50 %", () => {
  const labels = [0, 0, 0, 0];
  assertEquals(calibrate([0.5, 0.5, 0.5, 0.5], { labels, predictions: [0, 1, 0, 1] }).ece, 0);
  assertEquals(calibrate([1, 1, 1, 1], { labels, predictions: [0, 1, 0, 1] }).ece, 50);
});

Deno.test("a report whose calibration is not that of its images is refused; one of layout 1 has none", async () => {
  const report = await makeReport({ images: 40 });
  const full = report.results.calibration!.images.findIndex((count) => count > 0);
  const cases: [change: (copy: Report) => void, fault: string][] = [
    [(r) => delete r.results.calibration, "results.calibration is missing"],
    [(r) => r.reportVersion = 1, "results.calibration is unknown in layout 1"],
    [(r) => r.results.calibration!.images[full]++, "results.calibration counts other images"],
    [(r) => r.results.calibration!.ece += 1, "results.calibration.ece is not that of its bins"],
    [
      (r) => r.results.calibration!.confidence[full] = 0.01,
      `results.calibration.confidence[${full}] is not in its bin`,
    ],
    [(r) => r.results.calibration!.correct.pop(), "results.calibration has lists of two lengths"],
  ];
  for (const [change, fault] of cases) {
    const copy = structuredClone(report);
    change(copy);
    assertEquals(reportFault(copy), fault);
  }
  const { calibration: _, ...results } = report.results;
  assertEquals(reportFault({ ...report, reportVersion: 1, results }), undefined);
});

Deno.test("the file of predictions has each image's path, classes, probability and margin", () => {
  const outcome = outcomeOf({ shape: [2, 3], data: Float32Array.of(0, Math.log(3), -90, 5, 5, 5) });
  const samples = [{ path: "Sea, Lake/1.jpg", label: 0 }, { path: "River/2.jpg", label: 2 }];
  assertEquals(
    predictionsCsv(outcome, { samples, classNames: ["Lake", "River", "Sea"] }),
    "image,true_class,predicted_class,probability,margin\r\n" +
      '"Sea, Lake/1.jpg",Lake,River,0.75,0.5\r\nRiver/2.jpg,Sea,Lake,0.3333333,0\r\n',
  );
  assertEquals(predictionsName("report-caltech101-all.json"), "predictions-caltech101-all.csv");
});
