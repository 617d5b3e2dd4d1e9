import { assertAlmostEquals, assertEquals, assertRejects } from "jsr:@std/assert@1.0.19";
import type { Sample } from "../../src/data/split.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import type { Report } from "../../src/eval/report.ts";
import { accuracyOf, classifyAll, countLine, resultLine, TEST_BATCH } from "../../src/run/evaluate.ts";
import type { Classifier } from "../../src/run/learned.ts";
import { type Progress, SILENT } from "../../src/run/progress.ts";

/** Features [N, 2] whose first number is the label's sign, and their samples. */
function images(N: number): { features_NE: HostTensor; samples: Sample[] } {
  const samples = Array.from(
    { length: N },
    (_, n) => ({ path: `${n}.jpg`, label: n % 3 === 0 ? 1 : 0, className: "" }),
  );
  const data = Float32Array.from(samples.flatMap(({ label }, n) => [label === 1 ? 2 : -2, n]));
  return { features_NE: { shape: [N, 2], data }, samples };
}

/** Says class 1 where the first number is positive; keeps what it was asked. */
function signs(asked: number[][] = []): Pick<Classifier, "logits"> {
  return {
    logits({ shape: [B], data }) {
      asked.push([B, data[1]]);
      const logits = Array.from({ length: B }, (_, b) => [0, data[2 * b]]).flat();
      return Promise.resolve({ shape: [B, 2], data: Float32Array.from(logits) });
    },
  };
}

Deno.test("images are classified a batch of 100 at a time, in order, and counted", async () => {
  const { features_NE, samples } = images(230);
  const asked: number[][] = [];
  const counts: Parameters<Progress["update"]>[0][] = [];
  const progress = { ...SILENT, update: (count: typeof counts[number]) => void counts.push(count) };
  const outcome = await classifyAll(features_NE, { classifier: signs(asked), samples, what: "evaluating", progress });
  assertEquals(TEST_BATCH, 100);
  assertEquals(asked, [[100, 0], [100, 100], [30, 200]]);
  assertEquals(counts.map(({ done, total, milestone }) => [done, total, milestone]), [
    [100, 230, false],
    [200, 230, false],
    [230, 230, true],
  ]);
  assertEquals(counts[0].what, "evaluating");
  assertEquals(outcome.predictions, samples.map(({ label }) => label));
  assertEquals(outcome.confidences.length, 230);
  // softmax(0, 2) of the class that was said, and as much where the other is, softmax(0, -2).
  for (const value of outcome.confidences) assertAlmostEquals(value, 1 / (1 + Math.exp(-2)), 1e-4);
  for (const loss of outcome.losses!) assertAlmostEquals(loss, Math.log(1 + Math.exp(-2)), 1e-7);
  // Labels of the last batch that are not what was said.
  const odd = samples.map((sample, n) => n < 200 ? sample : { ...sample, label: 1 - sample.label });
  const { losses } = await classifyAll(features_NE, { classifier: signs(), samples: odd, what: "", progress: SILENT });
  losses!.forEach((loss, n) => assertAlmostEquals(loss, Math.log(1 + Math.exp(n < 200 ? -2 : 2)), 1e-7));
});

Deno.test("no images are no batches", async () => {
  const asked: number[][] = [];
  const nothing = { shape: [0, 2], data: new Float32Array(0) };
  const options = { classifier: signs(asked), samples: [], what: "", progress: SILENT };
  assertEquals((await classifyAll(nothing, options)).predictions, []);
  assertEquals(asked, []);
});

Deno.test("a logit that is not finite is told with its image, in whichever batch", async () => {
  const { features_NE, samples } = images(150);
  for (const [n, value] of [[0, NaN], [149, Infinity]] as const) {
    const data = features_NE.data.slice();
    data[2 * n] = value;
    await assertRejects(
      () => classifyAll({ ...features_NE, data }, { classifier: signs(), samples, what: "", progress: SILENT }),
      UserError,
      `The logits of the image ${n}.jpg are not finite`,
    );
  }
});

Deno.test("accuracy is the percentage of images that get their own class", () => {
  const { samples } = images(4);
  const outcome = { predictions: [1, 0, 0, 0], confidences: [1, 1, 1, 1], margins: [] };
  assertEquals(samples.map(({ label }) => label), [1, 0, 0, 1]);
  assertEquals(accuracyOf(outcome, samples), 75);
});

Deno.test("the lines that count images and tell results", () => {
  const { samples } = images(1200);
  const classNames = ["a", "b"];
  assertEquals(
    countLine("base", { train: samples, val: samples.slice(0, 4), test: samples, classNames }),
    "2 base classes: 1,200 train, 4 val, 1,200 test images.",
  );
  assertEquals(
    countLine("all", { test: samples.slice(0, 1), classNames }),
    "2 all classes: 0 train, 0 val, 1 test images.",
  );
  const report = {
    run: { evaluatedOn: "new" },
    on: { data: { name: "Caltech101" } },
    results: { metrics: { accuracy: 93.876, correct: 3943, total: 4200, macroF1: 5 } },
  } as Report;
  assertEquals(resultLine(report), "new: accuracy 93.88 % (3,943 of 4,200), macro-F1 5.00 %");
  const other = { ...report, run: { ...report.run, trainedOnData: "EuroSAT" } };
  assertEquals(resultLine(other), "Caltech101 new: accuracy 93.88 % (3,943 of 4,200), macro-F1 5.00 %");
});
