/**
 * A run of a method on frozen features from top to bottom: settings, inputs, then for each seed learning, choosing on
 * validation images, evaluation, reports. Nothing learned is kept: learning takes seconds and gives the same bits.
 */
import type { ClassSubset, FewShot } from "../../src/data/few_shot.ts";
import type { Sample } from "../../src/data/split.ts";
import type { HostTensor } from "../../src/engine/ops.ts";
import { UserError } from "../../src/errors.ts";
import { methodLabel } from "../../src/eval/method_names.ts";
import { writeRunPage } from "../../src/eval/page/write_page.ts";
import { buildReport, type Report } from "../../src/eval/report.ts";
import { formatJson, writeReport } from "../../src/eval/report_file.ts";
import type { FeatureClassifier, FeatureTask } from "../../src/methods/feature_method.ts";
import { fillTemplate, zeroShotFeatures } from "../../src/methods/zero_shot.ts";
import { readSettings } from "./config.ts";
import { namedDataset } from "./dataset_file.ts";
import { featureEstimate, permissionLine, tokenLine } from "./dry_run_parts.ts";
import { classifyAll, countLine, resultLine, typedCommand } from "../../src/run/evaluate.ts";
import {
  type FeatureConfig,
  type FeatureDefaults,
  type FeatureHyper,
  featureMethodName,
  featurePath,
  featureYaml,
  resolveFeatureConfig,
} from "./feature_config.ts";
import { type Inputs, openInputs } from "../../src/run/inputs.ts";
import { openProgress, type Progress } from "./progress.ts";
import type { RecipeInfo } from "./recipe.ts";
import { openRunFolder } from "../../src/run/folder.ts";
import { backbonePart } from "../../src/run/path.ts";
import { tellResults } from "./tell.ts";
import { templatesOf } from "./templates.ts";

/** A recipe of a method on frozen features. */
export interface FeatureRecipe extends RecipeInfo {
  /** The published numbers; flags of the same names go over them. */
  defaults: FeatureDefaults;
  /** Learns, and chooses on the validation images. */
  learn(task: FeatureTask, options: { hyper: FeatureHyper; trainedOn: ClassSubset }): FeatureClassifier;
  /** The least share of an image that a training view keeps; the one of prompt learning when left out. */
  leastArea?: number;
  /** How many numbers it learns. */
  learnedNumbers(task: FeatureTask): number;
}

interface Run {
  recipe: FeatureRecipe;
  /** Its name in folders and reports. */
  method: string;
  config: FeatureConfig;
  inputs: Inputs;
  templates: readonly string[];
  progress: Progress;
  seed: number;
}

/** Runs a recipe of a method on frozen features, as `--help` describes it. */
export async function runFeatureRecipe(recipe: FeatureRecipe, args: readonly string[]): Promise<void> {
  const config = resolveFeatureConfig(await readSettings(args, recipe.settings), recipe.defaults);
  const method = featureMethodName(recipe.method, config);
  const progress = openProgress({ quiet: config.quiet });
  const inputs = await openInputs({ ...config, dataset: await namedDataset(config.dataset) }, progress);
  try {
    const templates = templatesOf(config.templates, inputs);
    const run = (seed: number): Run => ({ recipe, method, config, inputs, templates, progress, seed });
    if (config.dryRun) {
      for (const seed of config.seeds) await tellPlan(run(seed));
      return;
    }
    const reports: Report[] = [];
    const left = new Set<string>();
    for (const seed of config.seeds) {
      const found = await runSeed(run(seed));
      reports.push(...found.reports);
      if (found.left !== undefined) left.add(found.left);
    }
    if (reports.length === 0) throw new UserError([...left].join(" "));
    for (const sentence of left) progress.say(sentence);
    if (config.json) console.log(formatJson(reports.length === 1 ? reports[0] : reports, ""));
    else tellResults(reports, { model: inputs.on.model, task: recipe.method });
  } finally {
    await inputs.close();
  }
}

async function runSeed(run: Run): Promise<{ reports: Report[]; left?: string }> {
  const { recipe, config, inputs, progress, seed, method } = run;
  const { task, sample } = await learningTask(run);
  const began = performance.now();
  const classifier = recipe.learn(task, { hyper: config.hyper, trainedOn: config.train });
  const seconds = (performance.now() - began) / 1000;
  const chosen = Object.entries(classifier.chosen).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
  progress.finish(
    `${methodLabel(method)}, seed ${seed}: learned in ${seconds.toFixed(1)} s; chosen on ${task.val.labels.length} ` +
      `validation images: ${chosen.join(", ")}.`,
  );

  const { newClasses } = classifier;
  const learned = { task, sample, seconds };
  const evaluations: { subset: ClassSubset; classifier: (classes: FewShot) => Promise<FeatureClassifier> }[] = [];
  let left: string | undefined;
  for (const subset of config.eval) {
    if (subset === config.train) evaluations.push({ subset, classifier: () => Promise.resolve(classifier) });
    else if (typeof newClasses === "function") {
      const fresh = async ({ classNames }: FewShot) =>
        newClasses(await zeroShotFeatures(inputs.model, { classNames, templates: run.templates }));
      evaluations.push({ subset, classifier: fresh });
    } else {
      left = `${
        methodLabel(method)
      } has no result on ${subset} classes, which it has no images of: ${newClasses.impossible}.`;
    }
  }
  if (evaluations.length === 0) return { reports: [], left };

  const { name } = inputs.on.data;
  const folder = await openRunFolder(
    featurePath(config, { method, dataset: name, backbone: backbonePart(inputs.on), seed }),
  );
  try {
    await folder.write("config.yaml", featureYaml(config, { task: recipe.method, names: recipe.settings, seed }));
    const reports: Report[] = [];
    for (const { subset, classifier } of evaluations) {
      const classes = inputs.fewShot({ shots: config.shots, seed, classes: subset });
      const report = await evaluate(run, { subset, classes, classifier: await classifier(classes), learned });
      await writeReport(folder.path, report);
      progress.finish(resultLine(report));
      reports.push(report);
    }
    await writeRunPage(folder.path, { images: inputs.images });
    await folder.finish({ chosen: classifier.chosen, evaluatedOn: reports.map(({ run }) => run.evaluatedOn) });
    return { reports, left };
  } finally {
    folder.close();
  }
}

/** The few-shot images as features, and the classes' texts. */
async function learningTask(
  { recipe, config, inputs, templates, progress, seed }: Run,
): Promise<{ task: FeatureTask; sample: FewShot }> {
  const { model } = inputs;
  const sample = inputs.fewShot({ shots: config.shots, seed, classes: config.train });
  // Neither the published grid nor an epoch may be chosen where results are measured.
  if (sample.val === sample.test || sample.val.length === 0) {
    throw new UserError(
      "This data set has no validation images beside its test images, and nothing is chosen on those: give a --split " +
        "with a validation part.",
    );
  }
  const val = config.tuneOn === "full" ? inputs.wholeVal(config.train) : sample.val;
  progress.say(countLine(config.train, { ...sample, val }));
  const labels = (samples: readonly Sample[]) => Int32Array.from(samples, ({ label }) => label);
  const plain = (samples: readonly Sample[], what: string) => inputs.plain(samples, { what, seed, raw: true });
  const features_NE = await plain(sample.train, "training images");
  const task = {
    classNames: sample.classNames,
    logitScale: model.logitScale,
    textFeatures_CE: await zeroShotFeatures(model, { classNames: sample.classNames, templates }),
    train: {
      features_NE,
      views_VNE: await trainingViews(inputs, {
        samples: sample.train,
        features_NE,
        count: config.hyper.views ?? 0,
        leastArea: recipe.leastArea,
        seed,
      }),
      labels: labels(sample.train),
    },
    val: { features_NE: await plain(val, "validation images"), labels: labels(val) },
    seed,
  };
  return { task, sample: { ...sample, val } };
}

/** All views in one tensor [V, N, E]; the test transform alone when none is asked for. */
async function trainingViews(
  inputs: Inputs,
  options: { samples: readonly Sample[]; features_NE: HostTensor; count: number; seed: number; leastArea?: number },
): Promise<HostTensor> {
  const { samples, features_NE: { shape, data }, count, seed, leastArea } = options;
  if (count === 0) return { shape: [1, ...shape], data };
  const views = await inputs.views(samples, { seed, count, leastArea, raw: true });
  const all = new Float32Array(views.count * data.length);
  for (let v = 0; v < views.count; v++) all.set((await views.view(v)).data, v * data.length);
  return { shape: [views.count, ...shape], data: all };
}

async function evaluate(
  run: Run,
  options: {
    subset: ClassSubset;
    classes: FewShot;
    classifier: FeatureClassifier;
    learned: { task: FeatureTask; sample: FewShot; seconds: number };
  },
): Promise<Report> {
  const { recipe, method, config, inputs, templates, progress, seed } = run;
  const { subset, classes, classifier, learned } = options;
  const before = inputs.featureSeconds();
  const features = await inputs.plain(classes.test, { what: `${subset} test images`, seed, raw: true });
  const began = performance.now();
  const outcome = await classifyAll(features, {
    classify: (batch) => Promise.resolve(classifier.logits(batch)),
    samples: classes.test,
    what: `evaluating on ${subset} classes, seed ${seed}`,
    progress,
  });
  const usesText = recipe.settings.includes("templates");
  return await buildReport({
    run: {
      method,
      preset: null,
      hyperparameters: {
        ...(usesText ? { templates: config.templates } : {}),
        tuneOn: config.tuneOn,
        ...config.hyper,
        ...classifier.chosen,
      },
      changed: config.changed,
      seed,
      shots: config.shots,
      trainedOn: config.train,
      evaluatedOn: subset,
      classNames: classes.classNames,
      prompts: classes.classNames.map((name) => usesText ? templates.map((one) => fillTemplate(one, name)) : [name]),
      learnedNumbers: recipe.learnedNumbers(learned.task),
      command: typedCommand(recipe.method),
    },
    model: inputs.on.model,
    data: { ...inputs.on.data, train: learned.sample.train.length, val: learned.sample.val.length },
    engine: inputs.on.engine,
    samples: classes.test,
    outcome,
    seconds: {
      features: inputs.featureSeconds() - before,
      training: learned.seconds,
      evaluation: (performance.now() - began) / 1000,
    },
  });
}

async function tellPlan({ recipe, method, config, inputs, templates, seed }: Run): Promise<void> {
  console.log(featureYaml(config, { task: recipe.method, names: recipe.settings, seed }).trimEnd());
  const { name } = inputs.on.data;
  console.log(
    `\nRun folder: ${featurePath(config, { method, dataset: name, backbone: backbonePart(inputs.on), seed })}`,
  );
  const sample = inputs.fewShot({ shots: config.shots, seed, classes: config.train });
  const val = config.tuneOn === "full" ? inputs.wholeVal(config.train) : sample.val;
  console.log(countLine(config.train, { ...sample, val }));
  let tests = 0;
  for (const subset of config.eval) {
    const classes = inputs.fewShot({ shots: config.shots, seed, classes: subset });
    tests += classes.test.length;
    console.log(`Evaluated on ${countLine(subset, classes)}`);
    if (!recipe.settings.includes("templates")) continue;
    for (const name of classes.classNames) {
      console.log(`  ${name}: ${templates.map((one) => tokenLine(fillTemplate(one, name), inputs.model)).join(", ")}`);
    }
  }
  console.log(permissionLine(recipe));
  // Test views of all lists, and the training views of the few-shot images.
  const few = sample.train.length * (1 + (config.hyper.views ?? 0));
  const { sentence } = await featureEstimate(inputs, tests + val.length + few);
  console.log(sentence);
  console.log("Nothing was run.");
}
