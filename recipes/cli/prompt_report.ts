/** Evaluation of a learned prompt on a set of classes, and the files that come of it. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import type { ImageSource } from "../../src/data/source.ts";
import { UserError } from "../../src/errors.ts";
import { modelCard } from "../../src/eval/model_card.ts";
import { type NearestWords, nearestWords } from "../../src/eval/nearest_words.ts";
import { runPage } from "../../src/eval/page/run_page.ts";
import { readThumbnails } from "../../src/eval/page/thumbnails.ts";
import { readFolder, writePage, writeRunPage } from "../../src/eval/page/write_page.ts";
import { buildReport, type Report, type ReportedTraining } from "../../src/eval/report.ts";
import { reportName, writeReport } from "../../src/eval/report_file.ts";
import { sha256Hex } from "../../src/files.ts";
import { stepsPerEpoch } from "../../src/optim/batch_order.ts";
import { copyParameters, epochMeans } from "../../src/train/loop.ts";
import { learningRate } from "../../src/optim/schedule.ts";
import type { PromptShape } from "../../src/methods/prompt_method.ts";
import { openPrompt, type PromptSession } from "../../src/prompt/session.ts";
import {
  accuracyOf,
  classifyAll,
  countLine,
  promptClassifier,
  resultLine,
  typedCommand,
} from "../../src/run/evaluate.ts";
import { methodOf, type SeedRun, type TransferData } from "./prompt_recipe.ts";
import { hyperparametersOf, scheduleOf } from "./prompt_training.ts";

/** What is known of a learned prompt whatever it is evaluated on. */
export interface PromptDescription {
  /** Nothing where it was trained elsewhere. */
  training: ReportedTraining | undefined;
  nearestWords: NearestWords[];
}

/** How a prompt was trained and what it resembles. */
export async function describePrompt(run: SeedRun, session: PromptSession): Promise<PromptDescription> {
  const { model } = run.inputs;
  return {
    training: await describeTraining(run, session),
    nearestWords: nearestWords(session.params.ctx, {
      embedding: model.tokenEmbedding,
      tokenizer: model.tokenizer,
      classNames: session.classNames,
    }),
  };
}

/**
 * Evaluates a learned prompt on base, new or all classes, of its own data set or of another, and writes the report.
 *
 * @param options the prompt, opened on the classes that it was trained on; what is known of it; the classes to evaluate on
 * @throws {UserError} when the prompt cannot go to other classes
 */
export async function evaluatePrompt(
  run: SeedRun,
  options: {
    session: PromptSession;
    describe: () => Promise<PromptDescription>;
    subset: ClassSubset;
    transfer?: TransferData;
  },
): Promise<Report> {
  const { recipe, config, inputs, progress, seed, folder } = run;
  const { session: trained, describe, subset, transfer } = options;
  const { model, on } = inputs;
  const trainedOn = config.train ?? "base";
  if (transfer && trained.method.shape.classSpecific) {
    throw new UserError(
      "Class-specific contexts belong to the classes that they were learned for: train without --class-specific to " +
        "evaluate on another data set.",
    );
  }
  const own = inputs.fewShot({ shots: config.shots, seed, classes: transfer ? trainedOn : subset });
  // Of another data set only names and test images are looked at; they are the same for every draw.
  const draw = transfer ? { shots: 16, seed: 1 } : { shots: config.shots, seed };
  const sample = transfer ? transfer.data.fewShot({ ...draw, classes: subset }) : own;
  const place = transfer ? `${transfer.data.about.name}, ${subset}` : subset;
  progress.say(
    transfer
      ? `${transfer.data.about.name}: ${countLine(subset, { ...sample, train: [], val: [] })}`
      : countLine(subset, sample),
  );
  const featuresBefore = inputs.featureSeconds();
  const features = await (transfer?.data ?? inputs).plain(sample.test, {
    what: `${place} test images`,
    seed: draw.seed,
  });

  const began = performance.now();
  const same = trained.classNames.join("\n") === sample.classNames.join("\n");
  const session = same
    ? trained
    : await openPrompt(model, { method: await methodOf(run, sample.classNames), classNames: sample.classNames });
  try {
    if (!same) copyParameters(trained.params, session.params);
    const outcome = await classifyAll(features, {
      classify: await promptClassifier(model, session),
      samples: sample.test,
      what: `evaluating on ${place} classes, seed ${seed}`,
      progress,
    });
    const evaluation = (performance.now() - began) / 1000;
    const description = await describe();
    const report = await buildReport({
      run: {
        method: recipe.method,
        preset: config.preset,
        hyperparameters: hyperparametersOf(config),
        changed: [...config.changed],
        seed,
        shots: config.shots,
        trainedOn,
        ...(transfer ? { trainedOnData: on.data.name } : {}),
        evaluatedOn: subset,
        classNames: sample.classNames,
        prompts: sample.classNames.map((name) => [promptText(name, session.method.shape)]),
        learnedNumbers: Object.values(trained.params).reduce((sum, { data }) => sum + data.length, 0),
        command: typedCommand(recipe.task ?? recipe.method),
      },
      model: on.model,
      data: { ...(transfer?.data.about ?? on.data), train: own.train.length, val: own.val.length },
      engine: on.engine,
      samples: sample.test,
      outcome,
      ...description,
      seconds: {
        features: inputs.featureSeconds() - featuresBefore,
        training: await folder.trainSeconds(),
        evaluation,
      },
    });
    await writeReport(folder.path, report);
    if (transfer) await writeTransferPage(folder.path, report, { images: transfer.data.images });
    progress.finish(`${resultLine(report)} (${evaluation.toFixed(1)} s)`);
    return report;
  } finally {
    if (!same) await session.dispose();
  }
}

/** The page of an evaluation on another data set, in a folder of its own: `caltech101-all/report.html`. */
async function writeTransferPage(folder: string, report: Report, options: { images?: ImageSource }): Promise<void> {
  const name = reportName(report).replace(/^report-|\.json$/g, "");
  const images = options.images &&
    await readThumbnails(report.results.worst.map(({ path }) => path), options.images);
  await writePage(`${folder}/${name}`, await runPage([report], { images }));
}

/** How training went, from the final checkpoint alone: the same whether it was trained now or a month ago. */
async function describeTraining(
  { config, inputs, progress, seed, folder }: SeedRun,
  session: PromptSession,
): Promise<ReportedTraining | undefined> {
  const stored = await folder.checkpoint();
  if (stored === undefined) throw new UserError(`The prompt in ${folder.path} is gone: run the same command again.`);
  const { state } = stored.checkpoint;
  // A prompt that was taken over: it was trained elsewhere, and how is not known.
  if (state.step === 0) return undefined;
  const { train, classNames } = inputs.fewShot({ shots: config.shots, seed, classes: config.train ?? "base" });
  const perEpoch = stepsPerEpoch(train.length, config.batchSize);
  const outcome = await classifyAll(await inputs.plain(train, { what: "training images", seed }), {
    classify: await promptClassifier(inputs.model, session),
    samples: train,
    what: "evaluating on training images",
    progress: { ...progress, update() {} },
  });
  const schedule = scheduleOf(config);
  return {
    steps: state.step,
    loss: epochMeans(state.losses, perEpoch),
    lr: Array.from({ length: config.epochs }, (_, epoch) => learningRate(epoch + 1, schedule)),
    accuracy: accuracyOf(outcome, train),
    classes: classNames.length,
  };
}

/** A class's prompt as text, with `X` for each learned token, as CoOp's code writes place-holders. */
export function promptText(className: string, { contextTokens, classTokenPosition }: PromptShape): string {
  const before = { end: contextTokens, middle: Math.floor(contextTokens / 2), front: 0 }[classTokenPosition];
  const learned = (count: number) => new Array<string>(count).fill("X");
  const words = [...learned(before), className.replaceAll("_", " "), ...learned(contextTokens - before)];
  return `${words.join(" ")}.`;
}

/** Page, card and, last, `done`, from all reports that are in the folder. */
export async function finishFolder({ inputs, config, folder }: SeedRun): Promise<void> {
  await writeRunPage(folder.path, { images: inputs.images });
  const name = `checkpoint-${String(config.epochs).padStart(4, "0")}.safetensors`;
  const reports = await readFolder(folder.path);
  const sha256 = await sha256Hex(`${folder.path}/${name}`);
  // Evaluated on other data sets alone, it has no results of its own yet.
  if (reports.length > 0) await folder.write("MODEL_CARD.md", modelCard(reports, { file: name, sha256 }));
  await folder.finish({ prompt: name, sha256, evaluatedOn: reports.map(({ run }) => run.evaluatedOn) });
}
