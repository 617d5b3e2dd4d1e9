/** Which runs a comparison needs, and which of them are there. */
import type { ClassSubset } from "../../src/data/few_shot.ts";
import { SAMPLE_MODEL_SHA256, STORED_SOURCE } from "../../src/data/sample_features.ts";
import { UserError } from "../../src/errors.ts";
import { fileError, sha256Hex } from "../../src/files.ts";
import { methodLabel } from "../../src/eval/method_names.ts";
import { readFolder } from "../../src/eval/page/write_page.ts";
import { type NoResult, noResultSentences } from "../../src/eval/comparison.ts";
import type { Report } from "../../src/eval/report.ts";
import { type CompareSettings, LEARNING_SETTINGS, SHARED_SETTINGS } from "./compare_flags.ts";
import { METHODS, noResult } from "./compare_methods.ts";
import { ownSubsets, resolveConfig } from "./config.ts";
import { featurePart, resolveFeatureConfig } from "./feature_config.ts";
import type { Job } from "./jobs.ts";
import { permissionFlags } from "./permissions.ts";
import { presetPart } from "../../src/run/path.ts";
import { flagName, isSwitch, type SettingName } from "./settings.ts";

/** A run that a comparison needs. */
export interface PlannedRun extends Job {
  method: string;
  /** Null for methods that learn nothing. */
  shots: number | null;
  seed: number | null;
  /** What it is evaluated on: of what was asked for, all that the method can. */
  subsets: ClassSubset[];
  /** Folders below the output folder, `*` for what only the data and the model tell. */
  pattern: string[];
}

/** What a comparison needs. */
export interface Plan {
  subsets: ClassSubset[];
  runs: PlannedRun[];
  /** Results that were asked for and that methods cannot have. */
  without: NoResult[];
}

/**
 * Lists the runs of a comparison: each method × shots × seed, and once each method that learns nothing.
 *
 * @param settings from `readCompareFlags`
 * @param options the folder of the recipes, as a path for the command line, and the threads of each run
 * @throws {UserError} when no method can have any result that was asked for
 */
export function planRuns(settings: CompareSettings, options: { recipes: string; threads?: number }): Plan {
  const { given } = settings;
  const subsets = ownSubsets(given) ?? ["base", "new"];
  const train = given.train ?? (subsets.every((subset) => subset === "all") ? "all" : "base");
  const seeds = given.seeds ?? [1, 2, 3];
  const threads = given.threads ?? options.threads;
  const without = settings.methods.flatMap((method) =>
    subsets.flatMap((subset): NoResult[] => {
      const why = noResult(method, { train, subset });
      return why === undefined ? [] : [{ method, subset, why }];
    })
  );
  const runs = settings.methods.flatMap((method): PlannedRun[] => {
    const { script, learns, flags = [], settings: own, defaults } = METHODS[method];
    const possible = subsets.filter((subset) => !without.some((one) => one.method === method && one.subset === subset));
    if (possible.length === 0) return [];
    const words = (more: readonly string[], names: readonly SettingName[]) => {
      const handedOn = names.filter((name) => own.includes(name) && name !== "train" && name !== "threads");
      const args = [
        ...more,
        ...flags,
        "--eval",
        possible.join(","),
        ...handedOn.flatMap((name) => flagWords(name, fitting[name])),
        ...(threads === undefined ? [] : ["--threads", String(threads)]),
      ];
      const { href: url } = new URL(`../${script}`, import.meta.url);
      return ["run", ...permissionFlags({ url }, args), `${options.recipes}/${script}`, ...args];
    };
    // A fresh crop for each epoch means nothing to methods without epochs.
    const fitting = defaults && given.views === "epochs" ? { ...given, views: undefined } : given;
    const title = methodLabel(method);
    if (!learns) {
      const pattern = ["*", method, "*", "*"];
      const names = [...SHARED_SETTINGS, "templates" as const];
      return [{ method, shots: null, seed: null, title, subsets: possible, words: words([], names), pattern }];
    }
    return settings.shots.flatMap((shots) =>
      seeds.map((seed): PlannedRun => {
        const here = { ...fitting, train, eval: possible, shots, seeds: [seed] };
        const part = defaults
          ? featurePart(resolveFeatureConfig(here, defaults))
          : presetPart(resolveConfig(here, method));
        const shotsPart = `shots${shots}${train === "base" ? "" : `-${train}`}`;
        return {
          method,
          shots,
          seed,
          subsets: possible,
          title: `${title}, ${shots} ${shots === 1 ? "shot" : "shots"}, seed ${seed}`,
          words: words(
            ["--train", train, "--shots", String(shots), "--seeds", String(seed)],
            [...SHARED_SETTINGS, ...LEARNING_SETTINGS, ...(defaults ? ["templates" as const] : [])],
          ),
          pattern: ["*", method, part, "*", shotsPart, `seed${seed}`],
        };
      })
    );
  });
  if (runs.length === 0) throw new UserError(noResultSentences(without).join(" "));
  return { subsets, runs, without };
}

function flagWords(name: SettingName, value: unknown): string[] {
  if (value === undefined || value === false) return [];
  const flag = `--${flagName(name)}`;
  if (isSwitch(name)) return [flag];
  const text = Array.isArray(value) ? value.join(",") : String(value);
  // An empty value, or one that starts with dashes, must not be taken for the next flag.
  return text === "" || text.startsWith("-") ? [`${flag}=${text}`] : [flag, text];
}

/** What is there of a plan. */
export interface Found {
  /** Reports of the runs that are there, wholly or in part. */
  reports: Report[];
  /** Runs of which a report is missing. */
  missing: PlannedRun[];
}

/**
 * Looks for the reports of a plan.
 *
 * @throws {UserError} when a report cannot be used, or there are runs of several data sets or models and the settings do not choose
 */
export async function findRuns(plan: Plan, settings: CompareSettings): Promise<Found> {
  const { given } = settings;
  const out = given.out ?? "runs";
  const model = await isSampleFile(given.model) ? undefined : given.model;
  const candidates: { run: PlannedRun; reports: Report[] }[] = [];
  for (const run of plan.runs) {
    for (const folder of await matchFolders(out, run.pattern)) {
      const reports = (await readFolder(folder)).filter((report) =>
        report.run.method === run.method && run.subsets.includes(report.run.evaluatedOn) &&
        fits(report, { ...given, model })
      );
      if (reports.length > 0) candidates.push({ run, reports });
    }
  }
  const groups = Map.groupBy(candidates, ({ reports: [{ on }] }) => `${on.data.name} with ${on.model.name}`);
  if (groups.size > 1) {
    throw new UserError(
      `${out} holds runs on ${
        [...groups.keys()].join(" and on ")
      }: choose with --dataset and --model, or compare another --out.`,
    );
  }
  return {
    reports: candidates.flatMap(({ reports }) => reports),
    missing: plan.runs.filter((run) =>
      !candidates.some((one) => one.run === run && one.reports.length === run.subsets.length)
    ),
  };
}

/** The sample model goes by its own name, wherever its file lies. */
async function isSampleFile(path: string | undefined): Promise<boolean> {
  const isFile = path !== undefined && await Deno.stat(path).then((found) => found.isFile, () => false);
  return isFile && await sha256Hex(path) === SAMPLE_MODEL_SHA256;
}

/** Whether a report is of the model, data set and template that the settings name. */
function fits({ run, on }: Report, given: CompareSettings["given"]): boolean {
  const bare = (path: string) => path.split(/[\\/]/).at(-1)!.replace(/\.[a-z]+$/i, "");
  const model = given.model === undefined
    ? on.model.sample
    : [given.model, bare(given.model)].includes(on.model.name) || bare(on.model.name) === bare(given.model);
  const dataset = given.dataset === undefined || bare(given.dataset).toLowerCase() === on.data.name.toLowerCase();
  const templates = run.hyperparameters.templates ?? "single";
  const isStored = on.data.source === STORED_SOURCE;
  return model && dataset && isStored === (given.data === undefined) &&
    (run.shots !== null || templates === (given.templates ?? "single"));
}

async function matchFolders(folder: string, pattern: readonly string[]): Promise<string[]> {
  let folders = [folder];
  for (const part of pattern) {
    const next: string[] = [];
    for (const parent of folders) {
      try {
        for await (const entry of Deno.readDir(parent)) {
          if (entry.isDirectory && (part === "*" || entry.name === part)) next.push(`${parent}/${entry.name}`);
        }
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw fileError(error, parent, "read", "the folder");
      }
    }
    folders = next.sort();
  }
  return folders;
}
