/**
 * Methods on image features in a run: features, learning, choosing on validation images. Nothing learned is kept: learning
 * takes seconds and gives the same bits.
 */
import { textPrompts } from "../clip/model.ts";
import type { FewShot } from "../data/few_shot.ts";
import type { Sample } from "../data/split.ts";
import type { HostTensor } from "../engine/ops.ts";
import { UserError } from "../errors.ts";
import type { FeatureClassifier, FeatureTask } from "../methods/feature_method.ts";
import { drawsImages, type FeatureLearning } from "../methods/method.ts";
import { cosinesWith, fillTemplate, zeroShotFeatures } from "../methods/zero_shot.ts";
import { countLine } from "./evaluate.ts";
import { withValidation } from "./evaluated_images.ts";
import { learningImages } from "./identity.ts";
import type { Classifier, ClassList, Learned, SeedRun } from "./learned.ts";
import { templatesOf } from "./templates.ts";

/**
 * Learns from few-shot features, or, where nothing is learned, from class names alone. The texts of all classes that it will
 * be evaluated on have to fit the text tower before anything is computed.
 */
export async function learnFromFeatures(
  run: Pick<SeedRun, "config" | "inputs" | "progress" | "seed">,
  method: FeatureLearning,
  evaluatedOn: readonly Pick<ClassList, "classNames" | "data">[] = [],
): Promise<Learned> {
  const { config, inputs, progress, seed } = run;
  const { model, data } = inputs;
  const sample = drawsImages(config.method) ? withValidation(learningImages(config, data, seed!)) : undefined;
  const texts = (classes: Pick<ClassList, "classNames" | "data">) =>
    zeroShotFeatures(model, { classNames: classes.classNames, templates: templatesOf(config.values, classes.data) });
  const wordsOf = ({ classNames, data }: Pick<ClassList, "classNames" | "data">) =>
    classNames.map((name) => templatesOf(config.values, data).map((template) => fillTemplate(template, name)));
  if ("templates" in config.values) {
    for (const classes of evaluatedOn) textPrompts(model, wordsOf(classes).flat());
  }
  const E = model.config.embedding;
  const { publishedScale } = method;
  const given: Record<string, number> = publishedScale === undefined
    ? {}
    : { logitScale: Number(model.logitScale.toPrecision(6)) };

  let learned: FeatureClassifier | undefined;
  let seconds = 0;
  if (sample !== undefined) {
    progress.say(countLine(config.train!, sample));
    const task = await taskOf(run, { sample, textFeatures_CE: await texts({ ...sample, data }) });
    const began = performance.now();
    learned = method.learn(task, { settings: config.values, trainedOn: config.train! });
    seconds = (performance.now() - began) / 1000;
    const twice = Object.keys(learned.chosen).find((name) => name in method.settings);
    if (twice !== undefined) {
      throw new UserError(
        `The method ${method.label} chooses "${twice}", which is the name of one of its settings: reports hold both, so ` +
          "give one of them another name.",
      );
    }
    const chosen = Object.entries(learned.chosen).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
    const choice = `; chosen on ${task.val.labels.length} validation images: ${chosen.join(", ")}`;
    const scale = `; logit scale ${given.logitScale}, the model's own (${publishedScale} in the published code)`;
    progress.finish(
      `${method.label}, seed ${seed}: learned in ${seconds.toFixed(1)} s${chosen.length === 0 ? "" : choice}` +
        `${publishedScale === undefined ? "" : scale}.`,
    );
  }

  /** What learned nothing is made for the classes that are asked for. */
  const ofWords = async (classes: ClassList): Promise<FeatureClassifier> => {
    const none = { features_NE: { shape: [0, E], data: new Float32Array(0) }, labels: new Int32Array(0) };
    return method.learn({
      classNames: classes.classNames,
      logitScale: model.logitScale,
      textFeatures_CE: await texts(classes),
      train: { ...none, views_VNE: { shape: [0, 0, E], data: new Float32Array(0) } },
      val: none,
      seed: 0,
    }, { settings: config.values, trainedOn: "all" });
  };
  const C = sample?.classNames.length ?? 0;
  return {
    async classifier(classes) {
      const { logitScale } = model;
      if (learned === undefined) return wrapped(await ofWords(classes), logitScale);
      if (classes.learnedFrom) return wrapped(learned, logitScale);
      const { newClasses } = learned;
      return typeof newClasses === "function" ? wrapped(newClasses(await texts(classes)), logitScale) : newClasses;
    },
    prompts: (classes) => "templates" in config.values ? wordsOf(classes) : classes.classNames.map((name) => [name]),
    learnedNumbers: sample === undefined ? 0 : method.learnedNumbers({ C, N: sample.train.length, E }),
    chosen: learned?.chosen ?? {},
    given,
    counts: { train: sample?.train.length ?? 0, val: sample?.val.length ?? 0 },
    seconds: () => Promise.resolve(sample === undefined ? undefined : seconds),
    describe: () => Promise.resolve({}),
    dispose: () => Promise.resolve(),
  };
}

function wrapped(classifier: FeatureClassifier, logitScale: number): Classifier {
  const { texts_CE, graph } = classifier;
  return {
    logits: (features_BE) => Promise.resolve(classifier.logits(features_BE)),
    functions: () =>
      Promise.resolve({ texts_CE, logits: texts_CE === undefined ? graph : cosinesWith(texts_CE, logitScale) }),
    dispose: () => Promise.resolve(),
  };
}

async function taskOf(
  { config, inputs: { model, data }, seed }: Pick<SeedRun, "config" | "inputs" | "seed">,
  { sample, textFeatures_CE }: { sample: FewShot; textFeatures_CE: HostTensor },
): Promise<FeatureTask> {
  const labels = (samples: readonly Sample[]) => Int32Array.from(samples, ({ label }) => label);
  const features_NE = await data.features(sample.train, { what: "training images", seed: seed! });
  const count = config.values.views as number | undefined ?? 0;
  return {
    classNames: sample.classNames,
    logitScale: model.logitScale,
    textFeatures_CE,
    train: {
      features_NE,
      views_VNE: await viewsOf({ config, data, seed: seed! }, { samples: sample.train, features_NE, count }),
      labels: labels(sample.train),
    },
    val: {
      features_NE: await data.features(sample.val, { what: "validation images", seed: seed! }),
      labels: labels(sample.val),
    },
    seed: seed!,
  };
}

/** All views in one tensor [V, N, E]; the test transform alone when none is asked for. */
async function viewsOf(
  { config, data, seed }: { config: SeedRun["config"]; data: SeedRun["inputs"]["data"]; seed: number },
  options: { samples: readonly Sample[]; features_NE: HostTensor; count: number },
): Promise<HostTensor> {
  const { samples, features_NE: { shape, data: plain }, count } = options;
  if (count === 0) return { shape: [1, ...shape], data: plain };
  const { leastArea } = config.method as FeatureLearning;
  const views = await data.views(samples, { seed, count, leastArea });
  const all = new Float32Array(views.count * plain.length);
  for (let v = 0; v < views.count; v++) all.set((await views.view(v)).data, v * plain.length);
  return { shape: [views.count, ...shape], data: all };
}
