/**
 * Which method is better, and can it be believed: the table of the papers from reports, with the spread over seeds and the
 * intervals of differences.
 *
 * Means and standard deviations are over seeds; the deviation is the population's (divides by n), as the published
 * `parse_test_res.py` prints it. H is that of the mean accuracies, as the papers' tables print it: it can be computed from the
 * two numbers beside it, which the mean of the seeds' H cannot. Its deviation is that of the seeds' H.
 */
import type { ClassSubset } from "../data/few_shot.ts";
import { activationOf, unusual } from "../clip/config.ts";
import { UserError } from "../errors.ts";
import { bySeed } from "./by_seed.ts";
import { nearChance, unlikeSeeds, type Warning } from "./collapse.ts";
import {
  type ComparedRun,
  type Comparison,
  COMPARISON_VERSION,
  type CurvePoint,
  type MethodSummary,
  type NoResult,
  PLACES,
  type Spread,
  SUBSETS,
} from "./comparison.ts";
import { differences } from "./differences.ts";
import { methodLabel, rememberLabel } from "../methods/method_label.ts";
import { harmonicMean, mean, populationStd } from "./metrics.ts";
import type { Report } from "./report.ts";

/** How to compare. */
export interface CompareOptions {
  /**
   * Order of the rows; the first that there is a report of is what others are compared with. Those without a report have a row
   * too, others come after them as they appear.
   */
  methods?: readonly string[];
  /** Shots of the table; the most that there are when left out. */
  shots?: number;
  /** Share of the intervals that hold the true difference; 0.95 when left out. */
  confidence?: number;
  /** Results that methods cannot have, to be told as such. */
  without?: readonly NoResult[];
  /** The exact command, for the record. */
  command?: string;
}

/**
 * Compares methods from their reports.
 *
 * @param reports of any methods, seeds, shots and classes, on one model and one data set
 * @param options order of the methods, shots of the table, and the confidence of the intervals
 * @returns the comparison: a pure function of the reports and options
 * @throws {UserError} when there is no report, or reports are not of the same model, split or test images
 *
 * @example A method on features against zero-shot CLIP
 * ```ts
 * import { compareReports, gda, openRun, zeroShot } from "@prompt-kit/clip-prompts";
 *
 * const out = await Deno.makeTempDir();
 * await using words = await openRun(zeroShot, { eval: ["base"], out });
 * await using gaussians = await openRun(gda, { eval: ["base"], out });
 * for (const run of [words, gaussians]) {
 *   await using learned = await run.learn(run.seeds[0]);
 *   await run.report(learned, run.targets[0]);
 * }
 * await Deno.remove(out, { recursive: true });
 * const { differences: [difference] } = compareReports([...words.reports, ...gaussians.reports]);
 * if (difference.method !== "gda" || difference.low < 20) throw new Error("unexpected");
 * ```
 */
export function compareReports(reports: readonly Report[], options: CompareOptions = {}): Comparison {
  const { confidence = 0.95 } = options;
  if (reports.length === 0) throw new UserError("There is no report to compare: run the methods first.");
  requireOneTest(reports);
  for (const { run: { method: name, label } } of reports) if (label !== undefined) rememberLabel({ name, label });
  const found = [...new Set(reports.map(({ run }) => run.method))];
  const order = [...new Set([...options.methods ?? [], ...found])];
  const methods = order.filter((method) => found.includes(method));
  const allShots = [...new Set(reports.flatMap(({ run }) => run.shots ?? []))].sort((a, b) => a - b);
  const shots = options.shots ?? allShots.at(-1) ?? null;
  const rows = reports.filter(({ run }) => run.shots === null || run.shots === shots);
  const subsets = SUBSETS.filter((subset) => rows.some(({ run }) => run.evaluatedOn === subset));
  const [{ on }] = reports;

  return {
    comparisonVersion: COMPARISON_VERSION,
    command: options.command ?? "",
    on: {
      model: { name: on.model.name, sha256: on.model.sha256, sample: on.model.sample },
      dataset: on.data.name,
      splitSha256: on.data.splitSha256,
      images: Object.fromEntries(subsets.map((subset) => [
        subset,
        rows.find(({ run }) => run.evaluatedOn === subset)!.results.metrics.total,
      ])),
    },
    trainedOn: rows.find(({ run }) => run.trainedOn !== null)?.run.trainedOn ?? null,
    shots,
    seeds: [...new Set(rows.flatMap(({ run }) => run.seed ?? []))].sort((a, b) => a - b),
    subsets,
    methods: methods.flatMap((method) => {
      const own = rows.filter(({ run }) => run.method === method);
      if (own.length === 0) return [];
      const [{ run: { preset, changed } }] = own;
      return [{ method, label: methodLabel(method), preset, changed, ...summarize(own) }];
    }),
    rows: order.map((method) => ({ method, label: methodLabel(method) })),
    differences: methods.slice(1).flatMap((method) => differences(rows, { reference: methods[0], method, confidence })),
    interval: {
      confidence,
      over: "seeds and test images, paired; with one seed test images alone",
      multiplicity: "not corrected",
    },
    curve: allShots.length < 2 ? [] : curve(reports, { methods, allShots }),
    warnings: warnings(rows, methods),
    without: [...options.without ?? []],
    runs: reports.map(comparedRun),
  };
}

/** What a comparison keeps of a report. */
export function comparedRun({ run, results }: Report): ComparedRun {
  return {
    method: run.method,
    preset: run.preset,
    shots: run.shots,
    seed: run.seed,
    evaluatedOn: run.evaluatedOn,
    accuracy: results.metrics.accuracy,
    macroF1: results.metrics.macroF1,
    meanClassAccuracy: results.metrics.meanClassAccuracy,
    ece: results.calibration?.ece ?? null,
    trainingAccuracy: results.training?.accuracy ?? null,
    loss: results.training?.loss ?? [],
  };
}

function requireOneTest(reports: readonly Report[]): void {
  const [{ on: first }] = reports;
  const lists = new Map<string, string>();
  const cells = new Set<string>();
  for (const { run, on, results } of reports) {
    const what = `${run.method}${run.seed === null ? "" : ` (seed ${run.seed})`} on ${run.evaluatedOn}`;
    if (on.model.sha256 !== first.model.sha256) {
      throw new UserError(
        `The reports are of two models, ${first.model.name} and ${on.model.name} (${what}): compare one.`,
      );
    }
    const [computed, others] = [on.model.config, first.model.config].map((config) =>
      [activationOf(config), unusual(config)].join(" ").trim()
    );
    if (computed !== others) {
      throw new UserError(
        `The reports are of one model computed in two ways, ${others} and ${computed} (${what}): compare one.`,
      );
    }
    const list = results.predictions.testListSha256;
    if ((lists.get(run.evaluatedOn) ?? list) !== list || on.data.splitSha256 !== first.data.splitSha256) {
      throw new UserError(`The report of ${what} has other test images than the others: evaluate all with one split.`);
    }
    lists.set(run.evaluatedOn, list);
    const cell = [run.method, run.shots, run.seed, run.evaluatedOn].join();
    if (cells.has(cell)) {
      throw new UserError(
        `There are two reports of ${what}, of ${run.shots} shots: compare one preset of a method at a time.`,
      );
    }
    cells.add(cell);
  }
}

/** Accuracies and H of one method's reports. */
function summarize(reports: readonly Report[]): Pick<MethodSummary, "accuracy" | "h"> {
  const accuracy: MethodSummary["accuracy"] = {};
  for (const subset of SUBSETS) {
    const own = bySeed(reports, subset);
    if (own.length > 0) {
      accuracy[subset] = spread(own.map(({ seed, report }) => ({ seed, value: report.results.metrics.accuracy })));
    }
  }
  const { base, new: fresh } = accuracy;
  // One class alone is always right.
  const single = reports.some(({ run }) => run.evaluatedOn !== "all" && run.classNames.length === 1);
  if (base === undefined || fresh === undefined || single) return { accuracy, h: null };
  const perSeed = base.perSeed.flatMap(({ seed, value }) => {
    const other = fresh.perSeed.find((one) => one.seed === seed);
    return other ? [{ seed, value: harmonicMean(value, other.value) }] : [];
  });
  if (perSeed.length === 0) return { accuracy, h: null };
  return { accuracy, h: { ...spread(perSeed), mean: harmonicMean(base.mean, fresh.mean) } };
}

/** Mean and deviation of what seeds gave. */
export function spread(perSeed: Spread["perSeed"]): Spread {
  const values = perSeed.map(({ value }) => value);
  return { mean: mean(values), std: values.length > 1 ? populationStd(values) : null, perSeed };
}

function curve(
  reports: readonly Report[],
  options: { methods: readonly string[]; allShots: readonly number[] },
): CurvePoint[] {
  return options.methods.flatMap((method) =>
    [null, ...options.allShots].flatMap((shots) => {
      const own = reports.filter(({ run }) => run.method === method && run.shots === shots);
      return own.length > 0 ? [{ method, shots, ...summarize(own) }] : [];
    })
  );
}

function warnings(rows: readonly Report[], methods: readonly string[]): Warning[] {
  const told = new Map(rows.flatMap((row) => row.warnings ?? []).map((warning) => [warning.text, warning]));
  const ofSeeds = methods.flatMap((method): Warning[] => {
    const own = rows.filter(({ run }) => run.method === method);
    const found = new Map<number | null, Warning>();
    for (const { run: { seed }, results: { training } } of own) {
      if (training === null || training.accuracy === null || !nearChance(training.accuracy, training.classes)) continue;
      const text =
        `${methodLabel(method)}, seed ${seed}, collapsed: it gets ${
          training.accuracy.toFixed(1)
        } % of its own training ` +
        `images right, and chance is ${(100 / training.classes).toFixed(1)} %.`;
      found.set(seed, { kind: "collapse", method, seed, text });
    }
    return [...found.values(), ...SUBSETS.flatMap((subset) => seedWarning(own, { method, subset }))];
  });
  return [...ofSeeds, ...told.values()];
}

function seedWarning(
  reports: readonly Report[],
  { method, subset }: { method: string; subset: ClassSubset },
): Warning[] {
  const values = bySeed(reports, subset).map(({ seed, report }) => ({ seed, value: report.results.metrics.accuracy }));
  const unlike = unlikeSeeds(values);
  if (unlike === undefined) return [];
  const place = PLACES[subset];
  if ("outlier" in unlike) {
    const { value } = values.find(({ seed }) => seed === unlike.outlier)!;
    const text =
      `${methodLabel(method)}, seed ${unlike.outlier}, is far from the other seeds ${place}: ${value.toFixed(1)} %, ` +
      `and the nearest other is ${unlike.nearest.toFixed(1)} %.`;
    return [{ kind: "outlier", method, seed: unlike.outlier, text }];
  }
  const text = `The seeds of ${methodLabel(method)} are ${unlike.range.toFixed(1)} points apart ${place}: ` +
    "no single one of them stands for the method.";
  return [{ kind: "spread", method, seed: null, text }];
}
