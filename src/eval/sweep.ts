/**
 * Which settings of a method are best on validation images, and what these then give on test images.
 *
 * Settings are chosen by the mean accuracy over seeds on the validation images of each seed's draw; of equals, by the mean
 * cross-entropy on the same images, and of those that are equal in both, the first that was tried. Only the chosen setting is evaluated on test images: whoever looks at more than one there has chosen on them.
 */
import type { ClassSubset } from "../data/few_shot.ts";
import { UserError } from "../errors.ts";
import { methodLabel } from "../methods/method_label.ts";
import type { Warning } from "./collapse.ts";
import { comparedRun, spread } from "./compare.ts";
import type { ComparedRun, Comparison, Spread } from "./comparison.ts";
import type { Report } from "./report.ts";

/** The layout of `sweep.json`. */
export const SWEEP_VERSION = 1;

/** What is varied, as it was asked for: by the names of flags, values or the ends of a range. */
export type SweptAxis = { name: string } & ({ values: string[] } | { low: number; high: number });

/** What `sweep.json` holds. */
export interface Sweep {
  /** Layout of this file: {@linkcode SWEEP_VERSION}. */
  sweepVersion: number;
  /** The exact command. */
  command: string;
  method: { method: string; label: string; preset: string | null };
  /** On what all settings ran. */
  on: Pick<Comparison["on"], "model" | "dataset" | "splitSha256">;
  /** Classes that were learned from, whose validation images are the judges. */
  trainedOn: ClassSubset;
  shots: number;
  seeds: number[];
  /** How the settings were found. */
  search: { kind: "grid" } | { kind: "random"; points: number; seed: number };
  axes: SweptAxis[];
  /** Validation images of each seed's draw. */
  validationImages: { seed: number; images: number }[];
  /** In the order in which they were tried. */
  settings: SweptSetting[];
  /** Null where no setting has all seeds. */
  chosen: {
    /** Its place among the settings, from 0. */
    setting: number;
    /** How many settings have the same accuracy on the validation images, this one included. */
    equals: number;
    /** What decided between these; null where there is one. */
    decidedBy: "cross-entropy" | "order" | null;
    /** How many of them have the same cross-entropy too, this one included; null where it is not known of all. */
    equalsInBoth: number | null;
    /** What it gives on test images; null where these runs are not there yet. */
    test: Comparison | null;
  } | null;
  /** What to look at twice. */
  warnings: Warning[];
}

/** A setting that was tried. */
export interface SweptSetting {
  /** Values by the names of flags, as they are typed. */
  values: Record<string, string>;
  /** Accuracy on validation images in percent; null where no seed is there. */
  validation: Spread | null;
  /** Mean cross-entropy on these images; null where no seed is there, or a report is from before it was kept. */
  crossEntropy: Spread | null;
  /** Its runs on validation images. */
  runs: ComparedRun[];
}

/** What a sweep is made of. */
export interface SweepInput extends Pick<Sweep, "command" | "search" | "axes"> {
  /** Seeds that every setting should have. */
  seeds: readonly number[];
  settings: readonly { values: Record<string, string>; reports: readonly Report[] }[];
}

/**
 * Puts a sweep together and chooses.
 *
 * @throws {UserError} when there is no report, or the seeds of one draw were judged by different images
 */
export function sweepOf({ command, search, axes, seeds, settings }: SweepInput): Sweep {
  const reports = settings.flatMap((setting) => setting.reports);
  const [first] = reports;
  if (first === undefined) {
    throw new UserError("There is no run of this sweep yet: leave --collect out to run what is missing.");
  }
  if (reports.some(({ run }) => !run.validation)) throw new Error("Settings are chosen on validation images alone");
  const images = judges(reports);
  const swept = settings.map(({ values, reports }): SweptSetting => {
    const overSeeds = (valueOf: (results: Report["results"]) => number) =>
      spread(
        reports.map(({ run, results }) => ({ seed: run.seed, value: valueOf(results) }))
          .toSorted((a, b) => a.seed! - b.seed!),
      );
    const hasCrossEntropy = reports.length > 0 && reports.every(({ results }) => results.crossEntropy !== undefined);
    return {
      values,
      validation: reports.length === 0 ? null : overSeeds(({ metrics }) => metrics.accuracy),
      crossEntropy: hasCrossEntropy ? overSeeds(({ crossEntropy }) => crossEntropy!) : null,
      runs: reports.map(comparedRun),
    };
  });
  const { run: { method, label, preset, trainedOn, shots }, on } = first;
  return {
    sweepVersion: SWEEP_VERSION,
    command,
    method: { method, label: label ?? methodLabel(method), preset },
    on: {
      model: { name: on.model.name, sha256: on.model.sha256, sample: on.model.sample },
      dataset: on.data.name,
      splitSha256: on.data.splitSha256,
    },
    trainedOn: trainedOn!,
    shots: shots!,
    seeds: [...seeds],
    search,
    axes: [...axes],
    validationImages: [...images].map(([seed, { total }]) => ({ seed, images: total })),
    settings: swept,
    chosen: choose(swept, seeds.length),
    warnings: [
      ...swept.flatMap((setting) => missingSeeds(setting, { seeds, method })),
      ...new Map(reports.flatMap(({ warnings = [] }) => warnings).map((warning) => [warning.text, warning])).values(),
    ],
  };
}

/** The validation images of each seed, which must be the same for all settings. */
function judges(reports: readonly Report[]): Map<number, { list: string; total: number }> {
  const found = new Map<number, { list: string; total: number }>();
  for (const { run: { seed }, results: { predictions: { testListSha256: list }, metrics: { total } } } of reports) {
    if ((found.get(seed!)?.list ?? list) !== list) {
      throw new UserError(
        `The runs of seed ${seed} were judged by different validation images: run all with one split, or start over with ` +
          "--fresh.",
      );
    }
    found.set(seed!, { list, total });
  }
  return found;
}

/** By what settings are chosen; -1 for those that lack a seed, since others judged them. */
function standing({ validation }: SweptSetting, seeds: number): number {
  // Sums of the same numbers in another order differ in their last bits.
  return validation?.perSeed.length === seeds ? Number(validation.mean.toFixed(9)) : -1;
}

/** Digits of a mean cross-entropy that tell: logits are float32. */
const DIGITS = 7;

/** By what settings of the same accuracy are chosen, the lower the better; undefined where it is not known. */
function lossOf({ crossEntropy }: SweptSetting): number | undefined {
  return crossEntropy === null ? undefined : Number(crossEntropy.mean.toPrecision(DIGITS));
}

/** The best of the settings that have all seeds. */
function choose(settings: readonly SweptSetting[], seeds: number): Sweep["chosen"] {
  const [best] = inRank(settings, seeds);
  const most = best === undefined ? -1 : standing(best, seeds);
  if (most < 0) return null;
  const equals = settings.filter((setting) => standing(setting, seeds) === most);
  const losses = equals.map(lossOf);
  const equalsInBoth = losses.includes(undefined) ? null : losses.filter((loss) => loss === lossOf(best)).length;
  return {
    setting: settings.indexOf(best),
    equals: equals.length,
    decidedBy: equals.length === 1 ? null : equalsInBoth === 1 ? "cross-entropy" : "order",
    equalsInBoth,
    test: null,
  };
}

/** Best first. Where the cross-entropy of one of several settings of the same accuracy is not known, none of theirs counts. */
function inRank(settings: readonly SweptSetting[], seeds: number): SweptSetting[] {
  const groups = Map.groupBy(settings, (setting) => standing(setting, seeds));
  return [...groups.keys()].sort((a, b) => b - a).flatMap((level) => {
    const group = groups.get(level)!;
    // Other seeds gave other losses.
    const isComparable = level >= 0 && group.every((setting) => lossOf(setting) !== undefined);
    return isComparable ? group.toSorted((a, b) => lossOf(a)! - lossOf(b)!) : group;
  });
}

function missingSeeds(
  { values, validation }: SweptSetting,
  { seeds, method }: { seeds: readonly number[]; method: string },
): Warning[] {
  const missing = seeds.filter((seed) => !validation?.perSeed.some((one) => one.seed === seed));
  if (missing.length === 0) return [];
  const which = missing.length === 1 ? `seed ${missing[0]} is` : `seeds ${missing.join(", ")} are`;
  const text = `${wordsOf(values)}: ${which} missing, so it is not among those to choose from.`;
  return [{ kind: "missing", method, seed: null, text }];
}

/** `lr 0.002, context-tokens 4` */
export function wordsOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values).map(([name, value]) => `${name} ${value === "" ? '""' : value}`).join(", ");
}

/** Best first; those without all seeds at the end, in the order in which they were tried. */
export function ranked({ settings, seeds }: Sweep): SweptSetting[] {
  return inRank(settings, seeds.length);
}

/** That several settings have the highest accuracy, and what decided; undefined where one alone has it. */
export function tieSentence({ chosen, settings }: Pick<Sweep, "chosen" | "settings">): string | undefined {
  if (chosen === null || chosen.decidedBy === null) return undefined;
  const { equals, equalsInBoth, decidedBy } = chosen;
  const loss = settings[chosen.setting].crossEntropy?.mean.toPrecision(4);
  const tie = `A tie: ${equals} settings have this accuracy.`;
  if (decidedBy === "cross-entropy") {
    return `${tie} Taken is the one with the lowest mean cross-entropy on the same images, ${loss}.`;
  }
  if (equalsInBoth === null) {
    return `${tie} Taken is the first of them that was tried: the cross-entropy of some was not kept by the kit that ran ` +
      "them; --fresh runs them again.";
  }
  return `${tie} ${
    equalsInBoth === equals ? "All" : equalsInBoth
  } of them have the lowest mean cross-entropy, ${loss}, ` +
    "too; taken is the first of these that was tried.";
}

/** How and on what was chosen, and what that is worth, in sentences. */
export function choiceSentences(sweep: Sweep): string[] {
  const { chosen, settings, seeds, trainedOn, validationImages, method, search, axes } = sweep;
  const counts = [...new Set(validationImages.map(({ images }) => images))].sort((a, b) => a - b);
  const all = validationImages.reduce((sum, { images }) => sum + images, 0);
  const drawn = search.kind === "grid"
    ? `All ${settings.length} combinations were tried.`
    : `${settings.length} settings were drawn with seed ${search.seed}: ${axes.map(axisWords).join("; ")}.`;
  const mean = seeds.length === 1
    ? `the accuracy of seed ${seeds[0]} on the validation images of its draw`
    : `the mean accuracy over seeds ${seeds.join(", ")} on the validation images of each seed's draw`;
  const how = `Chosen by ${mean}, ${counts.join(" to ")} of the ${trainedOn} classes: one image of all ${all} is ` +
    `${(100 / all).toFixed(1)} points.`;
  if (chosen === null) return [drawn, how, "No setting has all seeds, so none is chosen."];
  const { values } = settings[chosen.setting];
  const tie = tieSentence(sweep);
  const tested = chosen.test === null
    ? "What is chosen was not evaluated on test images yet, nor was any other setting."
    : "On test images only what is chosen was evaluated: these are the numbers to report, as accuracy on images that a " +
      "choice was made on flatters it.";
  const unseen = trainedOn === "base" && chosen.test?.subsets.includes("new")
    ? ["The new classes had no say: validation images are of the classes that were learned from."]
    : [];
  return [
    `Chosen for ${method.label}: ${wordsOf(values)}.`,
    how,
    ...tie === undefined ? [] : [tie],
    drawn,
    tested,
    ...unseen,
    ...chosen.decidedBy === "order" ? [] : edges(sweep, values),
  ];
}

function axisWords(axis: SweptAxis): string {
  if ("values" in axis) return `${axis.name} of ${axis.values.join(", ")}`;
  return `${axis.name} from ${axis.low} to ${axis.high}, ${axis.low === 0 ? "uniformly" : "log-uniformly"}`;
}

/** The best may lie beyond the values that were tried. */
function edges({ axes }: Sweep, chosen: Readonly<Record<string, string>>): string[] {
  return axes.flatMap((axis) => {
    if (!("values" in axis) || axis.values.length < 3) return [];
    const values = axis.values.map(Number);
    const value = Number(chosen[axis.name]);
    if (!values.every(Number.isFinite)) return [];
    const end = value === Math.max(...values) ? "largest" : value === Math.min(...values) ? "smallest" : undefined;
    return end === undefined ? [] : [`${axis.name} ${value} is the ${end} that was tried: better ones may lie beyond.`];
  });
}
