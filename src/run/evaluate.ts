/**
 * From a trained method to the files that a run leaves: logits of all test images, a report for each set of classes, the
 * page and the card.
 */
import type { ClipModel } from "../clip/model.ts";
import type { ClassSubset, FewShot } from "../data/few_shot.ts";
import type { Sample } from "../data/split.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import { joinOutcomes, type Outcome, outcomeOf, type Report } from "../eval/report.ts";
import { featureLogits, normalizeRows } from "../methods/zero_shot.ts";
import type { PromptSession } from "../prompt/session.ts";
import { shellLine } from "../../recipes/cli/jobs.ts";
import type { Progress } from "../../recipes/cli/progress.ts";

/** Test images at a time, as published. */
export const TEST_BATCH = 100;

/** Gives logits [B, C] of normalised image features [B, E]. */
export type Classifier = (imageFeatures_BE: HostTensor) => Promise<HostTensor>;

/** The classifier that a prompt makes. Prompts that do not depend on the image are encoded once. */
export async function promptClassifier(model: ClipModel, session: PromptSession): Promise<Classifier> {
  if (session.method.imageConditioned) return (features) => session.logits(features);
  const { data, shape: [, C, E] } = await session.textFeatures({
    shape: [1, model.config.embedding],
    data: new Float32Array(model.config.embedding).fill(1),
  });
  const texts_CE = normalizeRows({ shape: [C, E], data });
  return (features) => Promise.resolve(featureLogits(features, texts_CE, { logitScale: model.logitScale }));
}

/**
 * Classifies images, a batch at a time.
 *
 * @param features_NE L2-normalised
 * @param options what is being done, for progress and messages; the images, to name one
 * @throws {UserError} when a logit is not finite; names the image
 */
export async function classifyAll(
  features_NE: HostTensor,
  options: { classify: Classifier; samples: readonly Sample[]; what: string; progress: Progress },
): Promise<Outcome> {
  const { classify, samples, what, progress } = options;
  const [N, E] = features_NE.shape;
  const outcomes: Outcome[] = [];
  for (let from = 0; from < N; from += TEST_BATCH) {
    const to = Math.min(N, from + TEST_BATCH);
    const logits_BC = await classify({
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
    outcomes.push(outcomeOf(logits_BC));
    progress.update({ what, done: to, total: N, unit: "images", milestone: to === N });
  }
  return joinOutcomes(outcomes);
}

/** Percent of images that get their own class. */
export function accuracyOf(outcome: Outcome, samples: readonly Sample[]): number {
  const right = samples.filter(({ label }, i) => outcome.predictions[i] === label).length;
  return 100 * right / samples.length;
}

/** The command that made a run, as it can be typed again. */
export function typedCommand(method: string): string {
  return shellLine(["deno", "task", method, ...Deno.args]);
}

/** One line that says how many images of which kind there are. */
export function countLine(subset: ClassSubset, { train, val, test, classNames }: FewShot): string {
  const count = (images: readonly unknown[]) => images.length.toLocaleString("en-US");
  return `${classNames.length} ${subset} classes: ${count(train)} train, ${count(val)} val, ${
    count(test)
  } test images.`;
}

/** What a report says in one line: `base: 93.88 % (3,943 of 4,200), macro-F1 93.85`. */
export function resultLine({ run, on, results: { metrics } }: Report): string {
  const whole = (value: number) => value.toLocaleString("en-US");
  const place = run.trainedOnData === undefined ? run.evaluatedOn : `${on.data.name} ${run.evaluatedOn}`;
  return `${place}: accuracy ${metrics.accuracy.toFixed(2)} % (${whole(metrics.correct)} of ${
    whole(metrics.total)
  }), macro-F1 ${metrics.macroF1.toFixed(2)} %`;
}
