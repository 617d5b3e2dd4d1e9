/** `--dry-run`: what a run would do, and nothing done. */
import { stepsPerEpoch } from "../../src/optim/batch_order.ts";
import { openPrompt } from "../../src/prompt/session.ts";
import { configYaml, type PromptConfig } from "./config.ts";
import { countLine, TEST_BATCH } from "../../src/run/evaluate.ts";
import type { Inputs } from "../../src/run/inputs.ts";
import { duration } from "./progress.ts";
import { featureEstimate, mebibytes, permissionLine, secondsOf } from "./dry_run_parts.ts";
import { promptText } from "./prompt_report.ts";
import { methodOf, openTransfers, type PromptRecipe } from "./prompt_recipe.ts";
import { backbonePart, pathPart, runPath } from "../../src/run/path.ts";

/** Prompts that are shown with their token ids. */
const SHOWN = 3;

/** Prints the resolved configuration, classes, first prompts, learned numbers, permissions and estimates. */
export async function dryRun(
  { recipe, config, inputs }: { recipe: PromptRecipe; config: PromptConfig; inputs: Inputs },
): Promise<void> {
  const [seed] = config.seeds;
  const { model } = inputs;
  const sample = inputs.fewShot({ shots: config.shots, seed, classes: config.train ?? "base" });
  const session = await openPrompt(model, {
    method: await methodOf({ recipe, config, inputs, seed }, sample.classNames),
    classNames: sample.classNames,
  });
  const say = (line = "") => console.log(line);

  say(configYaml(config, { header: ["The resolved configuration."], seed, names: recipe.settings }).trimEnd());
  say();
  for (const one of config.seeds) {
    const backbone = backbonePart(inputs.on);
    const dataset = pathPart(inputs.on.data.name.toLowerCase());
    say(`Run folder: ${runPath(config, { method: recipe.method, dataset, backbone, seed: one })}`);
  }
  if (config.train !== undefined) say(countLine(config.train, sample));
  let tests = 0;
  for (const subset of config.eval) {
    const evaluated = inputs.fewShot({ shots: config.shots, seed, classes: subset });
    tests += evaluated.test.length;
    say(`Evaluated on ${countLine(subset, evaluated)}`);
  }
  for (const { data, subset } of await openTransfers(config, inputs)) {
    const evaluated = data.fewShot({ shots: 16, seed: 1, classes: subset });
    tests += evaluated.test.length;
    say(`Evaluated on ${data.about.name}: ${countLine(subset, { ...evaluated, train: [], val: [] })}`);
  }
  say(`Classes: ${sample.classNames.join(", ")}`);
  for (const [c, { tokens }] of session.prompts.slice(0, SHOWN).entries()) {
    const ids = [
      model.tokenizer.startToken,
      ...tokens.map((token) => "id" in token ? token.id : `X${token.learned + 1}`),
    ];
    say(`Prompt "${promptText(sample.classNames[c], session.method.shape)}": ${ids.join(" ")}`);
  }
  const learned = Object.entries(session.params).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
  const count = Object.values(session.params).reduce((sum, { data }) => sum + data.length, 0);
  say(`Learned numbers: ${count.toLocaleString("en-US")}: ${learned.join(", ")}`);
  say(permissionLine(recipe));

  const { steps, stepSeconds, batchSeconds } = await timeOf(inputs, { config, session, samples: sample.train.length });
  await session.dispose();
  const views = config.train === undefined ? 0 : config.views === "epochs" ? config.epochs : config.views;
  // One test view of each training image tells how well they are learned.
  const features = await featureEstimate(inputs, tests + sample.train.length * (views + 1) * config.seeds.length);
  say(features.sentence);
  const training = config.train === undefined ? 0 : steps * stepSeconds;
  const evaluation = tests / TEST_BATCH * batchSeconds;
  const seconds = config.seeds.length * (training + evaluation) + features.seconds;
  // Parameters, momentum, and as much again for the file beside.
  const disk = config.seeds.length * (count * 16 + steps * 100 + tests * 40 + 2e6) + features.bytes;
  say(
    `Estimate: ${steps.toLocaleString("en-US")} steps of ${(stepSeconds * 1000).toFixed(0)} ms and ${
      tests.toLocaleString("en-US")
    } test images for ${config.seeds.length === 1 ? "the seed" : `each of ${config.seeds.length} seeds`}; about ${
      duration(seconds)
    } and ${mebibytes(disk)} of disk in all. Nothing was trained.`,
  );
}

/** Measures one step and one batch of evaluation on numbers of the right size, after a first one that prepares them. */
async function timeOf(
  { model }: Inputs,
  options: { config: PromptConfig; session: Awaited<ReturnType<typeof openPrompt>>; samples: number },
): Promise<{ steps: number; stepSeconds: number; batchSeconds: number }> {
  const { config, session, samples } = options;
  const E = model.config.embedding;
  const features = (B: number) => ({ shape: [B, E], data: new Float32Array(B * E).fill(1 / Math.sqrt(E)) });
  const B = Math.min(config.batchSize, samples);
  const labels = new Int32Array(B);
  return {
    steps: config.epochs * stepsPerEpoch(samples, config.batchSize),
    stepSeconds: await secondsOf(() => session.step({ imageFeatures_BE: features(B), labels })),
    batchSeconds: await secondsOf(() => session.logits(features(TEST_BATCH))),
  };
}
