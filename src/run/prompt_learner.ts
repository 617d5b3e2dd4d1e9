/** Learned prompts in a run: trained from the start or from the last checkpoint, or taken as they are. */
import type { TextProgress } from "../clip/model.ts";
import { placesIn, spokenName } from "../clip/spoken_name.ts";
import { createHash } from "node:crypto";
import { namedStream } from "../data/random.ts";
import { UserError } from "../errors.ts";
import { nearestWords } from "../eval/nearest_words.ts";
import type { ReportedTraining } from "../eval/report.ts";
import type { PromptLearning } from "../methods/method.ts";
import type { PromptMethod, PromptShape } from "../methods/prompt_method.ts";
import { epochWeights, type PromptSettings } from "../methods/prompt_settings.ts";
import { featureLogits, fillTemplate, normalizeRows } from "../methods/zero_shot.ts";
import { stepsPerEpoch } from "../optim/batch_order.ts";
import { learningRate, type Schedule } from "../optim/schedule.ts";
import { EXACT_TOLERANCE, exactCheck } from "../prompt/exact_check.ts";
import { promptsOf } from "../prompt/class_prompts.ts";
import { openPrompt, type PromptSession } from "../prompt/session.ts";
import { readNames } from "../prompt/stored_prompt.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { epochMeans, train } from "../train/loop.ts";
import { copyParameters } from "../train/parameters.ts";
import type { StepRecord } from "../train/training.ts";
import { KIT_VERSION } from "../version.ts";
import type { Encoder, RunData } from "./data.ts";
import { accuracyOf, classifyAll, countLine } from "./evaluate.ts";
import { learningImages } from "./identity.ts";
import { importedFrom } from "./imported.ts";
import type { Classifier, Learned, SeedRun } from "./learned.ts";
import { lowerBlocks } from "./lower_blocks.ts";
import { duration, SILENT } from "./progress.ts";
import { seenBy, trainingImages } from "./training_images.ts";

/** Images that the exact check compares. */
const CHECKED_IMAGES = 4;

/**
 * The prompt of a run on the classes that it is trained on: from its last checkpoint, or trained now. The names of all
 * classes that it will be evaluated on have to fit beside it before it is trained.
 */
export async function learnPrompt(
  run: SeedRun,
  method: PromptLearning,
  evaluatedOn: readonly string[],
): Promise<Learned> {
  const { config, inputs, folder, progress, seed } = run;
  const sample = learningImages(config, inputs.data, seed!);
  let stored = await folder.checkpoint();
  const names = stored?.checkpoint.metadata["classes-seen"];
  const classesSeen = names === undefined ? sample.classNames : readNames(names, `${folder.path}/${stored!.name}`);
  const data = { ...inputs.data, template: stored?.checkpoint.metadata.template ?? inputs.data.template };
  const session = await sessionOf(run, method, { ...sample, classesSeen, trains: true, data });
  if (session.method.note !== undefined) progress.say(session.method.note);
  try {
    promptsOf(inputs.model, session.method, evaluatedOn);
    if (stored?.final) {
      if (session.method.head !== undefined) requireSeen(run, { ...sample, classesSeen });
      copyParameters(stored.checkpoint.state.params, session.params);
      if (config.train !== undefined) {
        await folder.writeMetrics(stepRecords(stored.checkpoint.state.losses, settingsOf(run), sample.train.length));
      }
      progress.say(`The prompt of seed ${seed} is trained: ${folder.path}.`);
    } else {
      if (config.train === undefined) throw new UserError(`The prompt in ${folder.path} is not whole: train it again.`);
      await trainPrompt(run, { session, stored: stored?.checkpoint, method });
      stored = await folder.checkpoint();
    }
    return learnedPrompt(run, {
      method,
      session,
      trained: stored!.checkpoint,
      file: stored!.name,
      sample,
      classesSeen,
      data,
    });
  } catch (error) {
    await session.dispose();
    throw error;
  }
}

/** A head that knows other names than the data set counts nowhere: results would be those of the cosines alone. */
function requireSeen(
  { config: { train = "base" }, inputs: { data: { about } }, folder }: SeedRun,
  { classNames, classesSeen }: { classNames: readonly string[]; classesSeen: readonly string[] },
): void {
  const missing = classNames[placesIn(classesSeen, classNames).indexOf(-1)];
  if (missing === undefined) return;
  throw new UserError(
    `The head of the prompt in ${folder.path} is for other classes than the ${train} ones of ${about.name}: it has none ` +
      `for "${missing}". Import the prompt again with the data that it was trained on, by --data.`,
  );
}

/** The prompt's session on some classes, its numbers at the start. */
export async function sessionOf(
  { config, inputs, seed }: Pick<SeedRun, "config" | "inputs" | "seed">,
  method: PromptLearning,
  classes: { classNames: string[]; trains: boolean; classesSeen?: readonly string[]; data?: RunData },
): Promise<PromptSession> {
  const { classNames, trains, classesSeen, data = inputs.data } = classes;
  const { model } = inputs;
  const prompt = await method.prompt({
    model,
    classNames,
    classesSeen,
    settings: config.values,
    template: data.template,
    dataset: data.about.name,
    learnedOn: inputs.data.about.name,
    random: (name) => namedStream(seed!, name),
    trains,
  });
  return await openPrompt(model, { method: prompt, classNames });
}

function settingsOf({ config }: Pick<SeedRun, "config">): PromptSettings {
  return config.values as PromptSettings;
}

/** The learning-rate law of a configuration. */
export function scheduleOf({ lr, epochs, warmupEpochs, warmupLr }: PromptSettings): Schedule {
  return { rate: lr, epochs, warmupEpochs, warmupRate: warmupLr };
}

/** The lines of `metrics.jsonl`, from the losses that a checkpoint holds. */
function stepRecords(losses: readonly number[], settings: PromptSettings, images: number): StepRecord[] {
  const perEpoch = stepsPerEpoch(images, settings.batchSize);
  const schedule = scheduleOf(settings);
  return losses.map((loss, i) => {
    const epoch = Math.floor(i / perEpoch) + 1;
    return { step: i + 1, epoch, lr: learningRate(epoch, schedule), loss };
  });
}

/** Trains the session's prompt in the run's folder, from its start or from a checkpoint. */
async function trainPrompt(
  run: SeedRun,
  { session, stored, method }: { session: PromptSession; stored?: Checkpoint; method: PromptLearning },
): Promise<void> {
  const { config, inputs, progress, seed, folder, identity } = run;
  const settings = settingsOf(run);
  const resume = stored?.state;
  const sample = learningImages(config, inputs.data, seed!);
  progress.say(countLine(config.train!, sample));
  const images = await trainingImages(run, { samples: sample.train, session, method });
  const perEpoch = stepsPerEpoch(images.labels.length, settings.batchSize);
  await folder.writeMetrics(stepRecords(resume?.losses ?? [], settings, images.labels.length));
  if (resume) progress.say(`Going on at step ${resume.step + 1} from the checkpoint in ${folder.path}.`);
  if (config.run.exactCheck && session.method.depth !== undefined) {
    throw new UserError("The exact check is for contexts in front of the text tower: leave --exact-check out.");
  }
  if (config.run.exactCheck) await tellExactCheck(run, session, await images.view!(0));

  const where = optimizerPlace(session, Math.min(settings.batchSize, images.labels.length));
  if (where !== undefined) progress.say(where);
  const metadata = {
    ...identity,
    "classes-seen": JSON.stringify(sample.classNames),
    kit: KIT_VERSION,
    engine: enginesOf(run, stored),
  };
  const before = await folder.trainSeconds();
  const began = performance.now();
  const spent = () => before + (performance.now() - began) / 1000;
  const { meta } = session.method;
  let waiting: StepRecord[] = [];
  const total = settings.epochs * perEpoch;
  const state = await train(session, {
    images,
    batchSize: settings.batchSize,
    schedule: scheduleOf(settings),
    momentum: settings.momentum,
    weightDecay: settings.weightDecay,
    optimizer: session.method.optimizer,
    rates: session.method.head?.rates,
    order: namedStream(seed!, "batch-order"),
    average: epochWeights(settings),
    share: settings.wise,
    meta: meta === undefined || meta.order === "off"
      ? undefined
      : { random: namedStream(seed!, "meta"), rate: meta.rate },
    resume,
    checkpointEvery: config.run.checkpointEvery,
    async save(state) {
      await folder.appendMetrics(waiting);
      waiting = [];
      const last = state.step === total;
      await folder.noteTrainSeconds(spent(), { last });
      await folder.saveCheckpoint(state, { metadata, finalEpoch: last ? settings.epochs : undefined });
    },
    onStep(record) {
      waiting.push(record);
      progress.update({
        what: `training ${config.method.name}, seed ${seed}`,
        done: record.step,
        total,
        unit: "steps",
        detail: `epoch ${record.epoch}/${settings.epochs}  loss ${record.loss.toFixed(4)}  lr ${
          record.lr.toExponential(2)
        }`,
        milestone: record.step % perEpoch === 0,
      });
    },
  });
  await session.endSteps();
  progress.finish(
    `Trained ${config.method.name}, seed ${seed}: ${state.step.toLocaleString("en-US")} steps in ${
      duration(spent())
    }, last loss ${state.losses[state.losses.length - 1].toFixed(4)}.`,
  );
}

/** Where the optimiser of steps of so many images runs, on an engine whose device is apart from the host. */
export function optimizerPlace({ onDevice }: Pick<PromptSession, "onDevice">, images: number): string | undefined {
  if (onDevice === undefined) return undefined;
  const obstacle = onDevice.obstacle(images);
  if (obstacle !== undefined) return `The optimiser runs on the host, since ${obstacle}.`;
  return "The optimiser runs on the device; what it has learned is read once an epoch.";
}

/** The engines of a training: that of the checkpoint, and this process's where it is another one. */
function enginesOf({ inputs, progress, folder }: SeedRun, stored: Checkpoint | undefined): string {
  const { name } = inputs.on.engine;
  const before = stored?.metadata.engine;
  if (before === undefined || before.split(", then ").at(-1) === name) return before ?? name;
  progress.say(
    `The checkpoint in ${folder.path} was computed by the engine ${before}, and the rest will be by ${name}: results ` +
      "repeat bit by bit on one engine only.",
  );
  return `${before}, then ${name}`;
}

async function tellExactCheck(
  { inputs: { model }, progress }: SeedRun,
  session: PromptSession,
  features_NE: { shape: readonly number[]; data: Float32Array },
): Promise<void> {
  const [N, E] = features_NE.shape;
  const images = Math.min(N, CHECKED_IMAGES);
  const found = await exactCheck(model, {
    session,
    imageFeatures_BE: { shape: [images, E], data: features_NE.data.subarray(0, images * E) },
  });
  progress.say(
    `Exact check: logits of the shared-prefix pass and of the plain ${model.config.text.context}-token pass differ ` +
      `by ${found.largestDifference.toExponential(2)} at the most, ${found.relative.toExponential(2)} of their scale ` +
      `(${found.images} images, ${found.classes} classes).`,
  );
  if (found.relative < EXACT_TOLERANCE) return;
  throw new UserError(
    `The exact check failed: ${
      found.relative.toExponential(2)
    } of the logits' scale is more than ${EXACT_TOLERANCE}: ` +
      "use another --engine.",
  );
}

/** A trained prompt as runs know it. */
function learnedPrompt(
  run: SeedRun,
  at: {
    method: PromptLearning;
    session: PromptSession;
    trained: Checkpoint;
    file: string;
    classesSeen: readonly string[];
    sample: ReturnType<typeof learningImages>;
    /** The run's, with the template that the prompt was trained with. */
    data: RunData;
  },
): Learned {
  const { inputs: { model }, folder } = run;
  const { method, session, trained, sample, classesSeen } = at;
  const { given = {} } = session.method;
  let described: ReturnType<Learned["describe"]> | undefined;
  const wordsOf = (data: RunData) => method.readsTemplate && data !== run.inputs.data ? data : at.data;
  const shapes = new Map<RunData, PromptShape>();
  return {
    async classifier({ classNames, data: of, learnedFrom }) {
      const data = wordsOf(of);
      const isSame = data === at.data && session.classNames.join("\n") === classNames.join("\n");
      const others = { classNames, classesSeen, trains: false, data };
      const opened = isSame ? session : await sessionOf(run, method, others);
      shapes.set(of, opened.method.shape);
      if (!isSame) copyParameters(session.params, opened.params);
      const logits = await promptLogits(model, opened, { learnedFrom });
      const functions = () => opened.functions({ learnedFrom });
      return { logits, functions, dispose: () => isSame ? Promise.resolve() : opened.dispose() };
    },
    prompts: ({ classNames, data }) =>
      classNames.map((name) => [promptText(name, shapes.get(data) ?? session.method.shape)]),
    learnedNumbers: learnedNumbers(session.method),
    encoder: encoderOf(run, session),
    chosen: {},
    given,
    counts: { train: sample.train.length, val: sample.val.length },
    seconds: () => folder.trainSeconds(),
    describe: () => described ??= describe(run, { session, trained, sample }),
    engine: trained.metadata.engine,
    file: at.file,
    imported: importedFrom(trained.metadata, method),
    dispose: () => session.dispose(),
  };
}

/**
 * The logits that a prompt gives of raw image features. Prompts that do not depend on the image are encoded once.
 * `learnedFrom` says whether the classes are those of the training images.
 */
export async function promptLogits(
  model: SeedRun["inputs"]["model"],
  session: PromptSession,
  { learnedFrom, onProgress }: { learnedFrom: boolean; onProgress?: TextProgress },
): Promise<Classifier["logits"]> {
  if (session.method.imageConditioned) return (features) => session.logits(seenBy(session, features));
  const E = model.config.embedding;
  const textFeatures_GCE = await session.textFeatures({ shape: [1, E], data: new Float32Array(E).fill(1) }, onProgress);
  if (session.method.scores !== undefined) {
    return (imageFeatures_BE) => session.logitsAt({ textFeatures_GCE, imageFeatures_BE, learnedFrom });
  }
  const { data, shape: [, C] } = textFeatures_GCE;
  const texts_CE = normalizeRows({ shape: [C, E], data });
  const { logitScale } = model;
  return (features_BE) => Promise.resolve(featureLogits(normalizeRows(features_BE), texts_CE, { logitScale }));
}

/** The prompted image tower, known by the numbers of its prompt; undefined where the tower is frozen CLIP's. */
function encoderOf(run: SeedRun, session: PromptSession): Encoder | undefined {
  const { params, encodeImages } = session;
  if (encodeImages === undefined) return undefined;
  const hash = createHash("sha256");
  for (const name of Object.keys(params).sort()) {
    hash.update(name).update(new Uint8Array(params[name].data.slice().buffer));
  }
  return { id: `prompt ${hash.digest("hex")}`, encode: encodeImages, below: lowerBlocks(run, session) };
}

/** How many numbers a prompt learns. */
export function learnedNumbers({ params }: Pick<PromptMethod, "params">): number {
  return Object.values(params).reduce((sum, { data }) => sum + data.length, 0);
}

async function describe(
  run: SeedRun,
  at: { session: PromptSession; trained: Checkpoint; sample: ReturnType<typeof learningImages> },
): Promise<Awaited<ReturnType<Learned["describe"]>>> {
  const { model: { tokenEmbedding: embedding, tokenizer } } = run.inputs;
  const { params, classNames } = at.session;
  return {
    training: await describeTraining(run, at),
    // Tokens of another space than the words' are near to none.
    ...(params.ctx && { nearestWords: nearestWords(params.ctx, { embedding, tokenizer, classNames }) }),
  };
}

/** How training went, from the final checkpoint alone: the same whether it was trained now or a month ago. */
async function describeTraining(
  run: SeedRun,
  at: { session: PromptSession; trained: Checkpoint; sample: ReturnType<typeof learningImages> },
): Promise<ReportedTraining | undefined> {
  const { inputs: { model, data }, seed } = run;
  const { session, trained: { state }, sample } = at;
  // A prompt that was imported was trained elsewhere, and how is not known.
  if (state.step === 0) return undefined;
  const settings = settingsOf(run);
  const logits = await promptLogits(model, session, { learnedFrom: true });
  const encoder = encoderOf(run, session);
  const outcome = await classifyAll(
    await data.features(sample.train, { what: "training images", seed: seed!, encoder }),
    {
      classifier: { logits },
      samples: sample.train,
      what: "evaluating on training images",
      progress: SILENT,
    },
  );
  const schedule = scheduleOf(settings);
  return {
    steps: state.step,
    loss: epochMeans(state.losses, stepsPerEpoch(sample.train.length, settings.batchSize)),
    lr: Array.from({ length: settings.epochs }, (_, epoch) => learningRate(epoch + 1, schedule)),
    accuracy: accuracyOf(outcome, sample.train),
    classes: sample.classNames.length,
  };
}

/** A class's prompt as text, with `X` for each learned token, as CoOp's code writes place-holders. */
export function promptText(className: string, shape: PromptShape): string {
  const { contextTokens, classTokenPosition, text } = shape;
  const before = { end: contextTokens, middle: Math.floor(contextTokens / 2), front: 0 }[classTokenPosition];
  const learned = (count: number) => new Array<string>(count).fill("X");
  if (text !== undefined) return [...learned(contextTokens), fillTemplate(text, className)].join(" ");
  return `${[...learned(before), spokenName(className), ...learned(contextTokens - before)].join(" ")}.`;
}
