/** What to look at twice in a run: told before anything is learned where that can be, and in its reports. */
import { overlap } from "../data/data_warnings.ts";
import { UserError } from "../errors.ts";
import type { FewShot } from "../data/few_shot.ts";
import type { Sample } from "../data/split.ts";
import type { Warning } from "../eval/collapse.ts";
import { drawsImages } from "../methods/method.ts";
import type { RunConfig } from "./config.ts";
import type { RunData } from "./data.ts";
import { type Evaluated, type EvaluatedImages, evaluatedImages } from "./evaluated_images.ts";
import { learningImages } from "./identity.ts";
import { isTrained } from "./path.ts";
import { longRun } from "./plan.ts";
import type { ClassList, EvaluationTarget, Learned, SeedRun } from "./learned.ts";

/**
 * Whether there is anything to evaluate on, for each target.
 *
 * @throws {UserError} when a split has no image of the classes that were asked for
 */
export function requireTestImages(
  targets: readonly EvaluationTarget[],
  { config, data, others }: { config: RunConfig; data: RunData; others: ReadonlyMap<string, RunData> },
): void {
  for (const { subset, other, validation } of targets) {
    const from = other === undefined ? data : others.get(other)!;
    const at = { subset, validation, data, seed: config.seeds[0], ...other === undefined ? {} : { other: from } };
    const { samples, classNames } = evaluatedImages(config, at);
    if (samples.length > 0) continue;
    throw new UserError(
      `The split of ${from.about.name} has no test image of its ${subset} classes (${classNames.join(", ")}): leave ` +
        `${other === undefined ? subset : `${other}:${subset}`} out of --eval, or give another --split.`,
    );
  }
}

/** What a run will be evaluated on: the images of each target, and the data set that they are of. */
function evaluationsOf(
  run: SeedRun,
  { targets, others }: { targets: readonly EvaluationTarget[]; others: ReadonlyMap<string, RunData> },
): { at: Evaluated; images: EvaluatedImages; data: RunData }[] {
  return targets.map(({ other: name, ...target }) => {
    const other = name === undefined ? undefined : others.get(name);
    const at = { ...target, other };
    return { at, images: imagesOf(run, at), data: other ?? run.inputs.data };
  });
}

/** The classes that a run will be evaluated on, target by target, with the data set that they are of. */
export function evaluatedClasses(
  run: SeedRun,
  on: Parameters<typeof evaluationsOf>[1],
): Pick<ClassList, "classNames" | "data">[] {
  return evaluationsOf(run, on).map(({ images: { classNames }, data }) => ({ classNames, data }));
}

/**
 * Looks at all images that a run will need, so that one that cannot be read ends it before it learns, and tells what is
 * doubtful.
 *
 * @throws {UserError} when an image is missing or of a kind that is not read
 */
export async function lookAhead(
  run: SeedRun,
  { targets, others }: { targets: readonly EvaluationTarget[]; others: ReadonlyMap<string, RunData> },
): Promise<void> {
  const told = new Set<string>();
  // The images that are learned from were looked at for the run's identity.
  for (const { at, images, data } of evaluationsOf(run, { targets, others })) {
    await data.sha256(images.samples);
    for (const { text } of await warningsOf(run, at, images)) if (!told.has(text)) told.add(text);
  }
  for (const text of told) run.progress.say(`warning: ${text}`);
  const { config, folder, inputs, progress, seed } = run;
  const isFirst = seed === config.seeds[0];
  if (isFirst && config.train !== undefined && !await isTrained(folder.path)) {
    const text = await longRun({ config, inputs, targets, others });
    if (text !== undefined) progress.say(text);
  }
}

/** The warnings of a report: of its data and classes, and of how what it evaluates was learned. */
export async function reportWarnings(
  run: SeedRun,
  at: Evaluated & { images: EvaluatedImages; learned: Learned; predictions: ArrayLike<number> },
): Promise<Warning[]> {
  const ofData = (at.other ?? run.inputs.data).warnings.map((text): Warning => warning("data", text));
  const ofLearned = [...learnedWarnings(run, at), ...sameAnswer(run, at)];
  return [...ofData, ...await warningsOf(run, at, at.images), ...ofLearned];
}

/** Fewer images may well be of one class. */
const MANY_IMAGES = 50;

/** One class for every image, of several: what answers so tells nothing apart, and its accuracy is that class's share. */
function sameAnswer(
  { config: { method }, seed }: SeedRun,
  { images: { classNames, samples, kind }, predictions }: { images: EvaluatedImages; predictions: ArrayLike<number> },
): Warning[] {
  const isMixed = samples.some(({ label }) => label !== samples[0].label);
  if (samples.length < MANY_IMAGES || !isMixed) return [];
  for (let i = 1; i < predictions.length; i++) if (predictions[i] !== predictions[0]) return [];
  const who = seed === null ? method.label : `${method.label}, seed ${seed},`;
  const text = `${who} calls every one of the ${samples.length.toLocaleString("en")} ${kind} images ${
    classNames[predictions[0]]
  }: it tells nothing apart, and its accuracy is the share of that class.`;
  return [{ kind: "collapse", method: method.name, seed, text }];
}

function warning(kind: Warning["kind"], text: string): Warning {
  return { kind, method: null, seed: null, text };
}

function imagesOf({ config, inputs: { data }, seed }: SeedRun, at: Evaluated): EvaluatedImages {
  return evaluatedImages(config, { ...at, data, seed });
}

async function warningsOf(
  run: SeedRun,
  at: Evaluated,
  { classNames, samples, kind }: EvaluatedImages,
): Promise<Warning[]> {
  const { config, inputs, seed } = run;
  const place = at.other === undefined ? `${at.subset} class` : `${at.subset} class of ${at.other.about.name}`;
  const found: Warning[] = [];
  if (classNames.length === 1) {
    const noH = at.subset === "all" ? "" : ", and there is no H";
    const text = `There is one ${place}, ${
      classNames[0]
    }: its accuracy is 100 % by construction and says nothing${noH}.`;
    found.push(warning("classes", text));
  }
  const tested = new Set(samples.map(({ label }) => label));
  const untested = classNames.filter((_, label) => !tested.has(label));
  if (untested.length > 0) {
    found.push(
      warning("classes", `No ${kind} image is of ${untested.join(", ")}: accuracy says nothing of what is not tested.`),
    );
  }
  const learnsHere = seed !== null && drawsImages(config.method) && at.other === undefined;
  const learned = learnsHere ? learningImages(config, inputs.data, seed) : undefined;
  if (learned !== undefined) found.push(...shotWarnings(learned, config.shots!));
  return [...found, ...await twinWarnings(at.other ?? inputs.data, { train: learned?.train ?? [], samples, kind })];
}

/** Classes with fewer training images than shots. */
function shotWarnings({ train, classNames }: FewShot, shots: number): Warning[] {
  const counts = classNames.map((name, label) => ({ name, count: train.filter((one) => one.label === label).length }));
  const fewer = counts.filter(({ count }) => count < shots);
  if (fewer.length === 0) return [];
  const shown = fewer.slice(0, 5).map(({ name, count }) => `${name} has ${count}`).join(", ");
  const more = fewer.length > 5 ? ` and ${fewer.length - 5} more classes have fewer` : "";
  return [warning("shots", `${shots} shots were asked for, and ${shown}${more}: it is learned from those.`)];
}

/** Images of the same bytes under two names: in training and test, or twice in the test. */
async function twinWarnings(
  data: RunData,
  { train, samples, kind }: { train: readonly Sample[] } & Pick<EvaluatedImages, "samples" | "kind">,
): Promise<Warning[]> {
  if (data.hashesOf === undefined) return [];
  const [ofTrain, ofTest] = [await data.hashesOf(train), await data.hashesOf(samples)];
  const learned = new Map(train.map(({ path }, i) => [ofTrain[i], path]));
  const found: Warning[] = [];
  const leaked = samples.filter(({ path }, i) => (learned.get(ofTest[i]) ?? path) !== path);
  if (leaked.length > 0) {
    found.push(warning("data", overlap(leaked.length, { later: kind, part: "training", first: leaked[0] })));
  }
  const seen = new Map<string, string>();
  const twice = samples.filter(({ path }, i) => {
    const before = seen.get(ofTest[i]);
    if (before === undefined) seen.set(ofTest[i], path);
    return before !== undefined && before !== path;
  });
  if (twice.length > 0) {
    const [first] = twice;
    const text =
      `${twice.length} ${kind} ${twice.length === 1 ? "image is a copy" : "images are copies"} of other ${kind} ` +
      `images, ${first.path} the first: it counts twice.`;
    found.push(warning("data", text));
  }
  return found;
}

function learnedWarnings(
  { config: { method }, seed }: SeedRun,
  { learned: { engine = "", chosen, counts }, validation }: Evaluated & { learned: Learned },
): Warning[] {
  const who = `${method.label}, seed ${seed},`;
  const about = (kind: Warning["kind"], text: string): Warning => ({ kind, method: method.name, seed, text });
  const found: Warning[] = [];
  if (engine.includes(", then ")) {
    const text =
      `${who} was resumed on another engine: its steps were computed by ${engine}, and results repeat bit by ` +
      "bit on one engine only.";
    found.push(about("engine", text));
  }
  if (Object.keys(chosen).length > 0 && counts.val === 1) {
    found.push(about("shots", `${who} chose its settings on one validation image: the choice is chance.`));
  }
  if (Object.keys(chosen).length > 0 && validation) {
    const names = Object.keys(chosen).join(", ");
    found.push(about("data", `${who} chose ${names} on these validation images: accuracy on them flatters it.`));
  }
  return found;
}
