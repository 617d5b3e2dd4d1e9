/** What images of the user's own were classified as, as a table. */
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { table } from "../../src/text_table.ts";

/** The answer for one image. */
export interface ImageAnswer {
  /** Path of the image. */
  image: string;
  /** The surest class. */
  class: string;
  /** Of all classes, in their order; they sum to 1. */
  probabilities: number[];
}

/** Classes that the table has a column for; with more, the surest are named. */
const MOST_COLUMNS = 6;
/** Classes that are named when there are too many for columns. */
const SUREST = 3;

/**
 * Probabilities of logits [B, C].
 *
 * @throws {UserError} when a logit is not finite; names the image
 */
export function probabilities(
  logits_BC: HostTensor,
  { images, classNames }: { images: readonly string[]; classNames: readonly string[] },
): ImageAnswer[] {
  const C = classNames.length;
  return images.map((image, i) => {
    const logits = [...logits_BC.data.subarray(i * C, (i + 1) * C)];
    const most = Math.max(...logits);
    if (!logits.every(Number.isFinite)) {
      throw new UserError(
        `The logits of ${image} are not finite numbers: the prompt is damaged, or try another --engine.`,
      );
    }
    const powers = logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return { image, class: classNames[logits.indexOf(most)], probabilities: powers.map((power) => power / sum) };
  });
}

/** A table for people: an image a line, with the probability of each class or of the surest ones. */
export function answersText(answers: readonly ImageAnswer[], options: { classNames: readonly string[] }): string[] {
  const { classNames } = options;
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const few = classNames.length <= MOST_COLUMNS;
  const heading = few ? ["image", "answer", ...classNames] : ["image", "answer", "", "then", "", "then", ""];
  const cells = answers.map(({ image, class: answer, probabilities }) => {
    if (few) return [image, answer, ...probabilities.map(percent)];
    const surest = probabilities.map((value, c) => ({ value, name: classNames[c] }))
      .sort((a, b) => b.value - a.value).slice(0, SUREST);
    return [image, ...surest.flatMap(({ name, value }) => [name, percent(value)])];
  });
  return table([heading, ...cells], { right: (column) => few ? column > 1 : column > 0 && column % 2 === 0 });
}
