/** The runs that a comparison needs: each method × shots × seed, and which of them are there, whole and of these very inputs. */
import type { ClassSubset } from "../data/few_shot.ts";
import type { DatasetDescription } from "../data/description.ts";
import { UserError } from "../errors.ts";
import { type NoResult, noResultSentences } from "../eval/comparison.ts";
import { readFolder, readValidation } from "../eval/page/write_page.ts";
import type { Report } from "../eval/report.ts";
import { drawsImages, type Method } from "../methods/method.ts";
import { flagName } from "../methods/setting.ts";
import { completeSettings, type Given, type RunConfig, whyNotOn } from "./config.ts";
import type { RunData } from "./data.ts";
import { openData } from "./open_data.ts";
import { evaluatedImages } from "./evaluated_images.ts";
import { readDone } from "./folder.ts";
import { difference, identityOfReport, type RunIdentity, runIdentity, testImagesSha256 } from "./identity.ts";
import { backbonePart, type ModelFacts, modelFacts } from "./inputs.ts";
import { runPath } from "./path.ts";
import type { Progress } from "./progress.ts";
import { type RunValues, type Target, type Transfer, VALIDATION } from "./settings.ts";

/** What one report of a run is of. */
export type Evaluated = Exclude<Target, Transfer>;

/** A method of a comparison. */
export interface ComparedMethod {
  method: Method;
  /** The method whose recipe runs it, and what it is told besides: `--over cocoop`. */
  asked: Method;
  /** The file of a user's own method. */
  file?: { path: string; sha256: string };
  /** Settings as given, those that this method has. */
  given: Given;
  /** Those that tell its runs from others of the same method, as they are typed: `{ lr: "0.002" }`. */
  varied?: Readonly<Record<string, string>>;
}

/** What is compared. */
export interface ComparisonRequest {
  methods: readonly ComparedMethod[];
  /** Classes whose test images are evaluated; `val` for the validation images of those that are learned from. */
  subsets: readonly Evaluated[];
  train: ClassSubset;
  shots: readonly number[];
  seeds: readonly number[];
  /** Where data and model are, and where runs go. */
  on: Pick<RunValues, "out"> & Partial<RunValues>;
  description?: DatasetDescription;
}

/** A run that was asked for; its data are not looked at yet. */
export interface AskedRun {
  compared: ComparedMethod;
  config: RunConfig;
  /** Null for methods that draw no images; so is the seed. */
  shots: number | null;
  seed: number | null;
  /** What it is evaluated on: of what was asked for, all that the method can. */
  subsets: Evaluated[];
}

/** A run that a comparison needs. */
export interface PlannedRun extends AskedRun {
  /** For people: `CoOp, 16 shots, seed 2`. */
  title: string;
  /** Its folder. */
  path: string;
  /** What decides its numbers. */
  identity: RunIdentity;
  /** One sha256 of the bytes of its validation images, where it is evaluated on them: each draw has its own. */
  validationImages?: string;
}

/** What a comparison needs. */
export interface ComparisonPlan {
  /** The data set's name. */
  dataset: string;
  runs: PlannedRun[];
  /** Results that were asked for and that methods cannot have. */
  without: NoResult[];
  /** One sha256 of the bytes of the test images, by classes. */
  testImages: ReadonlyMap<ClassSubset, string>;
}

/**
 * The runs that a comparison asks for, and the results that it cannot have.
 *
 * @throws {UserError} when no method can have any result that was asked for
 */
export function askedRuns(request: ComparisonRequest): { runs: AskedRun[]; without: NoResult[] } {
  const { methods, subsets, train } = request;
  const without = withoutResults(methods.map(({ method }) => method), { train, subsets });
  const isPossible = (method: Method, subset: Evaluated) =>
    !without.some((one) => one.method === method.name && one.subset === subset);
  if (methods.every(({ method }) => subsets.every((subset) => !isPossible(method, subset)))) {
    throw new UserError(noResultSentences(without).join(" "));
  }
  const runs = methods.flatMap((compared) => {
    const possible = subsets.filter((subset) => isPossible(compared.method, subset));
    return possible.length === 0 ? [] : runsOf(compared, { request, subsets: possible });
  });
  return { runs, without };
}

/**
 * Plans a comparison. Data and model are looked at, since a run is known by their bytes; nothing is computed.
 *
 * @throws {UserError} when no method can have any result that was asked for, or data or model are missing
 */
export async function planComparison(
  request: ComparisonRequest,
  { progress }: { progress: Progress },
): Promise<ComparisonPlan> {
  const asked = askedRuns(request);
  const model = await modelFacts(request.on);
  const data = await openData(request.on, { sample: model.sample, description: request.description, progress });
  try {
    const runs: PlannedRun[] = [];
    for (const run of asked.runs) runs.push(await planned(run, { data, model }));
    const testImages = new Map<ClassSubset, string>();
    for (const subset of request.subsets) {
      if (subset !== VALIDATION) testImages.set(subset, await testImagesSha256(data, subset));
    }
    return { dataset: data.about.name, runs, without: asked.without, testImages };
  } finally {
    await data.close();
  }
}

/** The results that methods cannot have, after they learned from these classes. */
export function withoutResults(
  methods: readonly Method[],
  { train, subsets }: { train: ClassSubset; subsets: readonly Evaluated[] },
): NoResult[] {
  return methods.flatMap((method) =>
    subsets.flatMap((subset): NoResult[] => {
      const why = whyNotOn(method, { train, subset });
      if (why === undefined || subset === VALIDATION) return [];
      const others = "it tells apart the classes that it learned from, or the other half";
      return [{ method: method.name, subset, why: why === "other classes" ? others : why }];
    })
  );
}

function runsOf(
  compared: ComparedMethod,
  { request: { train, shots, seeds, on }, subsets }: { request: ComparisonRequest; subsets: Evaluated[] },
): AskedRun[] {
  const { method, asked, given } = compared;
  const draws = drawsImages(method)
    ? shots.flatMap((count) => seeds.map((seed) => ({ shots: count, seed })))
    : [{ shots: null, seed: null }];
  return draws.map(({ shots, seed }) => {
    const drawn = shots === null ? {} : { train, shots, seeds: [seed] };
    return {
      compared,
      shots,
      seed,
      subsets,
      config: completeSettings(asked, { ...given, ...on, eval: subsets, ...drawn }),
    };
  });
}

async function planned(run: AskedRun, { data, model }: { data: RunData; model: ModelFacts }): Promise<PlannedRun> {
  const { compared: { method, file, varied = {} }, config, shots, seed, subsets } = run;
  const name = [method.label, ...Object.keys(varied).map((key) => `${flagName(key)} ${varied[key]}`)].join(", ");
  return {
    ...run,
    title: shots === null ? name : `${name}, ${shots} ${shots === 1 ? "shot" : "shots"}, seed ${seed}`,
    path: await runPath(config, { dataset: data.about.name, backbone: backbonePart(model, data.about), seed }),
    identity: await runIdentity(config, { model, data, seed, methodSha256: file?.sha256 }),
    ...(subsets.includes(VALIDATION)
      ? {
        validationImages: await data.sha256(
          evaluatedImages(config, { subset: config.train ?? "base", validation: true, data, seed }).samples,
        ),
      }
      : {}),
  };
}

/** What is there of a plan. */
export interface FoundRuns {
  /** Reports of the runs that are there, wholly or in part. */
  reports: Report[];
  /** The same by their runs. */
  ofRuns: Map<PlannedRun, Report[]>;
  /** Runs of which a report is missing, or the end: page, card or `done`. */
  missing: PlannedRun[];
  /** What is said of folders that hold results of other inputs. */
  conflicts: string[];
}

/**
 * Looks for the reports of a plan.
 *
 * @throws {UserError} when a report cannot be used
 */
export async function findRuns(plan: ComparisonPlan, { engine }: { engine?: string } = {}): Promise<FoundRuns> {
  const found: FoundRuns = { reports: [], ofRuns: new Map(), missing: [], conflicts: [] };
  for (const run of plan.runs) {
    const fitting: Report[] = [];
    const there = [...await readFolder(run.path), ...await readValidation(run.path)];
    for (const report of there) {
      const { run: { evaluatedOn, validation }, on } = report;
      if (!run.subsets.includes(validation ? VALIDATION : evaluatedOn)) continue;
      const images: RunIdentity = validation
        ? { "validation-images-sha256": run.validationImages! }
        : { "test-images-sha256": plan.testImages.get(evaluatedOn)! };
      const wanted = { ...run.identity, ...images };
      const words = difference(identityOfReport(report), wanted);
      if (words !== undefined) found.conflicts.push(`${run.title}: ${run.path} holds results with ${words}.`);
      else if (engine === undefined || engine === "auto" || engine === on.engine.name) fitting.push(report);
    }
    const ended = (await readDone(run.path))?.evaluatedOn ?? [];
    const isWhole = fitting.length === run.subsets.length && run.subsets.every((subset) => ended.includes(subset));
    if (!isWhole) found.missing.push(run);
    found.reports.push(...fitting);
    found.ofRuns.set(run, fitting);
  }
  return found;
}
