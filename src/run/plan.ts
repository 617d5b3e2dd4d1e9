/** `--dry-run`: what a run would do, with times that are measured on numbers of the right size, and nothing done. */
import type { ClipModel } from "../clip/model.ts";
import { drawsImages, learnsPrompts, type PromptLearning, readsFrozenImages } from "../methods/method.ts";
import type { PromptSettings } from "../methods/prompt_settings.ts";
import { fillTemplate } from "../methods/zero_shot.ts";
import { stepsPerEpoch } from "../optim/batch_order.ts";
import type { PromptSession } from "../prompt/session.ts";
import type { RunConfig } from "./config.ts";
import { configYaml } from "./config_yaml.ts";
import type { LowerBlocks, RunData } from "./data.ts";
import { countLine, TEST_BATCH } from "./evaluate.ts";
import { evaluatedImages } from "./evaluated_images.ts";
import { learningImages } from "./identity.ts";
import type { Inputs } from "./inputs.ts";
import type { EvaluationTarget } from "./learned.ts";
import { lowerBlocks, lowerBytes, lowerSentence } from "./lower_blocks.ts";
import { runPath, type RunPlace } from "./path.ts";
import { duration } from "./progress.ts";
import { learnedNumbers, promptText, sessionOf } from "./prompt_learner.ts";
import { DEFAULT_SHOTS } from "./settings.ts";
import { templatesOf } from "./templates.ts";

/** Prompts that are shown with their token ids. */
const SHOWN = 3;
/** Images that are timed; the tower takes them as one batch. */
const TIMED = 8;

/** What a plan is made from. */
export interface PlanInputs {
  config: RunConfig;
  inputs: Inputs;
  targets: readonly EvaluationTarget[];
  /** Other data sets by the names in the targets. */
  others: ReadonlyMap<string, RunData>;
  place(seed: number | null): RunPlace;
}

/** What a part of the plan costs. */
interface Cost {
  lines: string[];
  /** For each seed. */
  seconds: number;
  /** For each seed. */
  bytes: number;
  /** Views of images that the image tower has to encode, for each seed. */
  views: number;
  /** What is done, for the last line. */
  work: string;
}

/**
 * The resolved settings, folders, classes, prompts, learned numbers and estimates; and the seconds of all seeds, those of
 * image features among them, which may be there.
 */
export async function planOf(
  at: PlanInputs,
): Promise<{ lines: string[]; seconds: number; featureSeconds: number }> {
  const { config, place } = at;
  const head = [configYaml(config, { header: "The resolved configuration." }).trimEnd(), ""];
  for (const seed of config.seeds) head.push(`Run folder: ${await runPath(config, place(seed))}`);
  const { lines, summary, ...times } = await estimateOf(at);
  return { lines: [...head, ...lines, `Estimate: ${summary}. Nothing was run.`], ...times };
}

/** What to measure first: fewer of them are a day's work on no machine. */
const ORDINARY = { steps: 10_000, images: 100_000 };
const DAY = 86_400;
/** How the sentence begins, by which a comparison finds it among what its runs say. */
export const TAKES_DAYS = "warning: this takes days";

/** A sentence for a run that takes over a day, by measurement; undefined for others, most of which need no measuring. */
export async function longRun(at: Estimated): Promise<string | undefined> {
  const { config, inputs, targets, others } = at;
  const seed = config.seeds[0];
  const { length: images } = seed === null ? [] : learningImages(config, inputs.data, seed).train;
  const { method } = config;
  const { epochs = 0, batchSize = 1, views = 0 } = config.values as Partial<PromptSettings>;
  const steps = learnsPrompts(method) ? epochs * stepsPerEpoch(images, batchSize) : 0;
  const drawn = learnsPrompts(method) && !readsFrozenImages(method, config.values) ? 0 : views;
  const encoded = images * (drawn === "epochs" ? epochs : drawn) +
    sum(evaluationLines({ config, inputs, targets, others }, []));
  if (steps * config.seeds.length <= ORDINARY.steps && encoded * config.seeds.length <= ORDINARY.images) {
    return undefined;
  }
  const { summary, seconds } = await estimateOf(at);
  if (seconds <= DAY) return undefined;
  return `${TAKES_DAYS}: ${summary}, less what is done and stored already. Fewer --epochs or --views take less; ` +
    "what is done is kept when it is stopped.";
}

/** What an estimate is made from. */
type Estimated = Omit<PlanInputs, "place">;

/** The classes, prompts and learned numbers, and what it all takes, measured. */
async function estimateOf(
  at: Estimated,
): Promise<{ lines: string[]; summary: string; seconds: number; featureSeconds: number }> {
  const { config, inputs, targets } = at;
  const lines: string[] = [];
  const testSets = evaluationLines(at, lines);
  const tests = sum(testSets);
  const { method } = config;
  const cost = learnsPrompts(method) ? await promptCost(at, method, testSets) : cheapCost(at);
  lines.push(...cost.lines);
  const features = await featureEstimate(inputs, tests + cost.views * config.seeds.length);
  lines.push(features.sentence);
  const seconds = config.seeds.length * cost.seconds + features.seconds;
  const disk = config.seeds.length * (cost.bytes + tests * 40 + 1e6) + features.bytes;
  const kind = targets.length > 0 && targets.every(({ validation }) => validation) ? "validation" : "test";
  const seeds = config.seeds.length === 1 ? "" : ` for each of ${config.seeds.length} seeds`;
  const summary = `${cost.work}${tests.toLocaleString("en-US")} ${kind} images${seeds}; about ${
    duration(seconds)
  } and ${mebibytes(disk)} of disk in all`;
  return { lines, summary, seconds, featureSeconds: features.seconds };
}

/** Adds what is evaluated; gives the number of test images of each target. */
function evaluationLines({ config, inputs, targets, others }: Estimated, lines: string[]): number[] {
  const [seed] = config.seeds;
  const draw = { shots: config.shots ?? DEFAULT_SHOTS, seed: seed ?? 1 };
  if (config.train !== undefined) lines.push(countLine(config.train, learningImages(config, inputs.data, draw.seed)));
  const tests: number[] = [];
  for (const { subset, other, validation } of targets) {
    if (validation) {
      const { samples } = evaluatedImages(config, { subset, validation, data: inputs.data, seed: draw.seed });
      tests.push(samples.length);
      lines.push(`Evaluated on ${samples.length.toLocaleString("en-US")} validation images of the ${subset} classes.`);
      continue;
    }
    const data = other === undefined ? inputs.data : others.get(other)!;
    const sample = data.draw({ ...(other === undefined ? draw : { shots: DEFAULT_SHOTS, seed: 1 }), classes: subset });
    const isOwn = other === undefined && drawsImages(config.method);
    const counted = isOwn ? sample : { classNames: sample.classNames, test: sample.test };
    tests.push(sample.test.length);
    lines.push(`Evaluated on ${other === undefined ? "" : `${data.about.name}: `}${countLine(subset, counted)}`);
    if (!("templates" in config.values)) continue;
    for (const name of sample.classNames) {
      const texts = templatesOf(config.values, data).map((template) =>
        tokenLine(fillTemplate(template, name), inputs.model)
      );
      lines.push(`  ${name}: ${texts.join(", ")}`);
    }
  }
  return tests;
}

function cheapCost({ config, inputs }: Estimated): Cost {
  const nothing = { seconds: 2, bytes: 0, work: "" };
  if (!drawsImages(config.method)) return { ...nothing, lines: ["Learned numbers: 0."], views: 0 };
  const sample = learningImages(config, inputs.data, config.seeds[0]!);
  const views = config.values.views as number | undefined ?? 0;
  return { ...nothing, lines: [], views: sample.val.length + sample.train.length * (1 + views) };
}

async function promptCost(
  { config, inputs }: Estimated,
  method: PromptLearning,
  tests: readonly number[],
): Promise<Cost> {
  const seed = config.seeds[0]!;
  const settings = config.values as PromptSettings;
  const sample = learningImages(config, inputs.data, seed);
  const session = await sessionOf({ config, inputs, seed }, method, { ...sample, trains: true });
  const lines = [`Classes: ${sample.classNames.join(", ")}`];
  for (const [c, { tokens }] of session.prompts.slice(0, SHOWN).entries()) {
    const ids = [
      inputs.model.tokenizer.startToken,
      ...tokens.map((token) => "id" in token ? token.id : `X${token.learned + 1}`),
    ];
    lines.push(`Prompt "${promptText(sample.classNames[c], session.method.shape)}": ${ids.join(" ")}`);
  }
  const tensors = Object.entries(session.params).map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
  const count = learnedNumbers(session.method);
  lines.push(`Learned numbers: ${count.toLocaleString("en-US")}: ${tensors.join(", ")}`);

  const isTrained = config.train !== undefined;
  const views = isTrained ? settings.views === "epochs" ? settings.epochs : settings.views : 0;
  const below = lowerBlocks({ config, inputs }, session);
  // Each set of images by itself, as it is stored; test images serve all seeds.
  const sets = [
    { what: "training views of a seed", images: sample.train.length * (views || Number(isTrained)), seeds: 1 },
    { what: "training images of a seed", images: sample.train.length, seeds: 1 },
    ...tests.map((images) => ({ what: "test images", images, seeds: config.seeds.length })),
  ];
  const stored = sets.map(({ what, images, seeds }) => {
    if (below === undefined) return 0;
    lines.push(lowerSentence(below, { images, what }));
    const bytes = lowerBytes(below, images);
    return bytes <= below.most ? bytes / seeds : 0;
  });
  const isFrozenRead = readsFrozenImages(method, config.values);
  const { stepSeconds, batchSeconds, lowerSeconds } = await timeOf(inputs.model, {
    session,
    isFrozenRead,
    batchSize: Math.min(settings.batchSize, sample.train.length),
  });
  await session.dispose();
  const steps = isTrained ? settings.epochs * stepsPerEpoch(sample.train.length, settings.batchSize) : 0;
  return {
    lines,
    seconds: steps * stepSeconds + sum(tests) / TEST_BATCH * batchSeconds +
      sum(sets.map(({ images }) => images)) * lowerSeconds,
    // Parameters, momentum (Adam has two), and as much again for the file beside; what is learned about regularising, until the end.
    bytes: (count + learnedNumbers({ params: session.meta?.maps ?? {} })) * (session.method.optimizer ? 24 : 16) +
      steps * 100 + 1e6 + sum(stored),
    // One test view of each training image tells how well they are learned.
    views: sample.train.length * (1 + (isFrozenRead ? views : 0)),
    work: `${steps.toLocaleString("en-US")} steps of ${(stepSeconds * 1000).toFixed(0)} ms and `,
  };
}

/** Measures one step, a second one included where the method has it, and one batch of evaluation. */
async function timeOf(
  model: ClipModel,
  { session, batchSize, isFrozenRead }: { session: PromptSession; batchSize: number; isFrozenRead: boolean },
): Promise<{ stepSeconds: number; batchSeconds: number; lowerSeconds: number }> {
  const E = model.config.embedding;
  const features = (B: number) => ({ shape: [B, E], data: new Float32Array(B * E).fill(1 / Math.sqrt(E)) });
  const { size, patch } = model.config.image;
  const { lower, meta, method } = session;
  const half = (shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5) });
  const N = (size / patch) ** 2;
  const patches = (B: number) => half([B, N, 3 * patch ** 2]);
  // A step starts from what the blocks below all learned tokens give, where there are such.
  const given = (B: number) => lower === undefined ? patches(B) : half([B, 1 + N, model.config.image.width]);
  const prompted = lower?.encode ?? session.encodeImages;
  const batch = {
    ...(isFrozenRead ? { imageFeatures_BE: features(batchSize) } : {}),
    labels: new Int32Array(batchSize),
    ...(prompted === undefined ? {} : { patches_BNK: given(batchSize) }),
  };
  const isTwofold = meta !== undefined && method.meta!.order !== "off" && batchSize > 1;
  // One image asks, the others help.
  const support = Array.from({ length: batchSize - 1 }, (_, i) => i + 1);
  const draw = { query: [0], support, mix: [0], lambda: [0.5] };
  return {
    stepSeconds: await secondsOf(() => session.step(batch)) +
      (isTwofold ? await secondsOf(() => meta.outer(batch, draw)) : 0),
    batchSeconds: await secondsOf(() => session.logits(features(TEST_BATCH))) +
      (prompted === undefined ? 0 : TEST_BATCH / TIMED * await secondsOf(() => prompted(given(TIMED)))),
    lowerSeconds: lower === undefined ? 0 : await secondsOf(() => lower.rows(patches(TIMED))) / TIMED,
  };
}

/** How long image features take and how much they weigh, or what lower blocks give, from one batch. */
export async function featureCost(
  model: ClipModel,
  { images, below }: { images: number; below?: LowerBlocks },
): Promise<{ seconds: number; bytes: number }> {
  if (images === 0) return { seconds: 0, bytes: 0 };
  const { size, patch } = model.config.image;
  const shape = [TIMED, (size / patch) ** 2, 3 * patch ** 2];
  const batch = { shape, data: new Float32Array(shape[0] * shape[1] * shape[2]).fill(0.5) };
  const encode = below?.encode ?? model.encodeImages;
  const seconds = images / TIMED * await secondsOf(() => encode(batch));
  return { seconds, bytes: images * (below?.numbers ?? model.config.embedding) * 4 };
}

async function featureEstimate(
  { model, data }: Inputs,
  images: number,
): Promise<{ seconds: number; bytes: number; sentence: string }> {
  if (data.images === undefined) return { seconds: 0, bytes: 0, sentence: "Image features are stored." };
  const { seconds, bytes } = await featureCost(model, { images });
  return {
    seconds,
    bytes,
    sentence: `Image features: ${images.toLocaleString("en-US")} images, about ${duration(seconds)} and ${
      mebibytes(bytes)
    } in the cache, less what is there.`,
  };
}

/** The time of some work: the shortest of three after one that prepares it, since other programs run too. */
async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  await work();
  let least = Infinity;
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    await work();
    least = Math.min(least, (performance.now() - began) / 1000);
  }
  return least;
}

/** A hand-written prompt with the ids of its tokens. */
function tokenLine(text: string, { tokenizer }: Pick<ClipModel, "tokenizer">): string {
  return `"${text}" [${[tokenizer.startToken, ...tokenizer.encode(text), tokenizer.endToken].join(" ")}]`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

/** `12 MiB`. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString("en-US")} MiB`;
}
