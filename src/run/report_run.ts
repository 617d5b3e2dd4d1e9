/** What was learned becomes a report: the images are classified, and what came out is written, with its page where it stands apart. */
import { runPage } from "../eval/page/run_page.ts";
import { readThumbnails } from "../eval/page/thumbnails.ts";
import { folderApart, writePage } from "../eval/page/write_page.ts";
import { predictionsCsv, predictionsName } from "../eval/predictions_file.ts";
import { buildReport, type Report } from "../eval/report.ts";
import { reportName, writeReport } from "../eval/report_file.ts";
import { drawsImages, type Method } from "../methods/method.ts";
import type { RunData } from "./data.ts";
import { reportWarnings } from "./doubts.ts";
import { classifyAll, countLine } from "./evaluate.ts";
import { evaluatedImages } from "./evaluated_images.ts";
import { drawOf } from "./identity.ts";
import { recordedSettings } from "./imported.ts";
import type { ClassList, EvaluationTarget, Learned, SeedRun } from "./learned.ts";

/** Evaluates what was learned and writes the report; a sentence where there can be none. */
export async function evaluate(
  run: SeedRun,
  at: { learned: Learned; target: EvaluationTarget; other?: RunData; command: string; methodSha256?: string },
): Promise<Report | string> {
  const { config, inputs, progress, seed, folder } = run;
  const { learned, target: { subset, validation }, other, command, methodSha256 } = at;
  const { method } = config;
  const data = other ?? inputs.data;
  // Of another data set, and of methods that draw none, only names and test images are used: the same for every draw.
  const draw = drawOf(config, other === undefined ? seed : null);
  const images = evaluatedImages(config, { subset, validation, other, data: inputs.data, seed });
  const { classNames, samples, kind } = images;
  const trainedOn = drawsImages(method) ? config.train ?? "base" : null;
  const classes: ClassList = { classNames, data, learnedFrom: other === undefined && subset === trainedOn };
  const place = other === undefined ? subset : `${other.about.name}, ${subset}`;
  const counted = other === undefined && seed !== null ? data.draw({ ...draw, classes: subset }) : undefined;
  const line = countLine(subset, counted ?? { classNames, test: samples });
  progress.say(`${other === undefined ? "" : `${other.about.name}: `}${line}`);
  const before = inputs.data.featureSeconds() + (other?.featureSeconds() ?? 0);
  const began = performance.now();
  const classifier = await learned.classifier(classes);
  if ("impossible" in classifier) {
    return noResult(method, place, classifier.impossible);
  }
  try {
    const prepared = (performance.now() - began) / 1000;
    const features = await data.features(samples, {
      what: `${place} ${kind} images`,
      seed: draw.seed,
      encoder: learned.encoder,
    });
    const classified = performance.now();
    const outcome = await classifyAll(features, {
      classifier,
      samples,
      what: `evaluating on ${place} classes${validation ? ", validation images" : ""}${
        seed === null ? "" : `, seed ${seed}`
      }`,
      progress,
    });
    const evaluation = prepared + (performance.now() - classified) / 1000;
    const described = await learned.describe();
    const training = await learned.seconds();
    const at = { other, subset, validation, images, learned, predictions: outcome.predictions };
    const warnings = await reportWarnings(run, at);
    for (const { kind, text } of warnings) if (kind === "collapse") progress.say(`warning: ${text}`);
    const report = await buildReport({
      run: {
        method: method.name,
        label: method.label,
        ...recordedSettings(config, learned),
        seed,
        shots: config.shots,
        trainedOn,
        ...(other === undefined ? {} : { trainedOnData: inputs.data.about.name }),
        evaluatedOn: subset,
        ...(validation ? { validation } : {}),
        classNames,
        prompts: learned.prompts(classes),
        learnedNumbers: learned.learnedNumbers,
        command,
        ...(run.identity["images-sha256"] === undefined || learned.imported !== undefined
          ? {}
          : { imagesSha256: run.identity["images-sha256"] }),
        ...(methodSha256 === undefined ? {} : { methodSha256 }),
        ...(learned.engine === undefined || learned.engine === inputs.on.engine.name
          ? {}
          : { trainedWithEngine: learned.engine }),
      },
      model: inputs.on.model,
      data: { ...data.about, ...learned.counts, [`${kind}ImagesSha256`]: await data.sha256(samples) },
      engine: inputs.on.engine,
      samples,
      outcome,
      ...described,
      warnings,
      seconds: {
        features: inputs.data.featureSeconds() + (other?.featureSeconds() ?? 0) - before,
        ...(training === undefined ? {} : { training }),
        evaluation,
      },
    });
    const predictions = predictionsCsv(outcome, { samples, classNames });
    await folder.write(predictionsName(reportName(report)), predictions);
    await writeReport(folder.path, report);
    if (other !== undefined || validation) await writePageApart(folder.path, report, data);
    // What came out is told by whoever asked for it.
    progress.finish(`${place}${validation ? ", validation images" : ""}: evaluated (${evaluation.toFixed(1)} s)`);
    return report;
  } finally {
    await classifier.dispose();
  }
}

/**
 * The page of an evaluation on another data set, or on validation images, in a folder of its own:
 * `caltech101-all/report.html`.
 */
async function writePageApart(folder: string, report: Report, { images: source }: RunData): Promise<void> {
  const name = folderApart(report);
  const images = source && await readThumbnails(report.results.worst.map(({ path }) => path), source);
  await writePage(`${folder}/${name}`, await runPage([report], { images }));
}

/** Says that a method can have no result on some classes. */
export function noResult(method: Method, place: string, why: string): string {
  return `${method.label} has no result on ${place} classes, which it has no images of: ${why}.`;
}
