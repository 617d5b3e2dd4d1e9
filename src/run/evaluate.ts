/** From logits of all test images to a report. */
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import type { Sample } from "../data/split.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { joinOutcomes, type Outcome, outcomeOf } from "../eval/outcome.ts";
import type { Report } from "../eval/report.ts";
import type { Classifier } from "./learned.ts";
import type { Progress } from "./progress.ts";

/** Test images at a time, as published. */
export const TEST_BATCH = 100;

/**
 * Classifies images, a batch at a time.
 *
 * @throws {UserError} when a logit is not finite; names the image
 */
export async function classifyAll(
  features_NE: HostTensor,
  options: { classifier: Pick<Classifier, "logits">; samples: readonly Sample[]; what: string; progress: Progress },
): Promise<Outcome> {
  const { classifier, samples, what, progress } = options;
  const [N, E] = features_NE.shape;
  const outcomes: Outcome[] = [];
  for (let from = 0; from < N; from += TEST_BATCH) {
    const to = Math.min(N, from + TEST_BATCH);
    const logits_BC = await classifier.logits({
      shape: [to - from, E],
      data: features_NE.data.subarray(from * E, to * E),
    });
    const bad = logits_BC.data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const sample = samples[from + Math.floor(bad / logits_BC.shape[1])];
      throw new UserError(
        `The logits of the image ${sample.path} are not finite numbers: the prompt or the features are damaged; ` +
          "train again with --fresh, or try another --engine.",
      );
    }
    outcomes.push(outcomeOf(logits_BC, samples.slice(from, to).map(({ label }) => label)));
    progress.update({ what, done: to, total: N, unit: "images", milestone: to === N });
  }
  return joinOutcomes(outcomes);
}

/** Percent of images that get their own class. */
export function accuracyOf(outcome: Outcome, samples: readonly Sample[]): number {
  const right = samples.filter(({ label }, i) => outcome.predictions[i] === label).length;
  return 100 * right / samples.length;
}

/** One line that says how many images of which kind there are. */
export function countLine(
  subset: ClassSubset,
  { train = [], val = [], test, classNames }: Partial<FewShot> & Pick<FewShot, "test" | "classNames">,
): string {
  const count = (images: readonly unknown[]) => images.length.toLocaleString("en-US");
  return `${classNames.length} ${subset} classes: ${count(train)} train, ${count(val)} val, ${
    count(test)
  } test images.`;
}

/** What a report says in one line: `base: accuracy 93.88 % (3,943 of 4,200), macro-F1 93.85 %`. */
export function resultLine({ run, on, results: { metrics } }: Report): string {
  const whole = (value: number) => value.toLocaleString("en-US");
  const whose = run.trainedOnData === undefined ? run.evaluatedOn : `${on.data.name} ${run.evaluatedOn}`;
  const place = run.validation ? `${whose}, validation images` : whose;
  return `${place}: accuracy ${metrics.accuracy.toFixed(2)} % (${whole(metrics.correct)} of ${
    whole(metrics.total)
  }), macro-F1 ${metrics.macroF1.toFixed(2)} %`;
}
