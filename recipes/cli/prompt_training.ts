/** Training in a run folder: what makes a run the same run, checkpoints, metrics, progress. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { namedStream } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { stepsPerEpoch } from "../../src/optim/batch_order.ts";
import { EXACT_TOLERANCE, exactCheck } from "../../src/prompt/exact_check.ts";
import { type StepRecord, train, type TrainingImages, type TrainingState } from "../../src/train/loop.ts";
import type { Hyperparameters } from "../../src/train/presets.ts";
import { learningRate, type Schedule } from "../../src/optim/schedule.ts";
import type { PromptSession } from "../../src/prompt/session.ts";
import { KIT_VERSION } from "../../src/version.ts";
import { configYaml, epochWeights, type PromptConfig } from "./config.ts";
import { countLine } from "../../src/run/evaluate.ts";
import type { Inputs } from "../../src/run/inputs.ts";
import { duration } from "./progress.ts";
import type { SeedRun } from "./prompt_recipe.ts";
import { flagName } from "./settings.ts";

/** The hyper-parameters, by name. */
export const HYPERPARAMETERS: readonly (keyof Hyperparameters)[] = [
  "epochs",
  "batchSize",
  "lr",
  "momentum",
  "weightDecay",
  "warmupEpochs",
  "warmupLr",
  "views",
  "contextTokens",
  "initWords",
  "classTokenPosition",
  "classSpecific",
  "promptAverage",
  "wise",
  "lambda",
];

/** The hyper-parameters of a configuration, by name: those that its method has. */
export function hyperparametersOf(config: Hyperparameters): Record<string, string | number | boolean> {
  return Object.fromEntries(HYPERPARAMETERS.flatMap((name) => {
    const value = config[name];
    return value === undefined ? [] : [[name, value]];
  }));
}

/** What decides a run's numbers, as checkpoints carry it: texts by name. */
export type RunIdentity = Record<string, string>;

/** The learning-rate law of a configuration. */
export function scheduleOf({ lr, epochs, warmupEpochs, warmupLr }: Hyperparameters): Schedule {
  return { rate: lr, epochs, warmupEpochs, warmupRate: warmupLr };
}

/** The lines of `metrics.jsonl`, from the losses that a checkpoint holds. */
export function stepRecords(
  losses: readonly number[],
  { schedule, perEpoch }: { schedule: Schedule; perEpoch: number },
): StepRecord[] {
  return losses.map((loss, i) => {
    const epoch = Math.floor(i / perEpoch) + 1;
    return { step: i + 1, epoch, lr: learningRate(epoch, schedule), loss };
  });
}

/** What decides this run's numbers. */
export function runIdentity({ recipe, config, inputs, seed }: SeedRun, subset: ClassSubset): RunIdentity {
  const { on } = inputs;
  return {
    method: recipe.method,
    model: on.model.name,
    "model-sha256": on.model.sha256,
    dataset: on.data.name,
    "data-source": on.data.source,
    "split-sha256": on.data.splitSha256,
    "trained-on": subset,
    shots: String(config.shots),
    seed: String(seed),
    ...Object.fromEntries(
      Object.entries(hyperparametersOf(config)).map(([name, value]) => [flagName(name), String(value)]),
    ),
  };
}

/** Words that stand for the entries of an identity in messages. */
const WORDS: Record<string, string> = {
  "model-sha256": "model",
  "split-sha256": "split",
  "trained-on": "classes to train on",
};

/**
 * A checkpoint of other numbers than these must not be mixed with them.
 *
 * @throws {UserError} when the stored prompt is of another run; names what differs
 */
export function requireSameRun(
  { checkpoint: { metadata } }: { checkpoint: Checkpoint; final: boolean },
  options: { identity: RunIdentity; path: string },
): void {
  // Where the images were read from may change; which split and model they belong to may not.
  const differs = Object.entries(options.identity).filter(([name, value]) =>
    name !== "data-source" && name !== "model" && metadata[name] !== undefined && metadata[name] !== value
  );
  if (differs.length === 0) return;
  const words = differs.map(([name, value]) => `${WORDS[name] ?? name} ${metadata[name]} and not ${value}`).join(", ");
  throw new UserError(
    `${options.path} holds a prompt with ${words}: take the same again, start over with --fresh, or give another ` +
      "folder with --out.",
  );
}

/** Trains the session's prompt in the run's folder, from its start or from a checkpoint. */
export async function trainPrompt(
  run: SeedRun,
  options: { session: PromptSession; identity: RunIdentity; resume?: TrainingState },
): Promise<void> {
  const { recipe, config, inputs, progress, seed, folder } = run;
  const { session, identity, resume } = options;
  const subset = config.train!;
  const sample = inputs.fewShot({ shots: config.shots, seed, classes: subset });
  progress.say(countLine(subset, sample));
  const images = await trainingImages(inputs, { config, seed, samples: sample.train });
  const schedule = scheduleOf(config);
  const perEpoch = stepsPerEpoch(images.labels.length, config.batchSize);
  await folder.write(
    "config.yaml",
    configYaml(config, {
      header: [`deno task ${recipe.task ?? recipe.method} --config this-file`],
      seed,
      names: recipe.settings,
    }),
  );
  await folder.writeMetrics(stepRecords(resume?.losses ?? [], { schedule, perEpoch }));
  if (resume) progress.say(`Going on at step ${resume.step + 1} from the checkpoint in ${folder.path}.`);
  if (config.exactCheck) await tellExactCheck(run, session, await images.view(0));

  const metadata = {
    ...identity,
    "classes-seen": JSON.stringify(sample.classNames),
    kit: KIT_VERSION,
    engine: inputs.on.engine.name,
  };
  const before = await folder.trainSeconds();
  const began = performance.now();
  const spent = () => before + (performance.now() - began) / 1000;
  let waiting: StepRecord[] = [];
  const total = config.epochs * perEpoch;
  const what = `training ${recipe.method}, seed ${seed}`;
  const state = await train(session, {
    images,
    batchSize: config.batchSize,
    schedule,
    momentum: config.momentum,
    weightDecay: config.weightDecay,
    order: namedStream(seed, "batch-order"),
    average: epochWeights(config),
    share: config.wise,
    resume,
    checkpointEvery: config.checkpointEvery,
    async save(state) {
      await folder.appendMetrics(waiting);
      waiting = [];
      const last = state.step === total;
      await folder.noteTrainSeconds(spent(), { last });
      await folder.saveCheckpoint(state, { metadata, finalEpoch: last ? config.epochs : undefined });
    },
    onStep(record) {
      waiting.push(record);
      progress.update({
        what,
        done: record.step,
        total,
        unit: "steps",
        detail: `epoch ${record.epoch}/${config.epochs}  loss ${record.loss.toFixed(4)}  lr ${
          record.lr.toExponential(2)
        }`,
        milestone: record.step % perEpoch === 0,
      });
    },
  });
  progress.finish(
    `Trained ${recipe.method}, seed ${seed}: ${state.step.toLocaleString("en-US")} steps in ${duration(spent())}, ` +
      `last loss ${state.losses[state.losses.length - 1].toFixed(4)}.`,
  );
}

async function trainingImages(
  inputs: Inputs,
  options: { config: PromptConfig; seed: number; samples: Parameters<Inputs["plain"]>[0] },
): Promise<TrainingImages> {
  const { config, seed, samples } = options;
  const labels = Int32Array.from(samples, ({ label }) => label);
  if (config.views === 0) {
    const plain = await inputs.plain(samples, { what: "training images", seed });
    return { labels, views: 1, view: () => Promise.resolve(plain) };
  }
  const views = await inputs.views(samples, { seed, count: config.views === "epochs" ? config.epochs : config.views });
  return { labels, views: views.count, view: (index) => views.view(index) };
}

async function tellExactCheck(
  { inputs, progress }: SeedRun,
  session: PromptSession,
  features_NE: { shape: readonly number[]; data: Float32Array },
): Promise<void> {
  const [N, E] = features_NE.shape;
  const images = Math.min(N, 4);
  const found = await exactCheck(inputs.model, {
    session,
    imageFeatures_BE: { shape: [images, E], data: features_NE.data.subarray(0, images * E) },
  });
  progress.say(
    `Exact check: logits of the shared-prefix pass and of the plain ${inputs.model.config.text.context}-token pass differ ` +
      `by ${found.largestDifference.toExponential(2)} at the most, ${found.relative.toExponential(2)} of their scale ` +
      `(${found.images} images, ${found.classes} classes).`,
  );
  if (!(found.relative < EXACT_TOLERANCE)) {
    throw new UserError(
      `The exact check failed: ${
        found.relative.toExponential(2)
      } of the logits' scale is more than ${EXACT_TOLERANCE}: ` +
        "use another --engine.",
    );
  }
}
