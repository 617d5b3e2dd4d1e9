/** Files that export a method of a user's own, for tests that run and compare them. */

/** CoOp with a pull towards its initial context. */
export const ANCHORED =
  `import { coop, decimal, type PromptLearning, type PromptSettings } from "@prompt-kit/clip-prompts";

/** CoOp's settings, and the weight of the pull. */
type AnchoredSettings = PromptSettings & { pull: number };

/** CoOp with loss + pull·‖ctx − start‖². */
export const anchored: PromptLearning<AnchoredSettings> = {
  ...coop,
  name: "anchored",
  label: "Anchored CoOp",
  title: "CoOp with a pull towards its initial context.",
  settings: { ...coop.settings, pull: decimal({ help: "weight of the pull to the start", default: 0.1 }) },
  async prompt(task) {
    const base = await coop.prompt(task);
    return {
      ...base,
      frozen: { ...base.frozen, start: base.params.ctx },
      losses(ops, inputs) {
        const [loss] = base.losses(ops, inputs);
        const away = ops.sub(inputs.params.ctx, inputs.frozen.start);
        const count = base.params.ctx.data.length;
        const squares = ops.sum(ops.reshape(ops.mul(away, away), [1, count]), 1);
        return [ops.add(loss, ops.reshape(ops.scale(squares, task.settings.pull), ops.shape(loss)))];
      },
    };
  },
};
`;

/** The class whose mean training feature is nearest. */
export const NEAREST_MEAN =
  `import { decimal, type FeatureLearning, featureLogits, normalizeRows } from "@prompt-kit/clip-prompts";

const nearestMean: FeatureLearning<{ sharpness: number }> = {
  name: "nearest-mean",
  label: "Nearest mean",
  title: "The class whose mean training feature is nearest.",
  settings: { sharpness: decimal({ help: "factor of the cosines", default: 100 }) },
  presets: {},
  learn({ classNames, train: { features_NE, labels } }, { settings: { sharpness } }) {
    const E = features_NE.shape[1];
    const sums = new Float32Array(classNames.length * E);
    features_NE.data.forEach((value, i) => sums[labels[Math.floor(i / E)] * E + i % E] += value);
    const means_CE = normalizeRows({ shape: [classNames.length, E], data: sums });
    return {
      chosen: {},
      logits: (x) => featureLogits(normalizeRows(x), means_CE, { logitScale: sharpness }),
      newClasses: { impossible: "they have no images to take the mean of" },
    };
  },
  learnedNumbers: ({ C, E }) => C * E,
  noNewClasses: "they have no images to take the mean of",
};
export default nearestMean;
`;

/** Writes files into a folder of their own outside the kit; the caller removes it. */
export async function writeFiles(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "clip-prompts-" }));
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
  return folder;
}
