import { assert, assertAlmostEquals, assertEquals } from "jsr:@std/assert@1.0.19";
import { calibrate } from "../../src/eval/calibration.ts";
import { zeroShot } from "../../src/methods/kit.ts";
import { inFolder, runHere } from "./run_here.ts";

Deno.test("worst mistakes, confusions and calibration of a report follow from its file of predictions", async () => {
  await inFolder(async () => {
    const { reports: [{ run: { classNames }, results }], folders: [folder] } = await runHere(zeroShot, {
      eval: ["new"],
      engine: "cpu",
    });
    const text = await Deno.readTextFile(`${folder}/predictions-new.csv`);
    const [head, ...rows] = text.trimEnd().split("\r\n").map((line) => line.split(","));
    assertEquals(head, ["image", "true_class", "predicted_class", "probability", "margin"]);
    const images = rows.map(([path, label, prediction, probability, margin]) => ({
      path,
      label: classNames.indexOf(label),
      prediction: classNames.indexOf(prediction),
      probability: Number(probability),
      margin: Number(margin),
    }));
    assertEquals(images.length, 3900);
    assertEquals(images.map(({ prediction }) => prediction), results.predictions.predictions);

    const worst = images.map((image, index) => ({ ...image, index })).filter(({ label, prediction }) =>
      label !== prediction
    )
      .toSorted((a, b) => b.probability - a.probability);
    assertEquals(worst.slice(0, 24).map(({ path }) => path), results.worst.map(({ path }) => path));
    const confusion = classNames.map((_, label) =>
      classNames.map((_, taken) => images.filter((one) => one.label === label && one.prediction === taken).length)
    );
    assertEquals(confusion, results.metrics.confusion);
    const { ece } = calibrate(images.map(({ probability }) => probability), results.predictions);
    assertAlmostEquals(ece, results.calibration!.ece, 1e-4);
    // The probability of the true class is known where it was predicted; elsewhere it is that of the next class at most.
    const least = images.reduce(
      (sum, { label, prediction, probability, margin }) =>
        sum - Math.log(label === prediction ? probability : Math.min(probability - margin, 1 - probability)),
      0,
    );
    assert(results.crossEntropy! >= least / images.length - 1e-4 && results.crossEntropy! < 2 * least / images.length);
    assert(images.every(({ margin, probability }) => margin >= 0 && margin <= probability));
  });
});
